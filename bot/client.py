"""The connection to Discord: commands, their registration, errors, shutdown. Built by app.py, on the event loop.

It asks for no privileged intent: slash commands need none. The store, the executor and the settings arrive through
the constructor and go on to the cogs; nothing is looked up.
"""

import hashlib
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.catalogues import Languages
from bot.cogs.admin_notices import AdminNotices
from bot.cogs.admission import Admission
from bot.cogs.appeals import AppealCog
from bot.cogs.audit_log import AuditLog
from bot.cogs.audit_mirror import AuditMirror
from bot.cogs.authority import Authority, default_permissions
from bot.cogs.cancelling import Cancelling
from bot.cogs.delivery import Deliveries
from bot.cogs.discord_clock import DiscordClock
from bot.cogs.elsewhere import allow_elsewhere
from bot.cogs.erasing import Erasing
from bot.cogs.exporting import Exporting
from bot.cogs.gallery import GalleryCog
from bot.cogs.gallery_reader import GalleryReader
from bot.cogs.gallery_search import GallerySearch
from bot.cogs.help import HelpCog
from bot.cogs.image_gate import ImageGate
from bot.cogs.imagine import ImagineCog
from bot.cogs.job_desk import JobDesk
from bot.cogs.looking_closer import LookingCloser
from bot.cogs.menus import Menus
from bot.cogs.message_removal import MessageRemoval
from bot.cogs.mod_group import ModCommand, mod_group
from bot.cogs.packing import Packing
from bot.cogs.picture_check import PictureCheck
from bot.cogs.picture_source import PictureSource
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.privacy import PrivacyCog
from bot.cogs.privacy_policy import PrivacyPolicy
from bot.cogs.prompt_check import PromptCheck
from bot.cogs.prompt_rules import PromptRules
from bot.cogs.queue import QueueCog
from bot.cogs.quota_command import QuotaCommand
from bot.cogs.remixing import Remixing
from bot.cogs.report_desk import ReportDesk
from bot.cogs.reported_results import ReportedResults
from bot.cogs.reporting import Reporting
from bot.cogs.resubmitting import Resubmitting
from bot.cogs.result_controls import result_handlers
from bot.cogs.result_hiding import ResultHiding
from bot.cogs.result_keeper import ResultKeeper
from bot.cogs.results import Results
from bot.cogs.resume import resume_jobs
from bot.cogs.retention import Retention
from bot.cogs.review_parts import review_parts
from bot.cogs.rule_book import RuleBook
from bot.cogs.sanction_commands import SanctionCommands
from bot.cogs.sanctioning import Sanctioning
from bot.cogs.settings import SettingsCog
from bot.cogs.show import ShowCog
from bot.cogs.stats import StatsCog
from bot.cogs.style_book import StyleBook
from bot.cogs.styles import StyleCog
from bot.cogs.sweep_search import SweepSearch
from bot.cogs.sweeper import Sweeper
from bot.cogs.sweeping import Sweeping
from bot.cogs.translator import CommandTranslator
from bot.cogs.variant_questions import VariantQuestions
from bot.cogs.who_made_this import WhoMadeThis
from bot.error_handler import answer_error, explain
from bot.errors import ConfigError, DalleBotError, NotAdmittedError, StoreError
from bot.executor.base import Executor
from bot.language import ENGLISH
from bot.moderation.cases import CaseKind
from bot.moderation.image_categories import NO_CATEGORIES, Categories
from bot.moderation.parameters import ImageCount
from bot.moderation.places import Places
from bot.moderation.prompt_rules import Rule
from bot.pictures import PictureFolder
from bot.store import Store
from bot.views.custom_id import OURS, Action
from bot.views.job_control import JobControl
from bot.views.presses import Presses

_log = logging.getLogger(__name__)


