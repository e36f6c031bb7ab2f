"""A real PostgreSQL server for the tests, from Debian's programs: one for each worker.

It keeps nothing. Tests share a database that is emptied for each, as making one takes longer than most of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from sqlalchemy import make_url

from bot.bench.own_postgres import own_postgres, postgres_url
from bot.store.database import create_blocking_engine
from bot.store.migrate import migrate
from bot.store.schema import metadata

_SHARED = "shared"


@dataclass(frozen=True)
class PostgresServer:
    """A server that runs. folder: of its socket."""

    folder: Path
    numbers: Iterator[int]

    def url(self, database: str) -> str:
        return postgres_url(self.folder, database)

    def empty_database(self) -> str:
        """The URL of the shared one, migrated and without rows, as if it were new."""
        engine = create_blocking_engine(make_url(self.url(_SHARED)), 5)
        with engine.begin() as connection:
            # Or the audit's guard would refuse.
            connection.exec_driver_sql("SET session_replication_role = replica")
            for table in metadata.sorted_tables:
                connection.exec_driver_sql(f"DELETE FROM {table.name}")
            for (sequence,) in connection.exec_driver_sql("SELECT sequencename FROM pg_sequences").all():
                connection.exec_driver_sql(f"ALTER SEQUENCE {sequence} RESTART")
        return self.url(_SHARED)

    @contextmanager
    def database(self, encoding: str = "UTF8") -> Iterator[str]:
        """The URL of a database of its own, without tables."""
        name = f"test_{next(self.numbers)}"
        self._do(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0")
        try:
            yield self.url(name)
        finally:
            self._do(f"DROP DATABASE {name} WITH (FORCE)")

    def disconnect_all(self) -> None:
        """Cuts every other connection, as a restart of the server would."""
        others = "pid <> pg_backend_pid() AND usename IS NOT NULL"
        self._do(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")

    def make_shared(self) -> None:
        """Makes and migrates what `empty_database` returns."""
        self._do(f"CREATE DATABASE {_SHARED} TEMPLATE template0")
        migrate(make_url(self.url(_SHARED)), 5)

    def _do(self, statement: str) -> None:
        engine = create_blocking_engine(make_url(self.url("postgres")), 5)
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql(statement)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Runs one; everything of it is gone afterwards."""
    with own_postgres(
        {
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "shared_buffers": "16MB",
            "max_connections": "60",
            "autovacuum": "off",
        }
    ) as folder:
        made = PostgresServer(folder, count())
        made.make_shared()
        yield made
