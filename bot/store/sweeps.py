"""Sweeps of moderators: what is to be deleted, and how far that is. Used by the cogs, on the event loop.

A sweep goes from the newest result to the oldest one, and its cursor with it, so that a restart goes on from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, insert, or_, select, update

from bot.moderation.sweeping import SweepCriteria
from bot.requests import new_job_id
from bot.store.audit import AuditRecord, write_audit
from bot.store.database import Database
from bot.store.in_shards import is_served
from bot.store.jobs import record_of
from bot.store.records import JobRecord
from bot.store.schema import jobs, sweeps
from bot.store.states import JobState

MAX_READ: Final = 100
MAX_REMEMBERED: Final = 8
"""Messages that could not be deleted, of which the moderator gets the links."""


class SweepState(StrEnum):
    """ASKED: nobody has said yet that it is meant."""

    ASKED = "asked"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSweep:
    """id: 12 hexadecimal digits. actor_id: the moderator, whose client is in locale. num_found: at the dry run."""

    id: str = field(default_factory=new_job_id)
    guild_id: int
    actor_id: int
    locale: str
    criteria: SweepCriteria
    num_found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord(NewSweep):
    """A stored sweep. asked_at: what came later stays; aware, in UTC.

    cursor_at, cursor_id: of the last job that was looked at; None before the first. num_refused: messages that could
    not be deleted; refused: links to some of them.
    """

    state: SweepState
    asked_at: datetime
    cursor_at: datetime | None
    cursor_id: str | None
    num_deleted: int
    num_refused: int
    refused: tuple[str, ...]


class SweepStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, sweep: NewSweep, now: datetime) -> None:
        """Stores a sweep that nobody has confirmed yet. now: aware."""
        values = {
            "id": sweep.id,
            "guild_id": sweep.guild_id,
            "actor_id": sweep.actor_id,
            "locale": sweep.locale,
            "criteria": sweep.criteria.to_json(),
            "num_found": sweep.num_found,
            "state": SweepState.ASKED,
            "asked_at": now,
        }
        async with self._database.transaction() as connection:
            await connection.execute(insert(sweeps).values(values))

    async def get(self, sweep_id: str) -> SweepRecord | None:
        """The sweep with this id, or None."""
        async with self._database.reading() as connection:
            found = await connection.execute(select(sweeps).where(sweeps.c.id == sweep_id))
            row = found.one_or_none()
        return None if row is None else _sweep(row._mapping)

    async def running(self) -> list[SweepRecord]:
        """Those under way, oldest first, at most MAX_READ."""
        is_running = (sweeps.c.state == SweepState.RUNNING) & is_served(sweeps.c.guild_id, self._database.shards)
        query = select(sweeps).where(is_running).order_by(sweeps.c.asked_at).limit(MAX_READ)
        async with self._database.reading() as connection:
            return [_sweep(row._mapping) for row in await connection.execute(query)]

    async def num_running(self, guild_id: int) -> int:
        """How many of a guild are under way."""
        is_running = (sweeps.c.guild_id == guild_id) & (sweeps.c.state == SweepState.RUNNING)
        async with self._database.reading() as connection:
            return await connection.scalar(select(func.count()).select_from(sweeps).where(is_running)) or 0

    async def move(self, sweep_id: str, came_from: SweepState, to: SweepState, record: AuditRecord) -> bool:
        """Whether it was in that state; now it is in the other one, and the record is written. Of several callers at
        once, one gets True.
        """
        there = (sweeps.c.id == sweep_id) & (sweeps.c.state == came_from)
        async with self._database.transaction(is_urgent=True) as connection:
            moved = await connection.execute(update(sweeps).where(there).values(state=to))
            if moved.rowcount:
                await write_audit(connection, record)
            return moved.rowcount == 1

    async def advance(self, sweep_id: str, job: JobRecord, *, is_deleted: bool, refused: tuple[str, ...] = ()) -> bool:
        """A job was looked at, and perhaps deleted. False if the sweep isn't running any more, which counts it all the
        same. refused: links to messages of the job that could not be deleted.
        """
        this = sweeps.c.id == sweep_id
        async with self._database.transaction() as connection:
            known = await connection.scalar(select(sweeps.c.refused).where(this)) or []
            changes = {
                "cursor_at": job.created_at,
                "cursor_id": job.id,
                "num_deleted": sweeps.c.num_deleted + int(is_deleted),
                "num_refused": sweeps.c.num_refused + len(refused),
                "refused": [*known, *refused][:MAX_REMEMBERED],
            }
            changed = update(sweeps).where(this).values(changes).returning(sweeps.c.state)
            return bool(await connection.scalar(changed) == SweepState.RUNNING)

    async def candidates(
        self,
        guild_id: int,
        criteria: SweepCriteria,
        limit: int,
        *,
        before: datetime,
        cursor: tuple[datetime, str] | None = None,
    ) -> list[JobRecord]:
        """Results of a guild that may be meant, newest first, at most `limit`; their words and pictures are to be
        looked at by the caller. before: when the sweep was asked for. cursor: of the last one that was looked at.
        """
        conditions: list[ColumnElement[bool]] = [
            jobs.c.guild_id == guild_id,
            jobs.c.state == JobState.DELIVERED,
            jobs.c.deleted_at.is_(None),
            jobs.c.created_at <= before,
        ]
        if criteria.user_id is not None:
            conditions.append(jobs.c.user_id == criteria.user_id)
        if criteria.since is not None:
            conditions.append(jobs.c.created_at >= criteria.since)
        if criteria.until is not None:
            conditions.append(jobs.c.created_at < criteria.until)
        if cursor is not None:
            at, id_ = cursor
            # The first condition is for the index.
            conditions += [jobs.c.created_at <= at, or_(jobs.c.created_at < at, jobs.c.id < id_)]
        query = select(jobs).where(and_(*conditions)).order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
        async with self._database.reading() as connection:
            return [record_of(row._mapping) for row in await connection.execute(query.limit(limit))]


def _sweep(row: Mapping[Any, Any]) -> SweepRecord:
    typed = {
        "criteria": SweepCriteria.from_json(row["criteria"]),
        "state": SweepState(row["state"]),
        "refused": tuple(row["refused"] or ()),
    }
    return SweepRecord(**{**row, **typed})
