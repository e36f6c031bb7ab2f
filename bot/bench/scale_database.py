"""How fast the database is, for `bench scale`: several processes share a PostgreSQL, so that is measured where there is
one. Called by scale.py, on the event loop of the bench.
"""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from bot.bench.own_postgres import own_postgres, postgres_url, programs
from bot.bench.scale_rates import jobs_per_s_of_store
from bot.bench.scale_report import DatabaseKind
from bot.config import Settings
from bot.errors import ConfigError
from bot.store.database import BUSY_TIMEOUT_S, create_blocking_engine, parse_url, sqlite_file
from bot.store.explaining import explained_refusals_of


@dataclass(frozen=True, slots=True)
class MeasuredDatabase:
    """name: which one it was, for people. jobs_per_s: through all states."""

    name: str
    jobs_per_s: float


async def measure_database(
    settings: Settings, kind: DatabaseKind | None, file: Path, num_jobs: int
) -> MeasuredDatabase:
    """kind: a PostgreSQL server that is made for this, SQLite in `file`, or what `store.url` of the settings names, in
    a schema of its own; None for PostgreSQL if its programs are installed, else SQLite.

    Raises ConfigError if that can't be had, JobFailedError and StoreError.
    """
    opened: AbstractContextManager[str]
    match kind or ("sqlite" if programs() is None else "postgresql"):
        case "sqlite":
            name, opened = "SQLite", nullcontext(f"sqlite+aiosqlite:///{file}")
        case "postgresql":
            if programs() is None:
                raise ConfigError("--database: PostgreSQL's server is not installed here; choose sqlite or store.url.")
            name, opened = "PostgreSQL on this machine", _own_server()
        case "store.url":
            url = parse_url(settings.store_url)
            if sqlite_file(url) is not None:
                raise ConfigError("--database: store.url names no PostgreSQL database; choose sqlite or postgresql.")
            name, opened = "PostgreSQL at store.url", _own_schema(url)
    with ExitStack() as stack:
        return MeasuredDatabase(
            name, await jobs_per_s_of_store(await asyncio.to_thread(stack.enter_context, opened), num_jobs)
        )


@contextmanager
def _own_server() -> Iterator[str]:
    with own_postgres() as folder:
        yield postgres_url(folder, "postgres")


@contextmanager
def _own_schema(url: URL) -> Iterator[str]:
    """What is in the database stays as it is, and the schema is gone afterwards."""
    name = f"dalle_bot_bench_{secrets.token_hex(4)}"
    with explained_refusals_of(url):
        _do(url, f"CREATE SCHEMA {name}")
    try:
        inside = url.update_query_dict({"options": f"-csearch_path={name}"})
        yield inside.render_as_string(hide_password=False)
    finally:
        with explained_refusals_of(url):
            _do(url, f"DROP SCHEMA {name} CASCADE")


def _do(url: URL, statement: str) -> None:
    with create_blocking_engine(url, BUSY_TIMEOUT_S).begin() as connection:
        connection.exec_driver_sql(statement)
