"""Strikes, warnings and bans: whoever wants to impose one calls this, on the event loop.

A sanction and its audit are one transaction. Then its user is told by direct message, if Discord lets us, with a
button to appeal. Moderators can't touch moderators or administrators, nobody themselves, and nobody a bot.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from weakref import WeakValueDictionary

import aiohttp
import discord

from bot.catalogues import Languages
from bot.cogs.authority import role_ids
from bot.cogs.discord_clock import DiscordClock
from bot.cogs.sanction_texts import told_text
from bot.errors import MissingPermissionError, NotReadyError, StoreError
from bot.guild_settings import GuildSettings
from bot.moderation.authority import Level, level_of
from bot.moderation.sanctions import KEEP_OUT, following, holds, num_strikes
from bot.sanction_ladder import SanctionKind
from bot.store import AuditAction, AuditRecord, NewSanction, SanctionRecord, Store
from bot.views.custom_id import Action, CustomId
from bot.views.job_control import make_button, make_view

STORE_TIMEOUT_S: Final = 1.5
MEMBER_TIMEOUT_S: Final = 2.0
TELL_TIMEOUT_S: Final = 5.0
MAX_REASON_CHARACTERS: Final = 512

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Imposed:
    """given: a strike and what it led to, or one sanction. strikes: how many count now. was_told: whether its user got
    a direct message."""

    given: Sequence[SanctionRecord]
    strikes: int
    was_told: bool


class Sanctioning:
    """Every method may raise StoreError. by: the interaction of the moderator who does it; None for the bot by itself,
    which may sanction anybody. With an interaction, MissingPermissionError says whom they can't sanction, and
    NotReadyError that Discord did not say who it is; it should be deferred, since a direct message takes its time.

    case_number, job_id: what it is about, for the records. given_by: who decided it, where there is no interaction of
    theirs any more.
    """

    def __init__(self, client: discord.Client, store: Store, clock: DiscordClock, languages: Languages) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._languages = languages
        self._turns: WeakValueDictionary[tuple[int, int], asyncio.Lock] = WeakValueDictionary()

    async def strike(
        self,
        guild_id: int,
        user_id: int,
        *,
        by: discord.Interaction[Any] | None,
        reason: str | None,
        case_number: int | None = None,
        job_id: str | None = None,
        given_by: int | None = None,
    ) -> Imposed:
        """Gives a strike, and what the guild's ladder has for that many."""
        settings = await self._settings(guild_id)
        now = self._clock.now()
        lasts = timedelta(days=settings.strike_days)
        giver = given_by if by is None else by.user.id
        new = _new(guild_id, user_id, SanctionKind.STRIKE, giver, reason, now, lasts, case_number)
        return await self._impose(new, by, settings, job_id=job_id)

    async def ban(
        self,
        guild_id: int,
        user_id: int,
        *,
        by: discord.Interaction[Any] | None,
        reason: str | None,
        lasts: timedelta | None = None,
        case_number: int | None = None,
        job_id: str | None = None,
        given_by: int | None = None,
    ) -> Imposed:
        """Keeps a user from drawing. lasts: None for ever."""
        giver = given_by if by is None else by.user.id
        new = _new(guild_id, user_id, SanctionKind.BAN, giver, reason, self._clock.now(), lasts, case_number)
        return await self._impose(new, by, await self._settings(guild_id), job_id=job_id)

    async def unban(
        self, guild_id: int, user_id: int, *, by: discord.Interaction[Any], reason: str | None
    ) -> list[SanctionRecord]:
        """Lifts every ban and cooldown that holds; strikes go on counting. Returns what was lifted."""
        if user_id == by.user.id:
            raise MissingPermissionError("You can't lift what was imposed on you: /appeal asks the others.")
        now = self._clock.now()
        record = AuditRecord(
            guild_id=guild_id, action=AuditAction.LIFTED, actor_id=by.user.id, user_id=user_id, reason=_cut(reason)
        )
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                theirs = await self._store.sanctions.of(guild_id, user_id)
                ids = [each.id for each in theirs if each.kind in KEEP_OUT and holds(each, now)]
                return await self._store.sanctions.revoke(ids, by=by.user.id, at=now, audit=[record])
        except TimeoutError as error:
            raise StoreError("The ban could not be lifted in time.") from error

    async def check_target(self, by: discord.Interaction[Any], user_id: int, settings: GuildSettings) -> None:
        """Whether the interaction's user may sanction somebody: themselves, bots, moderators and administrators not."""
        guild = by.guild
        if user_id == by.user.id:
            raise MissingPermissionError("You can't do this to yourself.")
        if guild is None:
            raise MissingPermissionError("Use this in a server.")
        member = await self._member(by, guild, user_id)
        if (member is not None and member.bot) or user_id == by.application_id:
            raise MissingPermissionError("You can't do this to a bot.")
        level = _level(member, settings) if isinstance(member, discord.Member) else Level.MEMBER
        if user_id == guild.owner_id or level > Level.MEMBER:
            raise MissingPermissionError("You can't do this to a moderator or an administrator.")

    async def _impose(
        self, new: NewSanction, by: discord.Interaction[Any] | None, settings: GuildSettings, *, job_id: str | None
    ) -> Imposed:
        if by is not None:
            await self.check_target(by, new.user_id, settings)
        then = partial(following, settings, new, now=new.given_at) if new.kind is SanctionKind.STRIKE else _nothing
        # Two strikes at the same moment must not both be the first.
        turn = self._turns.setdefault((new.guild_id, new.user_id), asyncio.Lock())
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S), turn:
                given = await self._store.sanctions.give(new, partial(_audit_of, job_id=job_id), then)
                strikes = num_strikes(await self._store.sanctions.of(new.guild_id, new.user_id), new.given_at)
        except TimeoutError as error:
            raise StoreError("The sanction could not be stored in time.") from error
        return Imposed(given, strikes, await self._tell(given, strikes))

    async def _tell(self, given: Sequence[SanctionRecord], strikes: int) -> bool:
        """Whether the user got a direct message."""
        user_id, guild = given[0].user_id, self._client.get_guild(given[0].guild_id)
        if guild is None:
            return False
        try:
            async with asyncio.timeout(TELL_TIMEOUT_S):
                jobs = await self._store.jobs.latest_of(user_id, 1)
                language = self._languages.of(jobs[0].locale if jobs else str(guild.preferred_locale))
                appealed = CustomId(Action.APPEAL, f"{given[-1].id:012x}")
                channel = await self._client.create_dm(discord.Object(user_id))
                await channel.send(
                    "\n".join(language.tell(sentence) for sentence in told_text(given, guild.name, strikes)),
                    view=make_view([make_button(language.text("Appeal"), appealed)]),
                    allowed_mentions=discord.AllowedMentions.none(),
                )
        except (StoreError, discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.info("user %d could not be told of a sanction: %s", user_id, error or type(error).__name__)
            return False
        return True

    async def _settings(self, guild_id: int) -> GuildSettings:
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                return await self._store.guilds.settings(guild_id)
        except TimeoutError as error:
            raise StoreError(f"The settings of guild {guild_id} could not be read in time.") from error

    async def _member(
        self, by: discord.Interaction[Any], guild: discord.Guild, user_id: int
    ) -> discord.Member | discord.User | None:
        """None for somebody who has left."""
        chosen: list[Any] = list(vars(by.namespace).values()) if by.command is not None else []
        for given in chosen:
            if isinstance(given, discord.Member | discord.User) and given.id == user_id:
                return given
        try:
            async with asyncio.timeout(MEMBER_TIMEOUT_S):
                return await guild.fetch_member(user_id)
        except discord.NotFound:
            return None
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NotReadyError("Discord did not tell me who this is. Try again.") from error


def _level(member: discord.Member, settings: GuildSettings) -> Level:
    granted = member.guild_permissions
    return level_of(
        is_admin=granted.manage_guild or granted.administrator,
        may_moderate=granted.moderate_members,
        role_ids=role_ids(member),
        moderator_roles=settings.moderator_roles,
    )


def _new(
    guild_id: int,
    user_id: int,
    kind: SanctionKind,
    given_by: int | None,
    reason: str | None,
    now: datetime,
    lasts: timedelta | None,
    case_number: int | None,
) -> NewSanction:
    return NewSanction(
        guild_id=guild_id,
        user_id=user_id,
        kind=kind,
        reason=_cut(reason),
        given_by=given_by,
        given_at=now,
        expires_at=None if lasts is None else now + lasts,
        case_number=case_number,
    )


def _cut(reason: str | None) -> str | None:
    return reason[:MAX_REASON_CHARACTERS] if reason else None


def _nothing(_: Sequence[SanctionRecord]) -> None:
    """What follows from what is no strike."""


def _audit_of(sanction: SanctionRecord, *, job_id: str | None) -> AuditRecord:
    details: dict[str, Any] = {"sanction": sanction.id}
    if sanction.expires_at is not None:
        details["until"] = int(sanction.expires_at.timestamp())
    return AuditRecord(
        guild_id=sanction.guild_id,
        action=AuditAction(sanction.kind),
        actor_id=sanction.given_by,
        user_id=sanction.user_id,
        job_id=job_id,
        case_number=sanction.case_number,
        reason=sanction.reason,
        details=details,
    )
