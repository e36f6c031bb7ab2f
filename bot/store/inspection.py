"""A look at a database that changes nothing in it: can it be used, which schema has it, what is left to do.

Used by `dalle-bot doctor`, in a thread of its own: it blocks.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, column, func, inspect, select, table

from bot.store.damage import refuse_damaged
from bot.store.database import create_blocking_engine, describe, parse_url, sqlite_file
from bot.store.explaining import explained_refusals_of, refuse_full_disk, refuse_place, refuse_remains
from bot.store.in_use import refuse_vanished
from bot.store.migrate import migration_config
from bot.store.restore_mark import refuse_half_restored
from bot.store.schema import jobs, shard_leases
from bot.store.states import FINAL_STATES, JobState

BUSY_TIMEOUT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Unfinished jobs. oldest_at: when the one that has stood still longest moved last; aware, None for no job."""

    num_jobs: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """name: of the database, for people, without a password. is_there: it has tables of this program.

    revision: of its schema, None without tables. newest: what this version of the program would make of it. is_known:
    this version knows that schema. under_way: jobs that the bot should go on with. in_review: those that wait for
    moderators. leases: of shards, that hold: shard, number of shards, owner.
    """

    name: str
    is_there: bool
    revision: str | None
    newest: str
    is_known: bool
    under_way: Waiting
    in_review: Waiting
    leases: tuple[tuple[int, int, str], ...] = ()


_NONE: Final = Waiting(0, None)
_REVIEW: Final = frozenset({JobState.IN_REVIEW})


def inspect_database(url: str, pictures: Path | None = None, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Inspection:
    """Raises StoreError if the database can't be used: unreachable, damaged, half restored, gone, or locked for longer
    than that. pictures: of its jobs, as for `Store.open`."""
    parsed = parse_url(url)
    refuse_place(parsed)
    refuse_full_disk(parsed)
    refuse_half_restored(parsed)
    file = sqlite_file(parsed)
    if file is not None and not file.exists():
        refuse_vanished(parsed, file.exists)
    refuse_remains(parsed, pictures)
    if file is not None and not file.exists():
        return Inspection(describe(parsed), False, None, _schemas().get_current_head() or "", True, _NONE, _NONE)
    seen = _look(parsed, busy_timeout_s)
    if not seen.is_there:
        refuse_vanished(parsed, lambda: _look(parsed, busy_timeout_s).is_there)
        seen = _look(parsed, busy_timeout_s)
    return seen


def _look(parsed: URL, busy_timeout_s: float) -> Inspection:
    """For SQLite this waits until nobody else writes."""
    name, file, script = describe(parsed), sqlite_file(parsed), _schemas()
    newest = script.get_current_head() or ""
    engine = create_blocking_engine(parsed, busy_timeout_s)
    try:
        with explained_refusals_of(parsed), engine.begin() as connection:
            if file is not None:
                refuse_damaged(connection.connection.driver_connection, name)
            revision = _revision(connection)
            is_known = revision is None or revision in {known.revision for known in script.walk_revisions()}
            reads_jobs = revision is not None and is_known
            return Inspection(
                name=name,
                is_there=revision is not None,
                revision=revision,
                newest=newest,
                is_known=is_known,
                under_way=_waiting(connection, set(JobState) - FINAL_STATES - _REVIEW) if reads_jobs else _NONE,
                in_review=_waiting(connection, _REVIEW) if reads_jobs else _NONE,
                leases=_leases(connection) if file is None and revision == newest else (),
            )
    finally:
        engine.dispose()


def _schemas() -> ScriptDirectory:
    return ScriptDirectory.from_config(migration_config())


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(select(column("version_num")).select_from(table("alembic_version")))
    return revision


def _leases(connection: Connection) -> tuple[tuple[int, int, str], ...]:
    holds = shard_leases.c.expires_at > func.clock_timestamp()
    query = select(shard_leases.c.shard, shard_leases.c.count, shard_leases.c.owner).where(holds)
    rows = connection.execute(query.order_by(shard_leases.c.shard))
    return tuple((shard, count, owner) for shard, count, owner in rows)


def _waiting(connection: Connection, states: Collection[JobState]) -> Waiting:
    query = select(func.count(), func.min(jobs.c.updated_at)).where(jobs.c.state.in_(states))
    count, oldest_at = connection.execute(query).one()
    return Waiting(count, oldest_at)
