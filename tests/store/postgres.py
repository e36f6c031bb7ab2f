"""A real PostgreSQL server for the tests, from Debian's binaries: one for each worker.

It listens on a socket in a folder of its own, keeps nothing, and runs as another user where root runs the tests, since
it refuses to be root's. Tests share a database that is emptied for each, as making one takes longer than most of them.
"""

import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from bot.store.database import create_blocking_engine
from bot.store.migrate import migrate
from bot.store.schema import metadata

START_TIMEOUT_S = 60.0
_ROLE = "bot"
_SHARED = "shared"
_SERVER_USERS = ("postgres", "nobody")  # whom root runs it as


@cache
def binaries() -> Path | None:
    """The folder of the newest server that is installed; None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda file: int(file.parts[-3]))
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@dataclass(frozen=True)
class PostgresServer:
    """A server that runs. folder: of its socket."""

    folder: Path
    numbers: Iterator[int]

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{_ROLE}@/{database}?host={self.folder}"

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
    programs = binaries()
    assert programs is not None
    # Not pytest's folder: another user must reach it, and a socket's path has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="dalle-bot-pg-"))
    account = _account()
    who: dict[str, Any] = {}
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
        who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "env": {"PATH": os.defpath}}
    data = folder / "data"
    make: list[str | Path] = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        _ROLE,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
    ]
    try:
        subprocess.run(make, check=True, capture_output=True, cwd=folder, timeout=START_TIMEOUT_S, **who)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "shared_buffers": "16MB",
            "max_connections": "60",
            "autovacuum": "off",
        }
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *flags], cwd=folder, stdout=log, stderr=log, **who
            )
        try:
            ready: list[str | Path] = [programs / "pg_isready", "-h", folder, "-t", "1"]
            for _ in range(int(START_TIMEOUT_S * 20)):
                if subprocess.run(ready, check=False, capture_output=True).returncode == 0:
                    break
                assert server.poll() is None, (folder / "log").read_text()
                try:
                    server.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
            made = PostgresServer(folder, count())
            made.make_shared()
            yield made
        finally:
            server.send_signal(3)  # SIGQUIT: at once
            server.wait(START_TIMEOUT_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _account() -> pwd.struct_passwd | None:
    """Whose the server is to be; None for whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in _SERVER_USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError(f"{getpass.getuser()} may not run PostgreSQL, and there is nobody else who could.")
