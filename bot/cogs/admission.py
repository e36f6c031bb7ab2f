"""Asks a guild's settings before a job is stored. Used by the job desk and the commands, on the event loop.

One user's requests are looked at one after the other, each until it is stored: otherwise two at the same moment would
both find room for one. Where there are limits for all members together, so are theirs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from weakref import WeakValueDictionary

import discord

from bot.cogs.authority import role_ids
from bot.cogs.discord_clock import DiscordClock
from bot.errors import StoreError
from bot.guild_settings import DEFAULTS, GuildSettings, channel_ids, role_ids_in
from bot.moderation.admission import DAY, Asked, admit, check_place, needs_guild_usage, needs_usage
from bot.moderation.parameters import ImageCount, fitted
from bot.moderation.quotas import limits_of
from bot.moderation.sanctions import check_sanctions
from bot.requests import GenerationRequest
from bot.store import SanctionRecord, Store, Usage

# There is more to do within Discord's 3 seconds.
READ_TIMEOUT_S: Final = 0.5
ADMISSION_TIMEOUT_S: Final = 0.7


@dataclass(frozen=True, slots=True)
class Admitted:
    """requests: within the guild's limits, with its defaults."""

    settings: GuildSettings
    requests: tuple[GenerationRequest, ...]


class Admission:
    """images: how many this bot draws. now: an aware time. clock: Discord's, for sanctions. A guild of None, in direct
    messages, has the defaults."""

    def __init__(
        self,
        store: Store,
        *,
        images: ImageCount,
        clock: DiscordClock,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self.images = images
        self._clock = clock
        self._now = now
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def settings(self, guild_id: int | None) -> GuildSettings:
        """Raises StoreError if they can't be read in time: then nobody knows what is allowed."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._read(guild_id)
        except TimeoutError as error:
            raise StoreError(f"The settings of guild {guild_id} could not be read in time.") from error

    @asynccontextmanager
    async def admitted(
        self, interaction: discord.Interaction, requests: Sequence[GenerationRequest]
    ) -> AsyncIterator[Admitted]:
        """Around the storing of jobs, if the settings of the interaction's guild let them in.

        Raises NotAdmittedError or UserLimitError if they don't, and StoreError.
        """
        turn = self._turns.setdefault(interaction.user.id, asyncio.Lock())
        now = self._now()
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(ADMISSION_TIMEOUT_S):
                    settings = await self._read(interaction.guild_id)
                    await stack.enter_async_context(turn)
                    sanctions = await self._sanctions(interaction)
                    limits = limits_of(settings, role_ids(interaction.user))
                    usage, guild_usage = Usage(), Usage()
                    guild_id = interaction.guild_id
                    if guild_id is not None and needs_usage(limits):
                        usage = await self._store.jobs.usage(interaction.user.id, guild_id, now - DAY)
                    if guild_id is not None and needs_guild_usage(settings):
                        await stack.enter_async_context(self._turns.setdefault(guild_id, asyncio.Lock()))
                        guild_usage = await self._store.jobs.usage(None, guild_id, now - DAY)
            except TimeoutError as error:
                raise StoreError("Whether the guild admits a request could not be found out in time.") from error
            fitting = (fitted(settings, self.images, request) for request in requests)
            within = tuple(replace(request, weight=limits.weight) for request in fitting)
            asked = Asked(
                now=now,
                num_jobs=len(within),
                num_images=sum(request.num_images for request in within),
                channel_ids=_channel_ids(interaction),
                role_ids=role_ids(interaction.user),
                known_ids=known_ids(interaction.guild, settings),
                usage=usage,
                guild_usage=guild_usage,
                discord_now=self._clock.now(),
                sanctions=sanctions,
                created_at=interaction.user.created_at,
                joined_at=interaction.user.joined_at if isinstance(interaction.user, discord.Member) else None,
            )
            admit(settings, asked)
            yield Admitted(settings, within)

    async def check_place(self, interaction: discord.Interaction) -> GuildSettings:
        """For what is shown and not drawn. Raises NotAdmittedError outside of the allowed channels and for whoever is
        banned, and StoreError."""
        settings = await self.settings(interaction.guild_id)
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                check_sanctions(await self._sanctions(interaction), self._clock.now())
        except TimeoutError as error:
            raise StoreError("Whether somebody is banned could not be found out in time.") from error
        check_place(settings, _channel_ids(interaction), known_ids(interaction.guild, settings))
        return settings

    async def _read(self, guild_id: int | None) -> GuildSettings:
        return DEFAULTS if guild_id is None else await self._store.guilds.settings(guild_id)

    async def _sanctions(self, interaction: discord.Interaction) -> Sequence[SanctionRecord]:
        if interaction.guild_id is None:
            return ()
        return await self._store.sanctions.of(interaction.guild_id, interaction.user.id)


def _channel_ids(interaction: discord.Interaction) -> frozenset[int]:
    """The channel, what it is a thread of, and their category."""
    ids = {interaction.channel_id}
    channel = interaction.channel
    if isinstance(channel, discord.Thread):
        ids.add(channel.parent_id)
        channel = channel.parent
    ids.add(getattr(channel, "category_id", None))
    return frozenset(id_ for id_ in ids if id_ is not None)


def known_ids(guild: discord.Guild | None, settings: GuildSettings) -> frozenset[int]:
    """The channels and roles in the settings that there still are."""
    if guild is None:
        return frozenset()
    channels = (id_ for id_ in channel_ids(settings) if guild.get_channel_or_thread(id_) is not None)
    roles = (id_ for id_ in role_ids_in(settings) if guild.get_role(id_) is not None)
    return frozenset((*channels, *roles))
