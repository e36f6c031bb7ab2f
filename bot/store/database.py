"""The connection pool and its transactions. Only the parts of the store use it, on the event loop.

SQLite is the default. PostgreSQL takes psycopg, whose one URL serves both asyncio and the blocking migrations.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, NullPool, event, make_url
from sqlalchemy import create_engine as create_sync_engine
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.errors import StoreError
from bot.store.turns import WriteTurns

# Discord allows 3 seconds for an answer, the job is stored first, and a wait inside SQLite can't be cut short.
BUSY_TIMEOUT_S: Final = 1.5
POOL_TIMEOUT_S: Final = 10.0
_DRIVERS: Final = ("sqlite+aiosqlite", "postgresql+psycopg")

# A phrase of SQLite's → what it means and what to do.
_SQLITE_REFUSALS: Final = (
    ("database is locked", "is locked by another program: stop that one, or try again."),
    ("file is not a database", "is not an SQLite database: move the file away, or restore a backup."),
    ("malformed", "is damaged: restore a backup, or move the file away to start anew."),
    ("unable to open", "can't be opened: check that its folder exists and that this user may write there."),
    ("readonly", "can't be written: give this user the right to write the file and its folder."),
    ("disk is full", "can't grow: the disk is full."),
    ("UNIQUE constraint failed: jobs.interaction_id", "already holds a job of this interaction."),
    ("UNIQUE constraint failed: jobs.id", "already holds a job with this id."),
    ("FOREIGN KEY constraint failed", "does not hold the job that this belongs to."),
)


class Database:
    """An engine with a bounded pool. `transaction` and `reading` are the only ways in.

    name: from `describe`, for messages. turns: of those who write, where the database takes one of them at a time.
    """

    def __init__(self, name: str, engine: AsyncEngine, turns: WriteTurns | None) -> None:
        self._name = name
        self._engine = engine
        self._turns = turns

    @asynccontextmanager
    async def transaction(self, *, is_urgent: bool = False) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end, rolled back if anything raises. Raises StoreError.

        is_urgent: somebody waits for an answer; it comes before others that only keep records.
        """
        turn = nullcontext() if self._turns is None else self._turns.turn(is_urgent=is_urgent)
        async with turn, self.reading() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """The same for what only reads, which needs no turn."""
        with refusals_of(self._name):
            async with self._engine.begin() as connection:
                yield connection

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._engine.dispose()


def parse_url(url: str) -> URL:
    """Raises StoreError if `url` isn't one of a database that can be kept. The URL itself is never shown."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StoreError("store.url is not a database URL such as sqlite+aiosqlite:////srv/bot.sqlite3.") from None
    if parsed.drivername not in _DRIVERS:
        raise StoreError(f"store.url names {parsed.drivername}; it must begin with {' or '.join(_DRIVERS)}.")
    if parsed.get_backend_name() == "sqlite" and sqlite_file(parsed) is None:
        raise StoreError("store.url names no file: an SQLite database in memory would lose its jobs at a restart.")
    return parsed


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite URL; None for other databases, and for SQLite in memory."""
    if url.get_backend_name() != "sqlite" or not url.database or ":memory:" in url.database:
        return None
    return Path(url.database)


def describe(url: URL) -> str:
    """What messages call the database: its file, or its name and host. Never a password."""
    file = sqlite_file(url)
    return f"The database {file}" if file else f"The database {url.database} on {url.host}"


def create_engine(url: URL, busy_timeout_s: float) -> AsyncEngine:
    """An engine that connects on first use. busy_timeout_s: how long SQLite waits for another writer.

    Blocks for a moment, since it imports the driver. Raises StoreError if that isn't installed.
    """
    with _driver_of(url):
        engine = create_async_engine(url, pool_timeout=POOL_TIMEOUT_S, **_options(url, busy_timeout_s))
    if sqlite_file(url):
        _prepare_sqlite(engine.sync_engine, "BEGIN")
    return engine


def create_blocking_engine(url: URL, busy_timeout_s: float) -> Engine:
    """The same database without asyncio, for migrations; its SQLite transactions keep other writers out at once."""
    with _driver_of(url):
        sync_url = url.set(drivername="sqlite+pysqlite") if sqlite_file(url) else url
        engine = create_sync_engine(sync_url, poolclass=NullPool, **_options(url, busy_timeout_s))
    if sqlite_file(url):
        _prepare_sqlite(engine, "BEGIN IMMEDIATE")
    return engine


@contextmanager
def _driver_of(url: URL) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise StoreError(f"store.url needs the driver {url.get_driver_name()}, which is not installed.") from error


def _options(url: URL, busy_timeout_s: float) -> dict[str, Any]:
    # Without isolation_level=None, Python's sqlite3 decides by itself when a transaction begins, and not for DDL.
    connect_args = {"timeout": busy_timeout_s, "isolation_level": None} if sqlite_file(url) else {}
    # Without preserve_rowcount SQLAlchemy forgets how many rows an INSERT on PostgreSQL made.
    options = {"preserve_rowcount": True}
    return {"hide_parameters": True, "connect_args": connect_args, "execution_options": options}


def _prepare_sqlite(engine: Engine, begin: str) -> None:
    """`synchronous` stays FULL, SQLite's default: a job that was acknowledged must outlive a power cut."""

    def prepare(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        # Readers and the writer don't wait for each other.
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin_transaction)


@contextmanager
def refusals_of(name: str) -> Iterator[None]:
    """Turns what the database raises into StoreError. name: from `describe`."""
    try:
        yield
    except PoolTimeoutError as error:
        raise StoreError(f"{name} is too busy: no connection was free in {POOL_TIMEOUT_S:g} s. Try again.") from error
    except DBAPIError as error:
        raise StoreError(f"{name} {_reason(str(error.orig))}") from error
    except (SQLAlchemyError, OSError) as error:
        raise StoreError(f"{name} can't be used ({type(error).__name__}): the log has the details.") from error


def _reason(refusal: str) -> str:
    known = (sentence for phrase, sentence in _SQLITE_REFUSALS if phrase in refusal)
    return next(known, f"refused the operation: {refusal.splitlines()[0] if refusal else 'no reason given'}.")
