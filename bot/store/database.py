"""The connection pool and its transactions. Only the parts of the store use it, on the event loop.

SQLite is the default. PostgreSQL takes psycopg, whose one URL serves both asyncio and the blocking migrations. Either
has one writer at a time, over all processes: what a transaction reads, nobody changes before it ends.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, event, make_url, select
from sqlalchemy import create_engine as create_sync_engine
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from bot.errors import StoreFaultError
from bot.private_files import make_private_file, make_private_folder
from bot.shards import ALL_SHARDS, Shards
from bot.store.refusals import LOCKED, NOT_UTF8, POOL_TIMEOUT_S, blame_lock, refusal_of, refusals_of
from bot.store.turns import WriteTurns

# Discord allows 3 seconds for an answer, the job is stored first, and a wait inside SQLite can't be cut short.
BUSY_TIMEOUT_S: Final = 1.5
CONNECT_TIMEOUT_S: Final = 5
MAX_CONNECTIONS: Final = 15  # as SQLAlchemy has it, too
_DRIVERS: Final = ("sqlite+aiosqlite", "postgresql+psycopg")
_WRITES: Final = "writes"
# PostgreSQL's advisory locks belong to one database, so any number will do.
WRITERS_LOCK: Final = 0x64616C6C65
_TAKE_WRITERS_LOCK: Final = "SELECT set_config('lock_timeout', %s, true), pg_advisory_xact_lock(%s)"


class Database:
    """An engine with a bounded pool. `transaction` and `reading` are the only ways in.

    name: from `describe`, for messages. file: of SQLite. shards: of this process; see in_shards.py. Make it once the
    database is there.
    """

    def __init__(self, name: str, engine: AsyncEngine, file: Path | None, shards: Shards = ALL_SHARDS) -> None:
        self.shards = shards
        self._name = name
        self._engine = engine
        self._writing = engine.execution_options(**{_WRITES: True})
        self._turns = WriteTurns()
        self._at_lock: object | None = None  # the transaction whose BEGIN waits for a lock, or was the last to
        self._file = file
        self._identity = None if file is None else _identity(file)

    @asynccontextmanager
    async def transaction(self, *, is_urgent: bool = False) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end, rolled back if anything raises. Raises StoreError.

        is_urgent: somebody waits for an answer; it comes before others that only keep records. Whoever gives up
        while another program's lock keeps it waiting has that noted at the CancelledError.
        """
        this, has_turn = object(), False
        try:
            async with self._turns.turn(is_urgent=is_urgent):
                has_turn = True
                if self._file is not None:
                    await asyncio.to_thread(self._check_file)
                with refusals_of(self._name):
                    try:
                        async with self._writing.connect() as connection:
                            self._at_lock = this
                            async with connection.begin():
                                self._at_lock = None
                                yield connection
                    except Exception as error:
                        if not (isinstance(error, DBAPIError) and refusal_of(error) is LOCKED):
                            self._at_lock = None
                        raise
        except asyncio.CancelledError as error:
            # Those that wait for their turn wait for the same lock.
            if self._at_lock is this or (self._at_lock is not None and not has_turn):
                blame_lock(error, self._name)
            raise

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """The same for what only reads, which needs no turn."""
        with refusals_of(self._name):
            async with self._engine.begin() as connection:
                yield connection

    async def connect(self) -> None:
        """Opens a first connection, for which whoever comes first would have to wait; no transaction to whoever counts
        those. Raises StoreError."""
        async with Database.reading(self) as connection:
            await connection.execute(select(1))

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._engine.dispose()

    def _check_file(self) -> None:
        """SQLite goes on writing to a file that was deleted, and nobody would ever see it again."""
        assert self._file is not None
        try:
            is_ours = _identity(self._file) == self._identity
        except OSError:
            is_ours = False
        if not is_ours:
            raise StoreFaultError(
                f"{self._name} was moved, deleted or replaced while the bot runs.",
                "Stop the bot, put the file back or run `dalle-bot restore FILE`, and start again.",
            )


def _identity(file: Path) -> tuple[int, int]:
    found = os.stat(file)
    return found.st_dev, found.st_ino


def parse_url(url: str) -> URL:
    """Raises StoreFaultError if `url` isn't one of a database that can be kept. The URL itself is never shown."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise _wrong_url("store.url is not the URL of a database.") from None
    if parsed.drivername not in _DRIVERS:
        raise _wrong_url(f"store.url names {parsed.drivername}, which is no driver of the bot's.")
    if parsed.get_backend_name() == "sqlite" and sqlite_file(parsed) is None:
        raise _wrong_url("store.url names no file: an SQLite database in memory would lose its jobs at a restart.")
    return parsed


def _wrong_url(found: str) -> StoreFaultError:
    return StoreFaultError(
        found,
        "Write it like sqlite+aiosqlite:////srv/bot.sqlite3 or postgresql+psycopg://user@host/name.",
        is_lasting=True,
    )


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite URL; None for other databases, and for SQLite in memory."""
    if url.get_backend_name() != "sqlite" or not url.database or ":memory:" in url.database:
        return None
    return Path(url.database)


def make_folder(file: Path) -> None:
    """The one that an SQLite file is in. Raises StoreFaultError."""
    try:
        make_private_folder(file.parent)
    except OSError as error:
        raise StoreFaultError(
            f"The folder {file.parent} can't be made.", "Make it, and give this user the right to write there."
        ) from error


