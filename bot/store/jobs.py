"""The store's face: jobs and a few values, each call one transaction. Used by the cogs, on the event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Self

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import StoreError
from bot.store.database import BUSY_TIMEOUT_S, Database, create_engine, describe, parse_url, sqlite_file
from bot.store.migrate import migrate
from bot.store.records import JobRecord, NewJob
from bot.store.schema import jobs, settings
from bot.store.states import FINAL_STATES, JobState, sources_of


class JobStore:
    """Every method may raise StoreError. What a method returned is committed.

    A cancelled call ends only when SQLite stops waiting, `busy_timeout_s` at most. It is rolled back, unless the
    cancellation came during its commit.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> AsyncIterator[Self]:
        """Opens the database at `url`, creates or upgrades its tables, closes it at the end.

        busy_timeout_s: how long a call waits while another program writes to the same SQLite file.
        """
        parsed = parse_url(url)
        file = sqlite_file(parsed)
        if file is not None:
            try:
                await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"The folder {file.parent} can't be made: {error.strerror}.") from error
        await asyncio.to_thread(migrate, parsed, busy_timeout_s)
        engine = await asyncio.to_thread(create_engine, parsed, busy_timeout_s)
        database = Database(describe(parsed), engine)
        try:
            yield cls(database)
        finally:
            await database.aclose()

    async def create(self, job: NewJob) -> JobRecord:
        """Stores a job as `received`. Refuses a second job with the same id or of the same interaction."""
        now = datetime.now(UTC)
        values = asdict(job) | {"state": JobState.RECEIVED, "created_at": now, "updated_at": now}
        async with self._database.transaction() as connection:
            result = await connection.execute(insert(jobs).values(values).returning(*jobs.c))
            return _record(result.one())

    async def acknowledge(self, job_id: str, channel_id: int, message_id: int) -> JobRecord:
        """Moves a job to `acknowledged` and stores which message shows it."""
        return await self._move(job_id, JobState.ACKNOWLEDGED, {"channel_id": channel_id, "message_id": message_id})

    async def move(
        self, job_id: str, to: JobState, *, error: str | None = None, result: dict[str, Any] | None = None
    ) -> JobRecord:
        """Moves a job to another state. Of several callers that move it at once, the first legal move wins.

        error, result: stored if given. result must be JSON. Raises StoreError if there is no such job, or if the move
        isn't legal from the state in which the job now is; then nothing has changed.
        """
        given = {"error": error, "result": result}
        return await self._move(job_id, to, {name: value for name, value in given.items() if value is not None})

    async def get(self, job_id: str) -> JobRecord | None:
        """The job with this id, or None."""
        found = await self._select(select(jobs).where(jobs.c.id == job_id))
        return found[0] if found else None

    async def unfinished(self, limit: int = 1000) -> list[JobRecord]:
        """Jobs that are in no final state, oldest first, at most `limit`."""
        open_states = [state for state in JobState if state not in FINAL_STATES]
        oldest_first = (jobs.c.created_at, jobs.c.id)
        return await self._select(
            select(jobs).where(jobs.c.state.in_(open_states)).order_by(*oldest_first).limit(limit)
        )

    async def latest_of(self, user_id: int, limit: int = 10) -> list[JobRecord]:
        """The jobs of one user, newest first, at most `limit`."""
        newest_first = (jobs.c.created_at.desc(), jobs.c.id.desc())
        return await self._select(select(jobs).where(jobs.c.user_id == user_id).order_by(*newest_first).limit(limit))

    async def get_value(self, key: str) -> str | None:
        """What `set_value` stored under this key, or None."""
        async with self._database.transaction() as connection:
            value: str | None = await connection.scalar(select(settings.c.value).where(settings.c.key == key))
            return value

    async def set_value(self, key: str, value: str) -> None:
        """Stores a small text under a key of at most 100 characters, over what was there."""
        async with self._database.transaction() as connection:
            changed = await connection.execute(update(settings).where(settings.c.key == key).values(value=value))
            if not changed.rowcount:
                await connection.execute(insert(settings).values(key=key, value=value))

    async def _select(self, query: Select[Any]) -> list[JobRecord]:
        async with self._database.transaction() as connection:
            return [_record(row) for row in await connection.execute(query)]

    async def _move(self, job_id: str, to: JobState, values: dict[str, Any]) -> JobRecord:
        """One UPDATE that looks at the current state itself, so no other move can slip in between."""
        movable = (jobs.c.id == job_id) & jobs.c.state.in_(sources_of(to))
        changes = values | {"state": to, "updated_at": datetime.now(UTC)}
        async with self._database.transaction() as connection:
            result = await connection.execute(update(jobs).where(movable).values(changes).returning(*jobs.c))
            row = result.one_or_none()
            if row is None:
                raise StoreError(await _why_not(connection, job_id, to))
            return _record(row)


async def _why_not(connection: AsyncConnection, job_id: str, to: JobState) -> str:
    state = await connection.scalar(select(jobs.c.state).where(jobs.c.id == job_id))
    if state is None:
        return f"There is no job {job_id} in the store."
    return f"Job {job_id} is {state}; it can't become {to}."


def _record(row: Row[Any]) -> JobRecord:
    return JobRecord(**{**row._mapping, "state": JobState(row.state)})
