import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, make_url
from sqlalchemy.exc import OperationalError

from bot.errors import StoreError
from bot.store import NewJob, Store
from bot.store.database import create_engine, describe, parse_url, refusals_of

JOB = NewJob(prompt="a red circle", num_images=1, seed=1, user_id=1, channel_id=2, interaction_id=3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bot.sqlite3"


def url_of(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


async def open_and_close(url: str, busy_timeout_s: float = 5) -> None:
    async with Store.open(url, busy_timeout_s=busy_timeout_s):
        pass


@contextmanager
def locked(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


async def test_sqlite_is_set_up_for_durable_jobs(file: Path) -> None:
    await open_and_close(url_of(file))
    engine = create_engine(make_url(url_of(file)), 1.5)

    def pragma(connection: Connection, name: str) -> object:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

    try:
        async with engine.connect() as connection:
            names = ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
            values = [await connection.run_sync(pragma, name) for name in names]
    finally:
        await engine.dispose()
    assert values == ["wal", 1, 1500, 2]


async def test_a_locked_file_is_named_at_start(file: Path) -> None:
    await open_and_close(url_of(file))
    with locked(file), pytest.raises(StoreError, match="is locked by another program") as caught:
        await open_and_close(url_of(file), busy_timeout_s=0.01)
    assert str(file) in str(caught.value)


async def test_a_locked_file_is_named_at_work_and_works_again(file: Path) -> None:
    async with Store.open(url_of(file), busy_timeout_s=0.01) as store:
        with locked(file):
            with pytest.raises(StoreError, match="is locked by another program"):
                await store.jobs.create(JOB)
            assert await store.jobs.unfinished() == []
        assert (await store.jobs.create(JOB)).id == JOB.id


async def test_a_short_lock_is_waited_for(file: Path) -> None:
    async with Store.open(url_of(file), busy_timeout_s=10) as store:
        with locked(file):
            creation = asyncio.create_task(store.jobs.create(JOB))
            done, _ = await asyncio.wait([creation], timeout=0.05)
            assert not done
        assert (await creation).id == JOB.id


@pytest.mark.parametrize("content", [b"not a database, " * 300, b"SQLite format 3\0" + b"\xff" * 4080])
def test_a_corrupt_file_is_named(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        asyncio.run(open_and_close(url_of(file)))
    assert str(caught.value).startswith(f"The database {file} is ")
    assert file.read_bytes() == content


def test_a_folder_in_place_of_the_file(file: Path) -> None:
    file.mkdir()
    with pytest.raises(StoreError, match="can't be opened: check that its folder exists"):
        asyncio.run(open_and_close(url_of(file)))


def test_a_file_in_place_of_the_folder(file: Path) -> None:
    file.write_text("")
    with pytest.raises(StoreError, match=f"The folder {file} can't be made"):
        asyncio.run(open_and_close(url_of(file / "bot.sqlite3")))


async def test_folders_with_odd_names(tmp_path: Path) -> None:
    file = tmp_path / "50% größer #1" / "bot.sqlite3"
    async with Store.open(url_of(file)) as store:
        await store.jobs.create(JOB)
    assert file.exists()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("hunter2", "store.url is not a database URL"),
        ("sqlite+aiosqlite:///:memory:", "store.url names no file"),
        ("sqlite+aiosqlite://", "store.url names no file"),
        ("sqlite:////tmp/hunter2/x.sqlite3", "store.url names sqlite; it must begin with sqlite.aiosqlite or postgr"),
    ],
)
def test_unusable_urls(url: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence) as caught:
        create_engine(parse_url(url), 1)
    assert "hunter2" not in str(caught.value)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError) as caught:
        create_engine(parse_url("postgresql+psycopg://bot:hunter2@host/x"), 1)
    assert str(caught.value) == "store.url needs the driver psycopg, which is not installed."


def test_refusals_show_neither_password_nor_statement() -> None:
    name = describe(make_url("postgresql+psycopg://bot:hunter2@db.example/jobs"))
    with pytest.raises(StoreError) as caught, refusals_of(name):
        raise OperationalError("SELECT secret", {"a": "b"}, RuntimeError("server closed\nDETAIL"))
    assert str(caught.value) == "The database jobs on db.example refused the operation: server closed."


def test_network_errors_are_store_errors() -> None:
    with pytest.raises(StoreError, match="The database x can't be used"), refusals_of("The database x"):
        raise ConnectionRefusedError


async def test_a_caller_may_stop_waiting(file: Path) -> None:
    async with Store.open(url_of(file), busy_timeout_s=0.2) as store:
        with locked(file), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await store.jobs.create(JOB)
        assert await store.jobs.unfinished() == []
        assert (await store.jobs.create(JOB)).id == JOB.id


async def test_how_many_rows_an_insert_made_is_known_on_every_database(tmp_path: Path) -> None:
    """On PostgreSQL, which the tests don't have, it would be -1 without this."""
    engine = create_engine(parse_url(url_of(tmp_path / "store.sqlite3")), 1)
    assert engine.sync_engine.get_execution_options()["preserve_rowcount"] is True
    await engine.dispose()
