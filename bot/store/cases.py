"""Cases for moderators, numbered in each guild. Used by the cogs, on the event loop.

A case is opened once for what it is about and decided once, by whoever is first: both are single statements, so that
neither two moderators nor two processes can come between. Its record outlives its job.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Select, exists, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from bot.errors import StoreError
from bot.moderation.cases import CaseKind, Decision
from bot.store.audit import AuditAction, AuditRecord, write_audit
from bot.store.database import Database
from bot.store.in_shards import is_served
from bot.store.schema import cases, jobs
from bot.store.states import FINAL_STATES, JobState

MAX_ATTEMPTS: Final = 10

_HELD: Final = {CaseKind.HELD_PROMPT: AuditAction.PROMPT_HELD, CaseKind.HELD_PICTURES: AuditAction.PICTURES_HELD}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCase:
    """What moderators should look at. Ids are Discord's.

    job_id: what it is about, drawn or not. user_id: its requester. deadline_at: when the guild's default counts; None
    for never. details: why it was opened, as JSON, for those who decide.
    """

    guild_id: int
    kind: CaseKind
    job_id: str
    user_id: int
    deadline_at: datetime | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord(NewCase):
    """A stored case.

    number: counts from 1 in its guild. decision: None while it is open. decided_by: None for the guild's default.
    channel_id, message_id: where moderators see it; None while they don't. applied_at: when all that follows from the
    decision was done. Times are aware, in UTC.
    """

    number: int
    opened_at: datetime
    decision: Decision | None
    decided_by: int | None
    decided_at: datetime | None
    channel_id: int | None
    message_id: int | None
    applied_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for moderators. oldest_at: aware, in UTC; None if nothing does."""

    num_open: int
    oldest_at: datetime | None


_IS_POSTED: Final = cases.c.message_id.is_not(None)


class CaseStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_served = is_served(cases.c.guild_id, database.shards)

    async def open(self, case: NewCase) -> CaseRecord:
        """Stores a case under the guild's next number, without gaps; the open one of this kind and job, if there is.
        The audit gets a record of what is held with it."""
        for _ in range(MAX_ATTEMPTS):
            try:
                return await self._open(case)
            except StoreError as error:
                # Another process took the same number; within one, writers wait for each other.
                if not isinstance(error.__cause__, IntegrityError):
                    raise
        raise StoreError(f"No number was free for a case of guild {case.guild_id}. Try again.")

    async def _open(self, case: NewCase) -> CaseRecord:
        values = asdict(case) | {"opened_at": datetime.now(UTC)}
        same = (cases.c.job_id == case.job_id) & (cases.c.kind == case.kind) & cases.c.decision.is_(None)
        last = select(func.coalesce(func.max(cases.c.number), 0)).where(cases.c.guild_id == case.guild_id)
        row = select(
            *(literal(value, cases.c[name].type) for name, value in values.items()), last.scalar_subquery() + 1
        ).where(~exists().where(same))
        async with self._database.transaction() as connection:
            inserted = await connection.execute(insert(cases).from_select([*values, "number"], row).returning(*cases.c))
            new = inserted.one_or_none()
            if new is None:
                return _case_of((await connection.execute(select(cases).where(same))).one()._mapping)
            opened = _case_of(new._mapping)
            if opened.kind in _HELD:
                await write_audit(connection, _hold_record(opened))
            return opened

    async def decide(
        self, guild_id: int, number: int, decision: Decision, *, by: int | None, at: datetime
    ) -> CaseRecord | None:
        """Closes an open case. None if it isn't open any more, or isn't known: then nothing has changed.

        by: the moderator; None for the guild's default. at: aware. The audit gets its record with it.
        """
        is_open = _is(guild_id, number) & cases.c.decision.is_(None)
        values = {"decision": decision, "decided_by": by, "decided_at": at}
        async with self._database.transaction(is_urgent=True) as connection:
            decided = await connection.execute(update(cases).where(is_open).values(values).returning(*cases.c))
            row = decided.one_or_none()
            if row is None:
                return None
            case = _case_of(row._mapping)
            await write_audit(connection, _record(case))
            return case

    async def set_message(self, guild_id: int, number: int, *, channel_id: int, message_id: int) -> None:
        """Says where moderators see a case; nothing happens if it isn't known."""
        values = {"channel_id": channel_id, "message_id": message_id}
        async with self._database.transaction() as connection:
            await connection.execute(update(cases).where(_is(guild_id, number)).values(values))

    async def channels(self) -> list[tuple[int, int]]:
        """The guilds and channels with messages about open cases."""
        query = select(cases.c.guild_id, cases.c.channel_id).distinct()
        query = query.where(cases.c.decision.is_(None), _IS_POSTED, self._is_served)
        async with self._database.reading() as connection:
            return [(guild_id, channel_id) for guild_id, channel_id in await connection.execute(query)]

    async def forget_messages(self, guild_id: int, channel_id: int, message_id: int | None = None) -> None:
        """Says that moderators don't see open cases in a channel any more. message_id: only the one shown there."""
        gone = (cases.c.guild_id == guild_id) & (cases.c.channel_id == channel_id) & cases.c.decision.is_(None)
        if message_id is not None:
            gone &= cases.c.message_id == message_id
        async with self._database.transaction() as connection:
            await connection.execute(update(cases).where(gone, _IS_POSTED).values(channel_id=None, message_id=None))

    async def set_applied(self, guild_id: int, number: int, at: datetime) -> None:
        """Says that nothing is left to do about a case; nothing happens if it isn't known. at: aware."""
        async with self._database.transaction() as connection:
            await connection.execute(update(cases).where(_is(guild_id, number)).values(applied_at=at))

    async def get(self, guild_id: int, number: int) -> CaseRecord | None:
        """The case of this number, or None."""
        found = await self._select(select(cases).where(_is(guild_id, number)))
        return found[0] if found else None

    async def of_job(self, job_id: str) -> list[CaseRecord]:
        """The cases about a job, newest first."""
        query = select(cases).where(cases.c.job_id == job_id)
        return await self._select(query.order_by(cases.c.opened_at.desc(), cases.c.number.desc()))

    async def open_report(self, job_id: str) -> CaseRecord | None:
        """The case about reports of a job that moderators have yet to decide, or None."""
        is_open = (cases.c.job_id == job_id) & (cases.c.kind == CaseKind.REPORT) & cases.c.decision.is_(None)
        found = await self._select(select(cases).where(is_open))
        return found[0] if found else None

    async def job_of_message(self, message_id: int) -> str | None:
        """The id of the job that a message shows to moderators, or None."""
        async with self._database.reading() as connection:
            query = select(cases.c.job_id).where(cases.c.message_id == message_id)
            job_id: str | None = await connection.scalar(query)
            return job_id

    async def of_user(self, guild_id: int, user_id: int, limit: int) -> list[CaseRecord]:
        """The cases about what a user asked of a guild, newest first, at most `limit`."""
        theirs = (cases.c.guild_id == guild_id) & (cases.c.user_id == user_id)
        return await self._select(select(cases).where(theirs).order_by(cases.c.number.desc()).limit(limit))

    async def open_of(self, guild_id: int, limit: int) -> list[CaseRecord]:
        """The open cases of a guild, oldest first, at most `limit`."""
        is_open = (cases.c.guild_id == guild_id) & cases.c.decision.is_(None)
        return await self._select(select(cases).where(is_open).order_by(cases.c.number).limit(limit))

    async def backlog(self) -> Backlog:
        """The open cases of all guilds of this process together."""
        query = select(func.count(), func.min(cases.c.opened_at)).where(cases.c.decision.is_(None), self._is_served)
        async with self._database.reading() as connection:
            num_open, oldest_at = (await connection.execute(query)).one()
            return Backlog(num_open, oldest_at)

    async def num_open(self, guild_id: int, user_id: int | None = None, *, are_held: bool = False) -> int:
        """How many cases of a guild are open. user_id: only those about this requester. are_held: only those about jobs
        that wait."""
        is_open = (cases.c.guild_id == guild_id) & cases.c.decision.is_(None)
        if are_held:
            is_open &= cases.c.kind != CaseKind.REPORT
        if user_id is not None:
            is_open &= cases.c.user_id == user_id
        async with self._database.reading() as connection:
            return await connection.scalar(select(func.count()).select_from(cases).where(is_open)) or 0

    async def due(self, now: datetime, limit: int) -> list[CaseRecord]:
        """The open cases whose time is over, the most overdue first, at most `limit`. now: aware."""
        is_due = cases.c.decision.is_(None) & (cases.c.deadline_at <= now) & self._is_served
        return await self._select(select(cases).where(is_due).order_by(cases.c.deadline_at).limit(limit))

    async def unapplied(self, since: datetime, limit: int) -> list[CaseRecord]:
        """Decided cases whose jobs still wait, or that were decided since then and aren't applied, as the bot stopped;
        at most `limit`. Of the held ones of a job only the newest, unless one is open.
        """
        others = cases.alias()
        held = (others.c.job_id == cases.c.job_id) & (others.c.kind != CaseKind.REPORT)
        newest = select(func.max(others.c.number)).where(others.c.guild_id == cases.c.guild_id, held)
        is_last = (cases.c.number == newest.scalar_subquery()) & ~exists().where(held, others.c.decision.is_(None))
        waits = exists().where(jobs.c.id == cases.c.job_id, jobs.c.state == JobState.IN_REVIEW)
        is_left = cases.c.applied_at.is_(None) & (cases.c.decided_at >= since)
        is_left |= waits & (cases.c.kind != CaseKind.REPORT)
        left = cases.c.decision.is_not(None) & is_left
        left &= ((cases.c.kind == CaseKind.REPORT) | is_last) & self._is_served
        return await self._select(select(cases).where(left).order_by(cases.c.decided_at).limit(limit))

    async def orphaned(self, limit: int) -> list[CaseRecord]:
        """Open cases about jobs that don't wait any more, since they were cancelled or deleted; at most `limit`."""
        waits = exists().where(jobs.c.id == cases.c.job_id, jobs.c.state.not_in(FINAL_STATES))
        left = cases.c.decision.is_(None) & (cases.c.kind != CaseKind.REPORT) & ~waits & self._is_served
        return await self._select(select(cases).where(left).order_by(cases.c.opened_at).limit(limit))

    async def unposted(self, limit: int, except_guilds: Collection[int] = ()) -> list[CaseRecord]:
        """Open cases that moderators don't see, since no channel took a message; oldest first, at most `limit`."""
        waits = exists().where(jobs.c.id == cases.c.job_id, jobs.c.state == JobState.IN_REVIEW)
        left = cases.c.decision.is_(None) & cases.c.message_id.is_(None) & cases.c.guild_id.not_in(except_guilds)
        left &= (waits | (cases.c.kind == CaseKind.REPORT)) & self._is_served
        return await self._select(select(cases).where(left).order_by(cases.c.opened_at).limit(limit))

    async def _select(self, query: Select[Any]) -> list[CaseRecord]:
        async with self._database.reading() as connection:
            return [_case_of(row._mapping) for row in await connection.execute(query)]


def _is(guild_id: int, number: int) -> Any:
    return (cases.c.guild_id == guild_id) & (cases.c.number == number)


def _case_of(row: Mapping[Any, Any]) -> CaseRecord:
    decision = row["decision"]
    typed = {"kind": CaseKind(row["kind"]), "decision": None if decision is None else Decision(decision)}
    return CaseRecord(**{**row, **typed})


def _record(case: CaseRecord) -> AuditRecord:
    return AuditRecord(
        guild_id=case.guild_id,
        action=AuditAction.CASE_DECIDED,
        actor_id=case.decided_by,
        user_id=case.user_id,
        job_id=case.job_id,
        case_number=case.number,
        details={"decision": str(case.decision), "kind": str(case.kind)},
    )


def _hold_record(case: CaseRecord) -> AuditRecord:
    """Without what a rule found in a prompt, which nobody could delete then."""
    hits = [{name: value for name, value in hit.items() if name != "found"} for hit in case.details.get("hits", ())]
    return AuditRecord(
        guild_id=case.guild_id,
        action=_HELD[case.kind],
        user_id=case.user_id,
        job_id=case.job_id,
        case_number=case.number,
        details={"hits": hits},
    )
