"""What moderators, administrators and the bot itself did: records that are added and never changed. Event loop.

There is nothing here that changes or removes one, and the database refuses it too (bot/store/audit_guard.py).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Select, exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.store.database import Database
from bot.store.schema import audit

MAX_REASON_CHARACTERS: Final = 1000


class AuditAction(StrEnum):
    """What was done; at most 24 characters. bot/cogs/log_page.py says each in words."""

    SETTING_CHANGED = "setting_changed"
    JOB_CANCELLED = "job_cancelled"
    RESULT_DELETED = "result_deleted"
    SWEEP_STARTED = "sweep_started"
    SWEEP_STOPPED = "sweep_stopped"
    SWEEP_DONE = "sweep_done"
    RESULT_SWEPT = "result_swept"
    RULE_ADDED = "rule_added"
    RULE_REMOVED = "rule_removed"
    RULES_IMPORTED = "rules_imported"
    CATEGORY_CHANGED = "category_changed"
    PROMPT_REFUSED = "prompt_refused"
    PROMPT_WARNED = "prompt_warned"
    STRIKE = "strike"
    WARNING = "warning"
    COOLDOWN = "cooldown"
    BAN = "ban"
    LIFTED = "lifted"
    APPEAL = "appeal"
    APPEAL_UPHELD = "appeal_upheld"
    APPEAL_LIFTED = "appeal_lifted"
    CASE_DECIDED = "case_decided"
    PROMPT_HELD = "prompt_held"
    PICTURES_HELD = "pictures_held"
    PICTURES_WARNED = "pictures_warned"
    PICTURES_SPOILERED = "pictures_spoilered"
    PICTURES_REFUSED = "pictures_refused"
    PICTURES_UNBLOCKED = "pictures_unblocked"
    RESULT_HIDDEN = "result_hidden"
    RESULT_RESTORED = "result_restored"
    RESULTS_EXPIRED = "results_expired"
    STYLE_ADDED = "style_added"
    STYLE_REMOVED = "style_removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One thing that was done. Ids are Discord's.

    actor_id: who did it; None for the bot by itself. user_id: whom it concerns. details: more of it, as JSON. reason:
    what is longer than MAX_REASON_CHARACTERS is cut.
    """

    guild_id: int
    action: AuditAction
    actor_id: int | None = None
    user_id: int | None = None
    job_id: str | None = None
    case_number: int | None = None
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """A stored record. id: grows with time. at: aware, in UTC. action: perhaps of another version."""

    id: int
    at: datetime
    guild_id: int
    action: str
    actor_id: int | None
    user_id: int | None
    job_id: str | None
    case_number: int | None
    reason: str | None
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which of a guild's records. user_id: those that concern somebody or that they did. since: aware. is_brief:
    without the single results of sweeps, which the record of each sweep's end counts."""

    guild_id: int
    user_id: int | None = None
    action: AuditAction | None = None
    since: datetime | None = None
    is_brief: bool = False


class AuditStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, *records: AuditRecord) -> None:
        """Stores records, all or none."""
        async with self._database.transaction() as connection:
            await write_audit(connection, *records)

    async def knows(self, record: AuditRecord) -> bool:
        """Whether something was recorded of this action in this guild about this user and job."""
        same = (audit.c.guild_id == record.guild_id) & (audit.c.user_id == record.user_id)
        same &= (audit.c.action == record.action) & (audit.c.job_id == record.job_id)
        async with self._database.reading() as connection:
            return bool(await connection.scalar(select(exists().where(same))))

    async def page(self, wanted: AuditFilter, limit: int, *, before_id: int | None = None) -> list[AuditEntry]:
        """The newest records, or the newest before one of them: newest first, at most `limit`."""
        query = select(audit).where(*_conditions(wanted))
        if before_id is not None:
            query = query.where(audit.c.id < before_id)
        return await self._select(query.order_by(audit.c.id.desc()).limit(limit))

    async def newest_id(self) -> int:
        """Of all guilds; 0 without records."""
        async with self._database.reading() as connection:
            return await connection.scalar(select(func.coalesce(func.max(audit.c.id), 0))) or 0

    async def after(self, id_: int, limit: int, *, guild_id: int | None = None) -> list[AuditEntry]:
        """The records after this one, oldest first, at most `limit`. guild_id: only this guild's."""
        query = select(audit).where(audit.c.id > id_)
        if guild_id is not None:
            query = query.where(audit.c.guild_id == guild_id)
        return await self._select(query.order_by(audit.c.id).limit(limit))

    async def _select(self, query: Select[Any]) -> list[AuditEntry]:
        async with self._database.reading() as connection:
            return [AuditEntry(**row._mapping) for row in await connection.execute(query)]


async def write_audit(connection: AsyncConnection, *records: AuditRecord) -> None:
    """Within the transaction of what was done, so that neither is there without the other."""
    at = datetime.now(UTC)
    for record in records:
        reason = None if record.reason is None else record.reason[:MAX_REASON_CHARACTERS]
        values = asdict(record) | {"at": at, "reason": reason, "details": dict(record.details)}
        await connection.execute(insert(audit).values(values))


def _conditions(wanted: AuditFilter) -> list[Any]:
    conditions: list[Any] = [audit.c.guild_id == wanted.guild_id]
    if wanted.user_id is not None:
        conditions.append((audit.c.user_id == wanted.user_id) | (audit.c.actor_id == wanted.user_id))
    if wanted.action is not None:
        conditions.append(audit.c.action == wanted.action)
    if wanted.since is not None:
        conditions.append(audit.c.at >= wanted.since)
    if wanted.is_brief:
        conditions.append(audit.c.action != AuditAction.RESULT_SWEPT)
    return conditions
