"""The connection to Discord: commands, their registration, errors, shutdown. Built by app.py, on the event loop.

It asks for no privileged intent: slash commands need none. The store, the executor and the settings arrive through
the constructor and go on to the cogs; nothing is looked up.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.catalogues import Languages
from bot.cogs.authority import Authority
from bot.cogs.command_registration import CommandRegistration
from bot.cogs.gateway_watch import watch_gateway
from bot.cogs.loading import load_cogs
from bot.cogs.privacy_policy import PrivacyPolicy
from bot.cogs.services import Services
from bot.cogs.translator import CommandTranslator
from bot.discord_requests import AnswerRequests, BotRequests
from bot.error_handler import answer_error, explain
from bot.errors import DalleBotError, NotAdmittedError
from bot.executor.base import Executor
from bot.fence import Fence
from bot.language import ENGLISH
from bot.log_context import bind
from bot.moderation.image_categories import NO_CATEGORIES, Categories
from bot.moderation.parameters import ImageCount
from bot.moderation.places import Places
from bot.moderation.prompt_rules import Rule
from bot.pictures import PictureFolder
from bot.shard_events import ShardEvents
from bot.shards import ALL_SHARDS
from bot.store import Store
from bot.telemetry.discord_traffic import DiscordTraffic
from bot.telemetry.metrics import Metrics
from bot.views.custom_id import OURS
from bot.views.job_control import JobControl
from bot.views.presses import Presses

_log = logging.getLogger(__name__)


class CommandTree(app_commands.CommandTree["DalleBot"]):
    """discord.py's command tree with this project's error policy, in the places where the bot works."""

    async def interaction_check(self, interaction: discord.Interaction["DalleBot"], /) -> bool:
        """Whether a command may go on; if not, it has been answered. So has what its options may be."""
        bind(interaction_id=interaction.id, guild_id=interaction.guild_id)
        try:
            interaction.client.places.check_guild(interaction.guild_id)
            await interaction.client.authority.check_command(interaction)
        except (DalleBotError, LookupError) as error:
            if interaction.type is discord.InteractionType.autocomplete:
                await interaction.response.autocomplete([])
            else:
                await answer_error(interaction, error, interaction.client.languages.of(str(interaction.locale)))
            return False
        return True

    async def on_error(
        self, interaction: discord.Interaction["DalleBot"], error: app_commands.AppCommandError, /
    ) -> None:
        """Answers every failed command with one sentence, in its user's language."""
        await answer_error(interaction, error, interaction.client.languages.of(str(interaction.locale)))


