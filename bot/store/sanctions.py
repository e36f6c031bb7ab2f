"""What was imposed on members: strikes, warnings, cooldowns, bans, and their appeals. Used by the cogs, event loop.

A sanction is never removed. It is revoked, and whatever changes one writes the audit in the same transaction.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.sanction_ladder import SanctionKind
from bot.store.audit import AuditRecord, write_audit
from bot.store.database import Database
from bot.store.in_shards import is_served
from bot.store.schema import sanctions

MAX_OF_USER: Final = 200
"""The newest that count; more than that of one user in one guild are history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSanction:
    """Ids are Discord's. given_by: None for the bot by itself. expires_at: None for never. Times are aware.

    cause_id: the strike that led to it.
    """

    guild_id: int
    user_id: int
    kind: SanctionKind
    reason: str | None
    given_by: int | None
    given_at: datetime
    expires_at: datetime | None
    case_number: int | None = None
    cause_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SanctionRecord(NewSanction):
    """A stored sanction. id: grows with time. appeal: what its user wrote; appeal_decision: "upheld" or "lifted";
    appeal_channel_id, appeal_message_id: where moderators see it, None while they don't."""

    id: int
    revoked_at: datetime | None
    revoked_by: int | None
    appealed_at: datetime | None
    appeal: str | None
    appeal_locale: str | None
    appeal_decision: str | None
    appeal_decided_by: int | None
    appeal_decided_at: datetime | None
    appeal_channel_id: int | None = None
    appeal_message_id: int | None = None


Given = Callable[[SanctionRecord], AuditRecord]
"""What goes to the audit for a sanction that was given."""


# What was lifted meanwhile leaves nothing to decide.
_IS_OPEN: Final = (
    sanctions.c.appealed_at.is_not(None) & sanctions.c.appeal_decision.is_(None) & sanctions.c.revoked_at.is_(None)
)


class SanctionStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_served = is_served(sanctions.c.guild_id, database.shards)

    async def give(
        self,
        first: NewSanction,
        audit: Given,
        then: Callable[[Sequence[SanctionRecord]], NewSanction | None] = lambda _: None,
        *,
        replaces: Sequence[int] = (),
    ) -> list[SanctionRecord]:
        """Stores a sanction, and what follows from it, or neither.

        then: makes what follows from all of the user's, the first one included; called within the transaction.
        replaces: those that end with it.
        """
        async with self._database.transaction(is_urgent=True) as connection:
            if replaces:
                await _revoke(connection, sanctions.c.id.in_(replaces), first.given_by, first.given_at)
            given = [await _insert(connection, first)]
            theirs = await _select(connection, _of(first.guild_id, first.user_id))
            following = then(theirs)
            if following is not None:
                given.append(await _insert(connection, replace(following, cause_id=given[0].id)))
            await write_audit(connection, *map(audit, given))
            return given

    async def of(self, guild_id: int, user_id: int) -> list[SanctionRecord]:
        """The newest MAX_OF_USER of a user in a guild, newest first."""
        async with self._database.reading() as connection:
            return await _select(connection, _of(guild_id, user_id))

    async def get(self, sanction_id: int) -> SanctionRecord | None:
        """The sanction of this id, or None."""
        async with self._database.reading() as connection:
            found = await _select(connection, select(sanctions).where(sanctions.c.id == sanction_id))
            return found[0] if found else None

    async def revoke(
        self, ids: Sequence[int], *, by: int, at: datetime, audit: Sequence[AuditRecord]
    ) -> list[SanctionRecord]:
        """Ends those that nobody has ended yet. The audit is written only if there are any."""
        async with self._database.transaction(is_urgent=True) as connection:
            revoked = await _revoke(connection, sanctions.c.id.in_(ids), by, at)
            if revoked:
                await write_audit(connection, *audit)
            return revoked

    async def appeal(
        self, sanction_id: int, user_id: int, *, text: str, locale: str, at: datetime, audit: AuditRecord
    ) -> SanctionRecord | None:
        """Notes the appeal of its user. None if it isn't theirs, was revoked, or was appealed against before."""
        is_open = (sanctions.c.id == sanction_id) & (sanctions.c.user_id == user_id)
        is_open &= sanctions.c.appealed_at.is_(None) & sanctions.c.revoked_at.is_(None)
        values = {"appealed_at": at, "appeal": text, "appeal_locale": locale}
        async with self._database.transaction(is_urgent=True) as connection:
            found = await connection.execute(update(sanctions).where(is_open).values(values).returning(*sanctions.c))
            row = found.one_or_none()
            if row is None:
                return None
            await write_audit(connection, audit)
            return _record_of(row._mapping)

    async def decide(
        self, sanction_id: int, decision: str, *, by: int, at: datetime, audit: AuditRecord
    ) -> SanctionRecord | None:
        """Decides an appeal, once: None if there is none that is open. "lifted" revokes the sanction, the strike that
        it came from, and what came from it."""
        is_open = (sanctions.c.id == sanction_id) & sanctions.c.appealed_at.is_not(None)
        is_open &= sanctions.c.appeal_decision.is_(None)
        values = {"appeal_decision": decision, "appeal_decided_by": by, "appeal_decided_at": at}
        async with self._database.transaction(is_urgent=True) as connection:
            found = await connection.execute(update(sanctions).where(is_open).values(values).returning(*sanctions.c))
            row = found.one_or_none()
            if row is None:
                return None
            record = _record_of(row._mapping)
            if decision == "lifted":
                related = or_(
                    sanctions.c.id == record.id,
                    sanctions.c.cause_id == record.id,
                    sanctions.c.id == (record.cause_id or record.id),
                )
                await _revoke(connection, related, by, at)
            await write_audit(connection, audit)
            return record

    async def set_appeal_message(self, sanction_id: int, *, channel_id: int, message_id: int) -> None:
        """Says where moderators see an appeal; nothing happens if it isn't known."""
        values = {"appeal_channel_id": channel_id, "appeal_message_id": message_id}
        async with self._database.transaction() as connection:
            await connection.execute(update(sanctions).where(sanctions.c.id == sanction_id).values(values))

    async def appeal_channels(self) -> list[tuple[int, int]]:
        """The guilds and channels with messages about appeals that nobody has decided."""
        query = select(sanctions.c.guild_id, sanctions.c.appeal_channel_id).distinct().where(self._is_served)
        async with self._database.reading() as connection:
            found = await connection.execute(query.where(_IS_OPEN, sanctions.c.appeal_message_id.is_not(None)))
            return [(guild_id, channel_id) for guild_id, channel_id in found]

    async def forget_appeal_messages(self, guild_id: int, channel_id: int) -> None:
        """Says that moderators don't see appeals in a channel any more."""
        gone = (sanctions.c.guild_id == guild_id) & (sanctions.c.appeal_channel_id == channel_id)
        values = {"appeal_channel_id": None, "appeal_message_id": None}
        async with self._database.transaction() as connection:
            await connection.execute(update(sanctions).where(gone).values(values))

    async def open_appeals(self, guild_id: int, limit: int) -> list[SanctionRecord]:
        """Those with an appeal in a guild that nobody has decided, oldest first, at most `limit`."""
        here = _IS_OPEN & (sanctions.c.guild_id == guild_id)
        async with self._database.reading() as connection:
            return await _select(connection, select(sanctions).where(here).order_by(sanctions.c.id).limit(limit))

    async def unposted_appeals(self, limit: int, except_guilds: Collection[int] = ()) -> list[SanctionRecord]:
        """Those with an appeal that nobody has decided and that moderators don't see, since no channel took a message;
        oldest first, at most `limit`."""
        left = _IS_OPEN & sanctions.c.appeal_message_id.is_(None) & sanctions.c.guild_id.not_in(except_guilds)
        left &= self._is_served
        async with self._database.reading() as connection:
            return await _select(connection, select(sanctions).where(left).order_by(sanctions.c.id).limit(limit))


async def _insert(connection: AsyncConnection, given: NewSanction) -> SanctionRecord:
    row = await connection.execute(insert(sanctions).values(asdict(given)).returning(*sanctions.c))
    return _record_of(row.one()._mapping)


async def _revoke(connection: AsyncConnection, which: Any, by: int | None, at: datetime) -> list[SanctionRecord]:
    values = {"revoked_at": at, "revoked_by": by}
    query = update(sanctions).where(which, sanctions.c.revoked_at.is_(None)).values(values)
    return [_record_of(row._mapping) for row in await connection.execute(query.returning(*sanctions.c))]


def _of(guild_id: int, user_id: int) -> Select[Any]:
    theirs = (sanctions.c.guild_id == guild_id) & (sanctions.c.user_id == user_id)
    return select(sanctions).where(theirs).order_by(sanctions.c.id.desc()).limit(MAX_OF_USER)


async def _select(connection: AsyncConnection, query: Select[Any]) -> list[SanctionRecord]:
    return [_record_of(row._mapping) for row in await connection.execute(query)]


def _record_of(row: Mapping[Any, Any]) -> SanctionRecord:
    return SanctionRecord(**{**row, "kind": SanctionKind(row["kind"])})
