"""Deleting what the store has: of one person, or of jobs past a guild's time. Used by the cogs, on the event loop.

A row of `erasures` says that somebody's deletion is under way; each job that is gone is progress that a restart finds.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, delete, exists, func, insert, literal, select, update

from bot.store.database import Database
from bot.store.in_shards import is_served
from bot.store.jobs import record_of
from bot.store.personal import NOBODY, PERSONAL, Fate, is_running
from bot.store.records import JobRecord
from bot.store.schema import audit, cases, erasures, jobs, reports, sanctions
from bot.store.states import FINAL_STATES, JobState, sources_of

MAX_READ: Final = 100
MAX_REMEMBERED: Final = 8
"""Messages that could not be deleted, of which the person gets the links."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """A deletion under way. user_id: whose data. asked_at: what came later stays; aware, in UTC. locale: of the person.

    num_jobs: deleted so far. num_refused: messages that could not be deleted; refused: links to some of them.
    """

    user_id: int
    asked_at: datetime
    locale: str | None
    num_jobs: int = 0
    num_refused: int = 0
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """What a deletion leaves to the moderators. num_cases: open ones; cases: guild and number of some of them.
    num_sanctions: that still hold. num_records: of their logs."""

    num_cases: int
    cases: tuple[tuple[int, int], ...]
    num_sanctions: int = 0
    num_records: int = 0


class ErasureStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, user_id: int, locale: str | None, now: datetime | None = None) -> bool:
        """False if this person's deletion is under way already."""
        values = {"user_id": user_id, "asked_at": now or datetime.now(UTC), "locale": locale}
        row = select(*(literal(value, erasures.c[name].type) for name, value in values.items()))
        unknown = ~exists().where(erasures.c.user_id == user_id)
        async with self._database.transaction() as connection:
            begun = await connection.execute(insert(erasures).from_select(list(values), row.where(unknown)))
            return begun.rowcount == 1

    async def under_way(self) -> list[Erasure]:
        """The oldest ones, at most MAX_READ."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(erasures).order_by(erasures.c.asked_at).limit(MAX_READ))
            return [_erasure(row) for row in rows]

    async def count(self, erasure: Erasure) -> int:
        """How many jobs are still to be deleted, in all processes; those in open cases stay."""
        async with self._database.reading() as connection:
            return await connection.scalar(select(func.count()).where(_jobs_of(erasure))) or 0

    async def jobs(self, erasure: Erasure, limit: int) -> list[JobRecord]:
        """The oldest ones of this process that are still to be deleted, at most `limit`; unfinished ones among them."""
        theirs = _jobs_of(erasure) & is_served(jobs.c.guild_id, self._database.shards)
        query = select(jobs).where(theirs).order_by(jobs.c.created_at, jobs.c.id).limit(limit)
        async with self._database.reading() as connection:
            return [record_of(row._mapping) for row in await connection.execute(query)]

    async def unfinished_elsewhere(self, erasure: Erasure, limit: int) -> list[JobRecord]:
        """The oldest ones of other processes that can be cancelled, at most `limit`. Those that are only just being
        answered are left to them."""
        cancellable = jobs.c.state.in_(sources_of(JobState.CANCELLED) - {JobState.RECEIVED})
        theirs = _jobs_of(erasure) & cancellable & ~is_served(jobs.c.guild_id, self._database.shards)
        query = select(jobs).where(theirs).order_by(jobs.c.created_at, jobs.c.id).limit(limit)
        async with self._database.reading() as connection:
            return [record_of(row._mapping) for row in await connection.execute(query)]

    async def expired(self, guild_id: int, before: datetime, limit: int) -> list[JobRecord]:
        """The oldest finished jobs of a guild that were asked for before then and are in no open case, at most
        `limit`."""
        is_expired = (jobs.c.guild_id == guild_id) & (jobs.c.created_at < before) & ~_is_in_a_case()
        is_expired &= jobs.c.state.in_(FINAL_STATES)
        query = select(jobs).where(is_expired).order_by(jobs.c.created_at, jobs.c.id).limit(limit)
        async with self._database.reading() as connection:
            return [record_of(row._mapping) for row in await connection.execute(query)]

    async def erase_job(self, job_id: str, *, of: Erasure | None = None, refused: tuple[str, ...] = ()) -> None:
        """Deletes a job's record with its pictures', favourites and showings, and counts it in an erasure. What its
        decided cases quote goes too, and what was reported; their numbers and decisions stay.

        refused: links to messages of it that could not be deleted.
        """
        async with self._database.transaction() as connection:
            gone = await connection.execute(delete(jobs).where(jobs.c.id == job_id))
            decided = (cases.c.job_id == job_id) & cases.c.decision.is_not(None)
            await connection.execute(update(cases).where(decided).values(details={}))
            await connection.execute(delete(reports).where(reports.c.job_id == job_id))
            if of is None or not gone.rowcount:
                return
            mine = erasures.c.user_id == of.user_id
            known = await connection.scalar(select(erasures.c.refused).where(mine)) or []
            changes = {
                "num_jobs": erasures.c.num_jobs + 1,
                "num_refused": erasures.c.num_refused + len(refused),
                "refused": [*known, *refused][:MAX_REMEMBERED],
            }
            await connection.execute(update(erasures).where(mine).values(changes))

    async def kept(self, user_id: int, now: datetime) -> Kept:
        """What stays. now: Discord's time, by which sanctions end; aware."""
        is_open = (cases.c.user_id == user_id) & cases.c.decision.is_(None)
        query = select(cases.c.guild_id, cases.c.number).where(is_open).order_by(cases.c.opened_at)
        async with self._database.reading() as connection:
            num_cases = await connection.scalar(select(func.count()).select_from(cases).where(is_open)) or 0
            rows = await connection.execute(query.limit(MAX_REMEMBERED))
            named = tuple((row.guild_id, row.number) for row in rows)
            running = (sanctions.c.user_id == user_id) & is_running(now)
            num_sanctions = await connection.scalar(select(func.count()).select_from(sanctions).where(running)) or 0
            of_theirs = (audit.c.user_id == user_id) | (audit.c.actor_id == user_id)
            num_records = await connection.scalar(select(func.count()).select_from(audit).where(of_theirs)) or 0
            return Kept(num_cases, named, num_sanctions, num_records)

    async def finish(self, erasure: Erasure, now: datetime) -> Erasure | None:
        """Deletes what is left beside jobs, in one transaction; the erasure as it was then, or None if another process
        has finished it. now: as for `kept`."""
        async with self._database.transaction() as connection:
            for personal in PERSONAL:
                theirs = personal.of(erasure.user_id)
                if personal.where is not None:
                    theirs &= personal.where(now)
                if personal.fate is Fate.DELETED:
                    await connection.execute(delete(personal.table).where(theirs))
                elif personal.fate is Fate.NAMELESS:
                    nobody = {personal.column: NOBODY}
                    await connection.execute(update(personal.table).where(theirs).values(nobody))
            mine = erasures.c.user_id == erasure.user_id
            row = (await connection.execute(select(erasures).where(mine))).one_or_none()
            await connection.execute(delete(erasures).where(mine))
        return None if row is None else _erasure(row)


def _erasure(row: Row[Any]) -> Erasure:
    return Erasure(**{**row._mapping, "refused": tuple(row.refused or ())})


def _jobs_of(erasure: Erasure) -> ColumnElement[bool]:
    return (jobs.c.user_id == erasure.user_id) & (jobs.c.created_at <= erasure.asked_at) & ~_is_in_a_case()


def _is_in_a_case() -> ColumnElement[bool]:
    """Whether moderators have yet to decide about a job."""
    return exists().where(cases.c.job_id == jobs.c.id, cases.c.decision.is_(None))