def close_log(file: Path) -> None:
    """Puts what is in the log beside an SQLite file into it, so that all of it is one file; nobody else uses it. The
    end of the last connection does so too, but tells nobody if it can't. Raises sqlite3.Error."""
    with closing(sqlite3.connect(file, timeout=0.0)) as connection:
        is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise sqlite3.OperationalError("database is locked")


def describe(url: URL) -> str:
    """What messages call the database: its file, or its name and host. Never a password."""
    file = sqlite_file(url)
    if file is not None:
        return f"The database {file}"
    return f"The database {url.database} on {url.host or url.query.get('host') or 'this machine'}"


def create_engine(url: URL, busy_timeout_s: float) -> AsyncEngine:
    """An engine that connects on first use and makes no database. busy_timeout_s: how long it waits for other writers.

    Blocks for a moment, since it imports the driver. Raises StoreFaultError if that isn't installed.
    """
    file = sqlite_file(url)
    # A connection that is opened later must not make a new file in place of one that was moved away.
    opened = url if file is None else _existing(url, file)
    with _driver_of(url):
        engine = create_async_engine(opened, **_pool(url), **_options(url, busy_timeout_s))
    _prepare(engine.sync_engine, busy_timeout_s)
    return engine


def _existing(url: URL, file: Path) -> URL:
    return url.set(database=f"file:{quote(str(file))}").update_query_dict({"mode": "rw", "uri": "true"})


def create_blocking_engine(url: URL, busy_timeout_s: float, *, is_writing: bool = True) -> Engine:
    """The same database without asyncio, for migrations; it makes an SQLite file, for its owner alone.

    is_writing: every transaction keeps other writers out, from its beginning.
    """
    file = sqlite_file(url)
    with _driver_of(url):
        sync_url = url if file is None else url.set(drivername="sqlite+pysqlite")
        engine = create_sync_engine(sync_url, poolclass=NullPool, **_options(url, busy_timeout_s))
    _prepare(engine, busy_timeout_s)
    if file is not None:
        event.listen(engine, "do_connect", lambda *_: _make_file(file))
    return engine.execution_options(**{_WRITES: is_writing})


def _make_file(file: Path) -> None:
    """SQLite would go by the umask. Its log and index get the rights of the file."""
    with suppress(OSError):  # SQLite meets the same, and says it in its own words
        make_private_file(file)


@contextmanager
def _driver_of(url: URL) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise StoreFaultError(
            f"store.url needs the driver {url.get_driver_name()}, which is not installed.",
            "Run `pip install -e '.[postgres]'`.",
            is_lasting=True,
        ) from error


def _pool(url: URL) -> dict[str, Any]:
    """Connections to a file are kept: each one that is opened takes a new thread, just when there is most to do. Those
    to a server, which has a limit of its own, are given back down to SQLAlchemy's five."""
    kept = {"pool_size": MAX_CONNECTIONS, "max_overflow": 0}
    return {"pool_timeout": POOL_TIMEOUT_S} | (kept if sqlite_file(url) else {})


def _options(url: URL, busy_timeout_s: float) -> dict[str, Any]:
    # Without preserve_rowcount SQLAlchemy forgets how many rows an INSERT on PostgreSQL made.
    options: dict[str, Any] = {"hide_parameters": True, "execution_options": {"preserve_rowcount": True}}
    if sqlite_file(url):
        # Without isolation_level=None, Python's sqlite3 decides by itself when a transaction begins, and not for DDL.
        return options | {"connect_args": {"timeout": busy_timeout_s, "isolation_level": None}}
    # A server that was restarted has closed what lies in the pool.
    return options | {"connect_args": {"connect_timeout": CONNECT_TIMEOUT_S}, "pool_pre_ping": True}


def _prepare(engine: Engine, busy_timeout_s: float) -> None:
    """Makes every connection durable and every transaction that writes the only one.

    SQLite's `synchronous` stays FULL, its default: a job that was acknowledged must outlive a power cut.
    """
    is_sqlite = engine.dialect.name == "sqlite"
    timeout = str(round(busy_timeout_s * 1000))

    def prepare_sqlite(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        # Readers and the writer don't wait for each other.
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    def release_sqlite(connection: Any, _record: object, _error: object) -> None:
        # A cancelled call leaves a cursor behind, and a connection that is closed with one keeps its lock.
        connection.rollback()

    def check_postgresql(connection: Any, record: ConnectionPoolEntry) -> None:
        psycopg: Any = record.driver_connection
        if psycopg.info.parameter_status("server_encoding") != "UTF8":
            connection.close()
            raise NOT_UTF8.error(describe(engine.url))

    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        if is_sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
        elif writes:
            connection.exec_driver_sql(_TAKE_WRITERS_LOCK, (timeout, WRITERS_LOCK))

    if is_sqlite:
        event.listen(engine, "connect", prepare_sqlite)
        event.listen(engine, "invalidate", release_sqlite)
    else:
        # Before SQLAlchemy's own first questions, whose answers such a server would give as bytes.
        event.listen(engine, "connect", check_postgresql, insert=True)
    event.listen(engine, "begin", begin)
