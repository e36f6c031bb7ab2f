"""Jobs with their states and message ids, each call one transaction. Used by the cogs, on the event loop."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import IllegalMoveError
from bot.store.audit import AuditRecord, write_audit
from bot.store.database import Database
from bot.store.in_shards import is_served
from bot.store.records import JobOutline, JobRecord, NewJob, Usage
from bot.store.schema import jobs
from bot.store.states import FINAL_STATES, JobState, sources_of

UNANSWERED_FOR: Final = timedelta(minutes=2)
"""A job that is `received` for longer was never promised to anybody, or its message is about to be found."""

_MAX_IDS: Final = 500  # in one statement
_TO_BE_DRAWN: Final = (JobState.RECEIVED, JobState.ACKNOWLEDGED, JobState.QUEUED, JobState.RUNNING)


class JobStore:
    """Every method may raise StoreError. What a method returned is committed. New jobs are stored before other changes.

    on_move: told of each job that has entered a state, once that is committed.

    A cancelled call ends only when SQLite stops waiting, `busy_timeout_s` at most. It is rolled back, unless the
    cancellation came during its commit.
    """

    def __init__(
        self, database: Database, on_move: Callable[[str, JobState], None] = lambda job_id, state: None
    ) -> None:
        self._database = database
        self._on_move = on_move
        self._is_served = is_served(jobs.c.guild_id, database.shards)

    async def create(
        self, job: NewJob, *others: NewJob, check: Callable[[int], None] = lambda num_drawn: None
    ) -> JobRecord:
        """Stores a job as `received`, together with others or none of them; returns the first.

        Refuses a second job with the same id, or of the same part of an interaction. check: where several processes
        accept jobs, it is told how many of the user's wait or are drawn in all of them; what it raises is raised, and
        nothing is stored. Until that is done, no process stores others.
        """
        now = datetime.now(UTC)
        stored = {"state": JobState.RECEIVED, "created_at": now, "updated_at": now}
        async with self._database.transaction(is_urgent=True) as connection:
            if not self._database.shards.are_all:
                theirs = (jobs.c.user_id == job.user_id) & jobs.c.state.in_(_TO_BE_DRAWN) & _is_promised(now)
                check(await connection.scalar(select(func.count()).where(theirs)) or 0)
            result = await connection.execute(insert(jobs).values(asdict(job) | stored).returning(*jobs.c))
            record = record_of(result.one()._mapping)
            if others:
                await connection.execute(insert(jobs), [asdict(other) | stored for other in others])
        for created in (job, *others):
            self._on_move(created.id, JobState.RECEIVED)
        return record

    async def acknowledge(self, job_id: str, channel_id: int, message_id: int) -> JobRecord:
        """Moves a job to `acknowledged` and stores which message shows it."""
        values = {"channel_id": channel_id, "message_id": message_id}
        return await self._move(job_id, JobState.ACKNOWLEDGED, values, is_urgent=True)

    async def move(
        self,
        job_id: str,
        to: JobState,
        *,
        error: str | None = None,
        result: dict[str, Any] | None = None,
        is_spoiler: bool | None = None,
    ) -> JobRecord:
        """Moves a job to another state. Of several callers that move it at once, the first legal move wins.

        error, result, is_spoiler: stored if given. result must be JSON. Raises IllegalMoveError if the move isn't legal
        from the state in which the job now is, or if there is no such job; then nothing has changed.
        """
        given = {"error": error, "result": result, "is_spoiler": is_spoiler}
        return await self._move(job_id, to, {name: value for name, value in given.items() if value is not None})

    async def get(self, job_id: str) -> JobRecord | None:
        """The job with this id, or None."""
        found = await self._select(select(jobs).where(jobs.c.id == job_id))
        return found[0] if found else None

    async def id_of_message(self, message_id: int) -> str | None:
        """The id of the job that this message was made for, or None."""
        async with self._database.reading() as connection:
            job_id: str | None = await connection.scalar(select(jobs.c.id).where(jobs.c.message_id == message_id))
            return job_id

    async def unfinished(
        self, limit: int = 1000, *, but: JobState | None = None, after: JobRecord | None = None
    ) -> list[JobRecord]:
        """This process's jobs that are in no final state, oldest first, at most `limit`. but: nor in this one. after:
        only those that come after this one, whatever its state is now."""
        query = select(jobs).where(_is_unfinished(but), self._is_served)
        if after is not None:
            query = query.where(_comes_after(after))
        return await self._select(query.order_by(*_OLDEST_FIRST).limit(limit))

    async def outlines(self) -> list[JobOutline]:
        """Of every job of this process that is in no final state, nor in review."""
        query = select(jobs.c.id, jobs.c.state).where(_is_unfinished(JobState.IN_REVIEW), self._is_served)
        async with self._database.reading() as connection:
            return [JobOutline(id_, JobState(state)) for id_, state in await connection.execute(query)]

    async def unfinished_ids(self) -> frozenset[str]:
        """Of all jobs that are in no final state."""
        query = select(jobs.c.id).where(_is_unfinished(None))
        async with self._database.reading() as connection:
            return frozenset(await connection.scalars(query))

    async def cancelled(self, job_ids: Sequence[str]) -> dict[str, str | None]:
        """Those of these jobs that are cancelled, with what their messages say of it; None for those that are gone too,
        as their user has everything deleted."""
        found: dict[str, str | None] = dict.fromkeys(job_ids)
        async with self._database.reading() as connection:
            for first in range(0, len(job_ids), _MAX_IDS):
                these = jobs.c.id.in_(job_ids[first : first + _MAX_IDS])
                for row in await connection.execute(select(jobs.c.id, jobs.c.state, jobs.c.error).where(these)):
                    if row.state == JobState.CANCELLED:
                        found[row.id] = row.error
                    else:
                        del found[row.id]
        return found

    async def just_cancelled(self, within: timedelta, limit: int = 20) -> list[JobRecord]:
        """This process's jobs that were cancelled so shortly before the last change of any of its jobs, newest first,
        at most `limit`."""
        async with self._database.reading() as connection:
            last = await connection.scalar(select(func.max(jobs.c.updated_at)).where(self._is_served))
        if last is None:
            return []
        lately = (jobs.c.state == JobState.CANCELLED) & (jobs.c.updated_at >= last - within) & self._is_served
        return await self._select(
            select(jobs).where(lately & jobs.c.deleted_at.is_(None)).order_by(jobs.c.updated_at.desc()).limit(limit)
        )

    async def latest_of(self, user_id: int, limit: int = 10, *, guild_id: int | None = None) -> list[JobRecord]:
        """The jobs of one user, newest first, at most `limit`. guild_id: only those of this guild."""
        newest_first = (jobs.c.created_at.desc(), jobs.c.interaction_part.desc(), jobs.c.id.desc())
        query = select(jobs).where(jobs.c.user_id == user_id)
        if guild_id is not None:
            query = query.where(jobs.c.guild_id == guild_id)
        return await self._select(query.order_by(*newest_first).limit(limit))

    async def num_of(self, user_id: int, guild_id: int) -> int:
        """How many jobs a user has ever asked a guild for."""
        theirs = (jobs.c.user_id == user_id) & (jobs.c.guild_id == guild_id)
        async with self._database.reading() as connection:
            return await connection.scalar(select(func.count()).select_from(jobs).where(theirs)) or 0

    async def usage(self, user_id: int | None, guild_id: int, since: datetime) -> Usage:
        """What a user has asked of a guild since then, without what nobody was promised. user_id: None for all of them
        together."""
        theirs = (jobs.c.guild_id == guild_id) & _is_promised(datetime.now(UTC))
        if user_id is not None:
            theirs &= jobs.c.user_id == user_id
        recent = theirs & (jobs.c.created_at >= since)
        working = [state for state in JobState if state not in FINAL_STATES | {JobState.DELIVERING}]
        drawn = [*working, JobState.DELIVERING, JobState.DELIVERED]
        async with self._database.reading() as connection:
            last = await connection.scalar(
                select(func.max(jobs.c.created_at)).where(recent, jobs.c.state != JobState.FAILED)
            )
            num_unfinished = await connection.scalar(select(func.count()).where(theirs, jobs.c.state.in_(working)))
            images = await connection.execute(
                select(jobs.c.created_at, jobs.c.num_images).where(recent, jobs.c.state.in_(drawn))
            )
            return Usage(
                last_asked_at=last,
                num_unfinished=num_unfinished or 0,
                images=tuple((row.created_at, row.num_images) for row in images),
            )

    async def delete(self, job_id: str, *, record: AuditRecord | None = None) -> bool:
        """Marks a job as deleted; its record stays. False if there is no such job or if it was marked before.

        Of several callers at once, one gets True. record: goes to the audit with it.
        """
        present = (jobs.c.id == job_id) & jobs.c.deleted_at.is_(None)
        async with self._database.transaction() as connection:
            marked = await connection.execute(update(jobs).where(present).values(deleted_at=datetime.now(UTC)))
            if marked.rowcount and record is not None:
                await write_audit(connection, record)
            return marked.rowcount == 1

    async def hide(self, job_id: str, record: AuditRecord) -> bool:
        """Marks a result as hidden. False if it is already, or deleted; the record goes to the audit with it."""
        shown = (jobs.c.id == job_id) & jobs.c.hidden_at.is_(None) & jobs.c.deleted_at.is_(None)
        async with self._database.transaction() as connection:
            hidden = await connection.execute(update(jobs).where(shown).values(hidden_at=datetime.now(UTC)))
            if hidden.rowcount:
                await write_audit(connection, record)
            return hidden.rowcount == 1

    async def unhide(self, job_id: str, record: AuditRecord, *, is_spoiler: bool) -> bool:
        """Ends that, and says whether it was hidden; only then the record goes to the audit. is_spoiler: what its
        pictures are from now on."""
        this = jobs.c.id == job_id
        async with self._database.transaction() as connection:
            hidden = this & jobs.c.hidden_at.is_not(None)
            shown = await connection.execute(update(jobs).where(hidden).values(hidden_at=None))
            await connection.execute(update(jobs).where(this).values(is_spoiler=is_spoiler))
            if shown.rowcount:
                await write_audit(connection, record)
            return shown.rowcount == 1

    async def _select(self, query: Select[Any]) -> list[JobRecord]:
        async with self._database.reading() as connection:
            return [record_of(row._mapping) for row in await connection.execute(query)]

    async def _move(self, job_id: str, to: JobState, values: dict[str, Any], *, is_urgent: bool = False) -> JobRecord:
        """The only way to another state: one UPDATE that looks at the current one itself, so no other move can slip in
        between."""
        movable = (jobs.c.id == job_id) & jobs.c.state.in_(sources_of(to))
        changes = values | {"state": to, "updated_at": datetime.now(UTC), "answer_token": None}
        async with self._database.transaction(is_urgent=is_urgent) as connection:
            result = await connection.execute(update(jobs).where(movable).values(changes).returning(*jobs.c))
            row = result.one_or_none()
            if row is None:
                raise IllegalMoveError(await _why_not(connection, job_id, to))
            record = record_of(row._mapping)
        self._on_move(job_id, to)
        return record


_OLDEST_FIRST: Final = (jobs.c.created_at, jobs.c.interaction_part, jobs.c.id)


def _is_promised(now: datetime) -> ColumnElement[bool]:
    return ~((jobs.c.state == JobState.RECEIVED) & (jobs.c.created_at < now - UNANSWERED_FOR))


def _is_unfinished(but: JobState | None) -> ColumnElement[bool]:
    # No index helps with NOT IN.
    return jobs.c.state.in_([state for state in JobState if state not in FINAL_STATES and state is not but])


def _comes_after(job: JobRecord) -> ColumnElement[bool]:
    """In the order of _OLDEST_FIRST."""
    part = jobs.c.interaction_part
    in_part = (part > job.interaction_part) | ((part == job.interaction_part) & (jobs.c.id > job.id))
    # The first condition is for the index.
    return (jobs.c.created_at >= job.created_at) & ((jobs.c.created_at > job.created_at) | in_part)


async def _why_not(connection: AsyncConnection, job_id: str, to: JobState) -> str:
    state = await connection.scalar(select(jobs.c.state).where(jobs.c.id == job_id))
    if state is None:
        return f"There is no job {job_id} in the store."
    return f"Job {job_id} is {state}; it can't become {to}."


def record_of(row: Mapping[Any, Any]) -> JobRecord:
    """The job in a row of `jobs`: column name → value."""
    return JobRecord(**{**row, "state": JobState(row["state"])})