class CommandTree(app_commands.CommandTree["DalleBot"]):
    """discord.py's command tree with this project's error policy, in the places where the bot works."""

    async def interaction_check(self, interaction: discord.Interaction["DalleBot"], /) -> bool:
        """Whether a command may go on; if not, it has been answered. So has what its options may be."""
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
    default_images, max_images: of /imagine.
    source_url: of the bot's code, for /about. dev_guild_id: register the commands in this guild alone, where they
    appear at once; None registers them globally. places: where the bot works; None for every guild. policy: the text of
    /privacy policy; None for the shipped one. rules: for prompts everywhere, beside those of each guild.
    categories: of pictures; None for none.
    """

    def __init__(
        self,
        *,
        store: Store,
        pictures: PictureFolder,
        executor: Executor,
        languages: Languages,
        max_deliveries: int,
        default_images: int,
        max_images: int,
        source_url: str | None = None,
        dev_guild_id: int | None = None,
        places: Places | None = None,
        policy: PrivacyPolicy | None = None,
        rules: Sequence[Rule] = (),
        categories: Categories | None = None,
    ) -> None:
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
        )
        self._store = store
        self._executor = executor
        self.languages = languages
        self._pictures = pictures
        self._threads = PictureThreads()
        self._gate = ImageGate(categories or NO_CATEGORIES, store.blocked_hashes, self._threads)
        self._check = PictureCheck(store, self._gate, on_open=self._wake_reviews, strike=self._strike_for_pictures)
        self._deliveries = Deliveries(
            store=store.jobs,
            executor=executor,
            keeper=ResultKeeper(store.images, pictures, self._threads),
            threads=self._threads,
            max_deliveries=max_deliveries,
            check=self._check,
        )
        self._source_url = source_url
        self._command_ids: dict[str, int] = {}
        self._clock = DiscordClock()
        self._admission = Admission(store, images=ImageCount(default_images, max_images), clock=self._clock)
        self.authority = Authority(store)
        self.notices = AdminNotices(self, store.values, languages)
        self._mirror = AuditMirror(self, store, self.notices, languages)
        self.sanctioning = Sanctioning(self, store, self._clock, languages)
        self.places = places or Places()
        self._rule_book = RuleBook(store.rules, rules)
        self._dev_guild = discord.Object(dev_guild_id) if dev_guild_id is not None else None
        self._policy = policy or PrivacyPolicy()
        self._removal = MessageRemoval(self, store.showings)
        self._exporting = Exporting(self, Packing(store.exports, pictures, self._threads))
        self._erasing = Erasing(
            self,
            store=store,
            pictures=pictures,
            removal=self._removal,
            deliveries=self._deliveries,
            languages=languages,
        )
        self._retention = Retention(store=store, pictures=pictures, now=self._clock.now)
        self._sweep_search = SweepSearch(store, pictures, self._threads)
        self._sweeper = Sweeper(
            self,
            store=store,
            pictures=pictures,
            removal=self._removal,
            search=self._sweep_search,
            languages=languages,
        )
        self._resubmitting = Resubmitting(
            self,
            store=store,
            pictures=pictures,
            threads=self._threads,
            admission=self._admission,
            gate=self._gate,
            executor=executor,
            languages=languages,
        )
        hiding = ResultHiding(self, store=store, kept=self._resubmitting, threads=self._threads, languages=languages)
        reported = ReportedResults(
            self,
            store=store,
            pictures=pictures,
            removal=self._removal,
            hiding=hiding,
            kept=self._resubmitting,
            gate=self._gate,
            languages=languages,
        )
        self._review = review_parts(
            self,
            store=store,
            pictures=pictures,
            threads=self._threads,
            deliveries=self._deliveries,
            resubmitting=self._resubmitting,
            gate=self._gate,
            notices=self.notices,
            languages=languages,
            sanctioning=self.sanctioning,
            followers={CaseKind.REPORT: reported},
        )
        self._report_desk = ReportDesk(store, hiding=hiding, board=self._review.board, reviewing=self._review.reviewing)

    async def setup_hook(self) -> None:
        """Loads the cogs and registers the commands; discord.py calls it after login, before the gateway."""
        await self.tree.set_translator(CommandTranslator(self.languages))
        await self.load_cogs()
        await self.sync_commands()
        self._erasing.start()
        self._retention.start()
        self._mirror.start()
        self._sweeper.start()
        self._review.reviewing.start()
        self._report_desk.start()

    async def load_cogs(self) -> None:
        """Adds every command and control, and takes up the jobs that the last run left, before new ones can come."""
        desk = JobDesk(
            self,
            store=self._store.jobs,
            executor=self._executor,
            deliveries=self._deliveries,
            admission=self._admission,
            prompts=PromptCheck(self._rule_book, self._store.audit, self.sanctioning, self.languages),
            gate=self._gate,
            review=self._check,
            places=self.places,
            languages=self.languages,
        )
        cancelling = Cancelling(
            self,
            store=self._store.jobs,
            audit=self._store.audit,
            deliveries=self._deliveries,
            languages=self.languages,
        )
        queue = QueueCog(
            store=self._store.jobs,
            executor=self._executor,
            deliveries=self._deliveries,
            cancelling=cancelling,
            languages=self.languages,
        )
        questions = VariantQuestions(self.languages)
        styles = StyleBook(self._store.styles)
        imagine = ImagineCog(
            desk,
            store=self._store.jobs,
            questions=questions,
            styles=styles,
            admission=self._admission,
            executor=self._executor,
        )
        helping = HelpCog(
            self,
            command_ids=self._command_ids,
            executor=self._executor,
            languages=self.languages,
            source_url=self._source_url,
        )
        results = Results(self._store)
        source = PictureSource(self._pictures, self._executor, self._deliveries)
        closer = LookingCloser(results, source, self._store.favourites, self.languages)
        gallery = GalleryCog(
            store=self._store.galleries,
            reader=GalleryReader(self._store.past, self._pictures),
            search=GallerySearch(self._store.vectors, self._executor),
            closer=closer,
            languages=self.languages,
        )
        show = ShowCog(
            results=results,
            source=source,
            jobs=self._store.jobs,
            showings=self._store.showings,
            admission=self._admission,
            languages=self.languages,
        )
        remixing = Remixing(results, desk, self._admission, self.languages)
        stats = StatsCog(store=self._store.statistics, languages=self.languages)
        settings = SettingsCog(self._store.guilds, self.languages)
        privacy = PrivacyCog(
            exporting=self._exporting,
            erasing=self._erasing,
            admission=self._admission,
            policy=self._policy,
            languages=self.languages,
        )
        sweeping = Sweeping(self._store, self._sweep_search, self._sweeper, self.languages)
        for command in (*imagine.get_app_commands(), *queue.get_app_commands(), *helping.get_app_commands()):
            allow_elsewhere(command, self.places)
        allow_elsewhere(privacy.privacy, self.places)
        appeals = AppealCog(self, self._store, self._clock, self.notices, self.languages)
        for cog in (
            imagine,
            queue,
            gallery,
            show,
            stats,
            StyleCog(styles, self.languages),
            settings,
            helping,
            appeals,
            privacy,
        ):
            await self.add_cog(cog)
        reporting = Reporting(self._store, results, self._report_desk, self.languages, now=self._clock.now)
        who = WhoMadeThis(self._store, self._clock, self.languages)
        for menu in Menus(imagine, remixing, gallery, results, reporting, who).all():
            self.tree.add_command(menu)
        log = AuditLog(self._store.audit, self.languages)
        rules = PromptRules(self._store.rules, self._rule_book, self.languages)
        sanctions = SanctionCommands(self.sanctioning, self._store, self._clock, self.languages)
        quotas = QuotaCommand(self._store.guilds, self.languages)
        moderating: list[ModCommand] = [
            *log.commands(),
            *sweeping.commands(),
            *rules.commands(),
            *sanctions.commands(),
            *self._review.commands,
            *quotas.commands(),
        ]
        self.tree.add_command(mod_group(moderating))
        for known in self.tree.get_commands():
            known.default_permissions = default_permissions(known)
        handlers = {
            Action.CANCEL: cancelling.press,
            Action.CANCEL_LISTED: queue.press,
            Action.DRAW_VARIANTS: questions.press_draw,
            Action.FORGET_VARIANTS: questions.press_forget,
            Action.REMIX: remixing.submitted,
            Action.TURN: gallery.press_turn,
            Action.LOOK_BACK: gallery.press_look,
            Action.SETTINGS: settings.press_home,
            Action.SETTINGS_CHANGES: settings.press_changes,
            Action.SETTINGS_SET: settings.press_set,
            Action.SETTINGS_CHOOSE: settings.press_choose,
            Action.SETTINGS_FORM: settings.press_form,
            Action.SETTINGS_SUBMIT: settings.submit,
            Action.ERASE: privacy.press_erase,
            Action.LOG: log.press,
            Action.SWEEP_RUN: sweeping.press_run,
            Action.SWEEP_STOP: sweeping.press_stop,
            Action.APPEAL: appeals.press,
            Action.APPEAL_SUBMIT: appeals.submit,
            Action.APPEAL_UPHOLD: appeals.press_uphold,
            Action.APPEAL_LIFT: appeals.press_lift,
            Action.CASE: self._review.reviewing.press,
            Action.REPORT: reporting.press,
            Action.REPORT_SEND: reporting.submitted,
            **result_handlers(
                removal=self._removal,
                store=self._store,
                pictures=self._pictures,
                results=results,
                source=source,
                closer=closer,
                executor=self._executor,
                desk=desk,
                languages=self.languages,
            ),
        }
        self.presses = Presses(handlers, self.languages, self.authority.check_press, self.places)
        self.add_dynamic_items(JobControl)
        await resume_jobs(
            store=self._store, resubmitting=self._resubmitting, deliveries=self._deliveries, languages=self.languages
        )

    async def sync_commands(self) -> bool:
        """Registers the commands with Discord unless it has exactly these; True if it did.

        What was registered last is remembered in the store as a hash, since Discord limits registrations, together
        with the ids that Discord gave. Raises ConfigError if dev_guild_id names a guild that the bot isn't in.
        """
        if self._dev_guild is not None:
            self.tree.copy_global_to(guild=self._dev_guild)
        key = f"commands/{self.application_id}/{self._dev_guild.id if self._dev_guild else 'global'}"
        digest = await self._commands_digest()
        try:
            known = await self._store.values.get(key)
        except StoreError as error:
            _log.warning("the hash of the registered commands could not be read, registering them anew: %s", error)
            known = None
        known_digest, _, ids = (known or "").partition(" ")
        if known_digest == digest and ids:
            self._command_ids.update(json.loads(ids))
            return False
        try:
            registered = await self.tree.sync(guild=self._dev_guild)
        except discord.Forbidden as error:
            raise ConfigError(
                "discord.dev_guild_id names a guild that the bot can't register commands in: invite the bot there with "
                "the applications.commands scope, or remove the key."
            ) from error
        _log.info("registered %d commands with Discord", len(registered))
        self._command_ids.update({command.name: command.id for command in registered})
        try:
            await self._store.values.set(key, f"{digest} {json.dumps(self._command_ids)}")
        except StoreError as error:
            _log.warning("the hash of the registered commands could not be stored: %s", error)
        return True

    async def _commands_digest(self) -> str:
        """Changes with any command or translation, and with the address of Discord's API: a stand-in hasn't heard of
        them yet."""
        tree: app_commands.CommandTree[Any] = self.tree
        translator = CommandTranslator(self.languages)
        commands = tree.get_commands(guild=self._dev_guild)
        payload = sorted(
            [await command.get_translated_payload(tree, translator) for command in commands],
            key=lambda command: (command["type"], command["name"]),
        )
        text = json.dumps([discord.http.Route.BASE, payload], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _wake_reviews(self) -> None:
        self._review.reviewing.wake()

    async def _strike_for_pictures(self, guild_id: int, user_id: int, job_id: str) -> None:
        await self.sanctioning.strike(guild_id, user_id, by=None, reason=None, job_id=job_id)

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
        self._clock.saw(interaction.id)
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
        for background in (self._retention, self._report_desk, self._sweeper, self._erasing, self._exporting):
            await background.aclose()
        await self._mirror.aclose()
        await self._review.reviewing.aclose()
        await self._deliveries.aclose()
        self._threads.close()
        await super().close()
