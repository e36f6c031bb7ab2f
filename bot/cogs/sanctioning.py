"""Strikes, warnings and bans: whoever wants to impose one calls this, on the event loop.

A sanction and its audit are one transaction. Then its user is told by direct message, if Discord lets us, with a
button to appeal. Neither moderators nor rules touch moderators or administrators, nobody themselves, and nobody a bot.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from weakref import WeakValueDictionary

import aiohttp
import discord

from bot.catalogues import Languages
from bot.cogs.authority import permission_level, role_ids
from bot.cogs.discord_clock import DiscordClock
from bot.cogs.sanction_messages import SanctionMessages
from bot.cogs.sanction_texts import lifted_text, told_text
from bot.errors import MissingPermissionError, NotReadyError, StoreError
from bot.guild_settings import GuildSettings
from bot.moderation.authority import Level, level_of
from bot.moderation.sanctions import KEEP_OUT, following, holds, keeping_out, num_strikes
from bot.sanction_ladder import SanctionKind
from bot.store import AuditAction, AuditRecord, NewSanction, SanctionRecord, Store

STORE_TIMEOUT_S: Final = 1.5
MEMBER_TIMEOUT_S: Final = 2.0
MAX_REASON_CHARACTERS: Final = 512

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Imposed:
    """given: a strike and what it led to, or one sanction. strikes: how many count now. was_told: whether its user got
    a direct message. replaced: what kept them out before and ended with it. longest: another one that keeps them out
    for longer than what was given."""

    given: Sequence[SanctionRecord]
    strikes: int
    was_told: bool
    replaced: SanctionRecord | None = None
    longest: SanctionRecord | None = None


@dataclass(frozen=True, slots=True)
class Lifted:
    """sanctions: that ended; was_told: whether their user got a direct message."""

    sanctions: Sequence[SanctionRecord]
    was_told: bool


class Sanctioning:
    """Every method may raise StoreError. by: the interaction of the moderator who does it; None for what was decided
    before a restart. With an interaction, MissingPermissionError says whom they can't sanction, and
    NotReadyError that Discord did not say who it is; it should be deferred, since a direct message takes its time.

    case_number, job_id: what it is about, for the records. given_by: who decided it, where there is no interaction of
    theirs any more.
    """

    def __init__(self, client: discord.Client, store: Store, clock: DiscordClock, languages: Languages) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._messages = SanctionMessages(client, store, languages)
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
        on_stored: Callable[[], None] | None = None,
    ) -> Imposed:
        """Gives a strike, and what the guild's ladder has for that many.

        on_stored: called once it is stored, before its user is told.
        """
        settings = await self._settings(guild_id)
        now = self._clock.now()
        lasts = timedelta(days=settings.strike_days)
        giver = given_by if by is None else by.user.id
        new = _new(guild_id, user_id, SanctionKind.STRIKE, giver, reason, now, lasts, case_number)
        return await self._impose(new, by, settings, job_id=job_id, on_stored=on_stored)

    async def strike_by_rule(
        self, guild_id: int, user_id: int, *, reason: str | None, job_id: str | None = None
    ) -> Imposed | None:
        """A strike by the bot itself; None for whom nobody sanctions, and while Discord doesn't say who it is."""
        guild = self._client.get_guild(guild_id)
        if guild is None:
            return None
        try:
            async with asyncio.timeout(MEMBER_TIMEOUT_S):
                member = await guild.fetch_member(user_id)
        except discord.NotFound:
            member = None
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.warning("user %d got no strike by a rule, since Discord did not say who it is: %s", user_id, error)
            return None
        level = Level.MEMBER if member is None else _level(member, await self._settings(guild_id))
        if user_id == guild.owner_id or level > Level.MEMBER:
            return None
        return await self.strike(guild_id, user_id, by=None, reason=reason, job_id=job_id)

    async def spares(self, interaction: discord.Interaction[Any]) -> bool:
        """Whether its user is a moderator or an administrator of its guild, whom no rule strikes."""
        if permission_level(interaction) > Level.MEMBER or interaction.guild_id is None:
            return True
        settings = await self._settings(interaction.guild_id)
        return not role_ids(interaction.user).isdisjoint(settings.moderator_roles)

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
        """Keeps a user from drawing, in the place of what does so already. lasts: None for ever."""
        giver = given_by if by is None else by.user.id
        new = _new(guild_id, user_id, SanctionKind.BAN, giver, reason, self._clock.now(), lasts, case_number)
        return await self._impose(new, by, await self._settings(guild_id), job_id=job_id)

    async def unban(self, guild_id: int, user_id: int, *, by: discord.Interaction[Any], reason: str | None) -> Lifted:
        """Lifts every ban and cooldown that holds, and tells their user; strikes go on counting."""
        if user_id == by.user.id:
            raise MissingPermissionError("You can't lift what was imposed on you: /appeal asks the others.")
        now = self._clock.now()
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                theirs = await self._store.sanctions.of(guild_id, user_id)
                ids = [each.id for each in theirs if each.kind in KEEP_OUT and holds(each, now)]
                record = AuditRecord(
                    guild_id=guild_id,
                    action=AuditAction.LIFTED,
                    actor_id=by.user.id,
                    user_id=user_id,
                    reason=_cut(reason),
                    details={"sanctions": ids},
                )
                lifted = await self._store.sanctions.revoke(ids, by=by.user.id, at=now, audit=[record])
        except TimeoutError as error:
            raise StoreError("The ban could not be lifted in time.") from error
        if not lifted:
            return Lifted(lifted, was_told=False)
        guild = self._client.get_guild(guild_id)
        was_told = guild is not None and await self._messages.write(
            guild, user_id, lifted_text(guild.name, _cut(reason))
        )
        return Lifted(lifted, was_told)

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
        self,
        new: NewSanction,
        by: discord.Interaction[Any] | None,
        settings: GuildSettings,
        *,
        job_id: str | None,
        on_stored: Callable[[], None] | None = None,
    ) -> Imposed:
        if by is not None:
            await self.check_target(by, new.user_id, settings)
        then = partial(following, settings, new, now=new.given_at) if new.kind is SanctionKind.STRIKE else _nothing
        # Two strikes at the same moment must not both be the first.
        turn = self._turns.setdefault((new.guild_id, new.user_id), asyncio.Lock())
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S), turn:
                before = await self._store.sanctions.of(new.guild_id, new.user_id)
                ended = [each for each in before if each.kind in KEEP_OUT and holds(each, new.given_at)]
                if new.kind is not SanctionKind.BAN:
                    ended = []
                replaces = [each.id for each in ended]
                audit_of = partial(_audit_of, job_id=job_id, replaces=replaces)
                given = await self._store.sanctions.give(new, audit_of, then, replaces=replaces)
                if on_stored is not None:
                    on_stored()
                theirs = await self._store.sanctions.of(new.guild_id, new.user_id)
        except TimeoutError as error:
            raise StoreError("The sanction could not be stored in time.") from error
        longest = keeping_out(theirs, new.given_at) if given[-1].kind in KEEP_OUT else None
        imposed = Imposed(
            given,
            num_strikes(theirs, new.given_at),
            was_told=False,
            replaced=keeping_out(ended, new.given_at),
            longest=None if longest in given else longest,
        )
        return replace(imposed, was_told=await self._tell(imposed))

    async def _tell(self, imposed: Imposed) -> bool:
        """Whether the user got a direct message."""
        given = imposed.given
        guild = self._client.get_guild(given[0].guild_id)
        if guild is None:
            return False
        said = told_text(given, guild.name, imposed.strikes, imposed.longest)
        return await self._messages.write(guild, given[0].user_id, said, appealed=given[-1])

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


def _audit_of(sanction: SanctionRecord, *, job_id: str | None, replaces: Sequence[int] = ()) -> AuditRecord:
    details: dict[str, Any] = {"sanction": sanction.id}
    if sanction.expires_at is not None:
        details["until"] = int(sanction.expires_at.timestamp())
    if replaces:
        details["replaces"] = list(replaces)
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
