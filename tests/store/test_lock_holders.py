"""Who keeps others from writing: real locks of another process and of another session."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from bot.errors import StoreFaultError
from bot.store.database import create_blocking_engine
from bot.store.explaining import explained_refusals_of
from bot.store.lock_holders import LOCKS_FILE, holders_of_database, holders_of_files
from bot.store.migrate import migrate
from tests.store.postgres import PostgresServer
from tests.store.samples import run_sql

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(not LOCKS_FILE.exists(), reason="this system doesn't list locks")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "bot.sqlite3"
    migrate(make_url(f"sqlite+aiosqlite:///{file}"), 5)
    return file


@pytest.fixture
def holder(file: Path) -> Iterator[int]:
    """The process of somebody who writes to it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.kill()


def test_the_process_that_holds_a_file_is_named(file: Path, holder: int) -> None:
    url = make_url(f"sqlite+aiosqlite:///{file}")
    name = Path(f"/proc/{holder}/comm").read_text().strip()
    with pytest.raises(StoreFaultError) as caught:
        migrate(url, 0.01)
    assert caught.value.found == f"The database {file} is locked by process {holder} ({name})."
    assert caught.value.cure == "Wait until that has ended, or stop it."
    assert not caught.value.is_lasting, "a new start may find it free"


def test_who_only_waits_or_reads_or_is_elsewhere_holds_nothing(file: Path, tmp_path: Path) -> None:
    found, other = os.stat(file), os.stat(tmp_path)
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:"
    locks = tmp_path / "locks"
    lines = [
        f"1: POSIX  ADVISORY  READ 11 {place}{found.st_ino} 128 128",
        f"2: -> POSIX  ADVISORY  WRITE 12 {place}{found.st_ino} 120 120",
        f"3: POSIX  ADVISORY  WRITE 13 {place}{other.st_ino} 120 120",
        f"4: POSIX  ADVISORY  WRITE {os.getpid()} {place}{found.st_ino} 120 120",
        f"5: POSIX  ADVISORY  WRITE 0 {place}{found.st_ino} 120 120",
        "6: of another kind",
    ]
    locks.write_text("\n".join(lines))
    assert holders_of_files(file, locks=locks) is None
    locks.write_text("\n".join([*lines, f"7: FLOCK  ADVISORY  WRITE 99999999 {place}{found.st_ino} 0 EOF"]))
    assert holders_of_files(file, locks=locks) == "process 99999999"
    assert holders_of_files(file, locks=tmp_path / "missing") is None
    assert holders_of_files(tmp_path / "missing", locks=locks) is None


def test_the_session_that_holds_a_database_is_named(postgres: PostgresServer) -> None:
    url = make_url(postgres.empty_database())
    with create_blocking_engine(url, 5).begin() as other:
        pid = other.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with pytest.raises(StoreFaultError) as caught, explained_refusals_of(url):
            create_blocking_engine(url, 0.01).begin().__enter__()
    assert caught.value.found.endswith(f"is locked by session {pid} of its server (user bot on its own machine).")


def test_where_somebody_else_is_can_not_be_seen_and_is_not_said(postgres: PostgresServer) -> None:
    url = make_url(postgres.empty_database())
    run_sql(postgres.url("postgres"), "CREATE ROLE other_program LOGIN")
    with create_blocking_engine(url.set(username="other_program"), 5).begin() as other:
        pid = other.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        assert holders_of_database(url) == f"session {pid} of its server (user other_program)"


def test_a_table_that_is_locked_has_a_holder_too(postgres: PostgresServer) -> None:
    url = make_url(postgres.empty_database())
    with create_blocking_engine(url, 5, is_writing=False).begin() as other:
        pid = other.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        other.exec_driver_sql("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        with (
            pytest.raises(StoreFaultError, match=f"is locked by session {pid} "),
            explained_refusals_of(url),
            create_blocking_engine(url, 0.01).begin() as connection,
        ):
            connection.exec_driver_sql("SELECT count(*) FROM jobs")