class DalleBot(commands.AutoShardedBot):
    """The bot. Make it on the running event loop and use it as `async with`.

    languages: what it speaks. max_deliveries: jobs under way at once, from acknowledgement to result.
    max_picture_bytes: of finished ones, in memory.
    default_images, max_images: of /imagine.
    source_url: of the bot's code, for /about. dev_guild_id: register the commands in this guild alone, where they
    appear at once; None registers them globally. places: where the bot works; None for every guild. policy: the text of
    /privacy policy; None for the shipped one. rules: for prompts everywhere, beside those of each guild.
    categories: of pictures; None for none. metrics: of what goes to Discord and comes from it; None for nobody's.
    shard_count: of a bot in one process; None for what Discord recommends. Otherwise the store knows its shards.
    fence: for what goes to Discord; None for one that is never closed.
    """

    def __init__(
        self,
        *,
        store: Store,
        pictures: PictureFolder,
        executor: Executor,
        languages: Languages,
        max_deliveries: int,
        max_picture_bytes: int | None = None,
        default_images: int,
        max_images: int,
        source_url: str | None = None,
        dev_guild_id: int | None = None,
        places: Places | None = None,
        policy: PrivacyPolicy | None = None,
        rules: Sequence[Rule] = (),
        categories: Categories | None = None,
        metrics: Metrics | None = None,
        shard_count: int | None = None,
        fence: Fence | None = None,
    ) -> None:
        metrics = metrics or Metrics()
        traffic = DiscordTraffic(metrics)
        divided: dict[str, Any] = {"shard_count": shard_count}
        if store.shards != ALL_SHARDS:
            divided = {"shard_count": store.shards.count, "shard_ids": list(store.shards.ids)}
        self._fence = fence or Fence()
        trace = traffic.trace()
        trace.on_request_start.append(self._fence.on_attempt)
        # Two warnings at every start, about voice, which this bot has no use for.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            tree_cls=CommandTree,
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            http_trace=trace,
            **divided,
        )
        watch_gateway(self, metrics, traffic)
        self.languages = languages
        self.places = places or Places()
        self.authority = Authority(store)
        self.services = Services(
            self,
            store=store,
            pictures=pictures,
            executor=executor,
            languages=languages,
            images=ImageCount(default_images, max_images),
            max_deliveries=max_deliveries,
            max_picture_bytes=max_picture_bytes,
            rules=rules,
            categories=categories or NO_CATEGORIES,
            fence=self._fence,
        )
        self._policy = policy or PrivacyPolicy()
        self._source_url = source_url
        self._registration = CommandRegistration(
            store.values,
            languages,
            guild=discord.Object(dev_guild_id) if dev_guild_id is not None else None,
            is_registrar=store.shards.has_first,
        )

    async def setup_hook(self) -> None:
        """Loads the cogs and registers the commands; discord.py calls it after login, before the gateway."""
        AnswerRequests(self._fence).use()
        await self.tree.set_translator(CommandTranslator(self.languages))
        await self.load_cogs()
        await self.sync_commands()
        self.services.start()

    async def _async_setup_hook(self) -> None:
        await super()._async_setup_hook()
        # discord.py's own, which it has just made, is what it calls `__queue` in AutoShardedClient.
        self._AutoShardedClient__queue = ShardEvents()

    def _get_state(self, **options: Any) -> Any:
        """discord.py's own, over this project's requests."""
        self.http = BotRequests(self.loop, http_trace=self.http.http_trace, fence=self._fence)
        return super()._get_state(**options)

    async def load_cogs(self) -> None:
        """Adds every command and control, and takes up the jobs that the last run left, before new ones can come."""
        handlers = await load_cogs(
            self,
            self.services,
            places=self.places,
            policy=self._policy,
            source_url=self._source_url,
            command_ids=self._registration.ids,
        )
        self.presses = Presses(handlers, self.languages, self.authority.check_press, self.places)
        self.add_dynamic_items(JobControl)
        await self.services.unfinished.begin()

    async def sync_commands(self) -> bool:
        """Registers the commands with Discord unless it has exactly these; True if it did. Raises ConfigError if
        dev_guild_id names a guild that the bot isn't in."""
        return await self._registration.sync(self.tree, self.application_id)

    async def on_ready(self) -> None:
        """Tells the log of guilds in which the bot refuses everything."""
        for guild in self.guilds:
            self._tell_if_closed(guild)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """The same for one that it was added to."""
        self._tell_if_closed(guild)

    def _tell_if_closed(self, guild: discord.Guild) -> None:
        try:
            self.places.check_guild(guild.id)
        except NotAdmittedError:
            _log.warning("discord.allowed_guilds lacks the server %s (%d): I refuse everything there", guild, guild.id)

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Acts on submitted forms, of which discord.py keeps none; it calls this for every interaction."""
        self.services.clock.saw(interaction.id)
        data: Mapping[str, Any] = interaction.data or {}
        custom_id = str(data.get("custom_id") or "")
        if interaction.type is discord.InteractionType.modal_submit and OURS.fullmatch(custom_id):
            await self.presses.press(interaction, custom_id)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """Logs what an event listener raised; discord.py calls it inside the except block."""
        error = sys.exception()
        if error is not None:
            explain(error, doing=f"event {event_method}", language=ENGLISH)

    async def close(self) -> None:
        """Lets deliveries end, within their bound, then leaves Discord. Safe to call twice."""
        await self._registration.aclose()
        await self.services.aclose()
        await super().close()
