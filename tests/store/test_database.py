import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, make_url
from sqlalchemy.exc import OperationalError

from bot.errors import StoreError
from bot.sanction_ladder import SanctionKind
from bot.store import AuditAction, AuditRecord, NewJob, NewSanction, SanctionRecord, Store
from bot.store.database import MAX_CONNECTIONS, create_blocking_engine, create_engine, describe, parse_url
from bot.store.refusals import UNKNOWN, is_known, refusals_of
from tests.store.full_disk import full_disk
from tests.store.postgres import PostgresServer
from tests.store.samples import locked, new_job

JOB = NewJob(prompt="a red circle", num_images=1, seed=1, user_id=1, channel_id=2, interaction_id=3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bot.sqlite3"


def url_of(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


async def open_and_close(url: str, busy_timeout_s: float = 5) -> None:
    async with Store.open(url, busy_timeout_s=busy_timeout_s):
        pass


async def test_connections_to_a_file_are_kept(file: Path) -> None:
    opened: list[object] = []
    async with Store.open(url_of(file)) as store:
        database = store.jobs._database
        event.listen(database._engine.sync_engine, "connect", lambda *connection: opened.append(connection))
        for _ in range(3):
            async with AsyncExitStack() as all_at_once:
                for _ in range(MAX_CONNECTIONS):
                    await all_at_once.enter_async_context(database.reading())
    assert MAX_CONNECTIONS / 2 < len(opened) <= MAX_CONNECTIONS


@pytest.mark.fault
async def test_a_call_that_is_cancelled_at_any_moment_holds_nothing_up(file: Path) -> None:
    async with Store.open(url_of(file), busy_timeout_s=0.5) as store:
        for turn in range(100):
            writing = asyncio.create_task(store.jobs.create(new_job(2 * turn)))
            for _ in range(turn % 20):
                await asyncio.sleep(0.0005)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await store.jobs.create(new_job(2 * turn + 1))


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


@pytest.mark.fault
async def test_a_locked_file_is_named_at_start(file: Path) -> None:
    await open_and_close(url_of(file))
    with locked(file), pytest.raises(StoreError, match="is locked by another program") as caught:
        await open_and_close(url_of(file), busy_timeout_s=0.01)
    assert str(file) in str(caught.value)


@pytest.mark.fault
async def test_a_locked_file_is_named_at_work_and_works_again(file: Path) -> None:
    async with Store.open(url_of(file), busy_timeout_s=0.01) as store:
        with locked(file):
            with pytest.raises(StoreError, match="is locked by another program"):
                await store.jobs.create(JOB)
            assert await store.jobs.unfinished() == []
        assert (await store.jobs.create(JOB)).id == JOB.id


@pytest.mark.fault
async def test_a_short_lock_is_waited_for(file: Path) -> None:
    async with Store.open(url_of(file), busy_timeout_s=10) as store:
        with locked(file):
            creation = asyncio.create_task(store.jobs.create(JOB))
            done, _ = await asyncio.wait([creation], timeout=0.05)
            assert not done
        assert (await creation).id == JOB.id


@pytest.mark.fault
@pytest.mark.parametrize("content", [b"not a database, " * 300, b"SQLite format 3\0" + b"\xff" * 4080])
def test_a_corrupt_file_is_named(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        asyncio.run(open_and_close(url_of(file)))
    assert str(caught.value) == (
        f"The database {file} is damaged. Run `dalle-bot restore FILE` with the newest backup. Without one, move what "
        "is there away to start anew, and with it the folder pictures in data_dir."
    )
    assert file.read_bytes() == content


@pytest.mark.fault
def test_a_folder_in_place_of_the_file(file: Path) -> None:
    file.mkdir()
    with pytest.raises(StoreError, match="can't be opened: a folder has its name"):
        asyncio.run(open_and_close(url_of(file)))


@pytest.mark.fault
def test_a_file_in_place_of_the_folder(file: Path) -> None:
    file.write_text("")
    with pytest.raises(StoreError, match=f"can't be made: {file} is a file, not a folder"):
        asyncio.run(open_and_close(url_of(file / "bot.sqlite3")))


async def test_folders_with_odd_names(tmp_path: Path) -> None:
    file = tmp_path / "50% größer #1" / "bot.sqlite3"
    async with Store.open(url_of(file)) as store:
        await store.jobs.create(JOB)
    assert file.exists()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("hunter2", "store.url is not the URL of a database"),
        ("sqlite+aiosqlite:///:memory:", "store.url names no file"),
        ("sqlite+aiosqlite://", "store.url names no file"),
        ("sqlite:////tmp/hunter2/x.sqlite3", "store.url names sqlite, which is no driver of the bot's. Write it"),
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
    assert str(caught.value).startswith("store.url needs the driver psycopg, which is not installed. Run `pip install")


def test_refusals_show_neither_password_nor_statement(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "bot.store")
    name = describe(make_url("postgresql+psycopg://bot:hunter2@db.example/jobs"))
    with pytest.raises(StoreError) as caught, refusals_of(name):
        raise OperationalError("SELECT secret", {"a": "b"}, RuntimeError("server closed\nDETAIL: hunter3"))
    assert str(caught.value) == f"The database jobs on db.example {UNKNOWN.found} {UNKNOWN.cure}"
    assert "The database jobs on db.example says: server closed" in caplog.text
    assert "hunter" not in caplog.text


@pytest.mark.fault
def test_network_errors_are_store_errors() -> None:
    with pytest.raises(StoreError, match="The database x refused"), refusals_of("The database x"):
        raise ConnectionRefusedError


async def test_a_caller_may_stop_waiting(file: Path) -> None:
    async with Store.open(url_of(file), busy_timeout_s=0.2) as store:
        with locked(file), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await store.jobs.create(JOB)
        assert await store.jobs.unfinished() == []
        assert (await store.jobs.create(JOB)).id == JOB.id


async def test_how_many_rows_an_insert_made_is_known_on_every_database(store: Store) -> None:
    """On PostgreSQL it would be -1 without an option of the engine's."""
    await store.guilds.change(1, 2, cooldown_s=5)
    assert (await store.guilds.settings(1)).cooldown_s == 5


async def test_nobody_else_writes_in_the_midst_of_a_transaction(store_url: str) -> None:
    def striking(number: int) -> Callable[[Sequence[SanctionRecord]], None]:
        def note(theirs: Sequence[SanctionRecord]) -> None:
            seen[number] = len(theirs)

        return note

    seen: dict[int, int] = {}
    async with Store.open(store_url) as one, Store.open(store_url) as other:
        new = NewSanction(
            guild_id=1,
            user_id=2,
            kind=SanctionKind.STRIKE,
            reason=None,
            given_by=None,
            given_at=datetime.now(UTC),
            expires_at=None,
        )
        audit = AuditRecord(guild_id=1, action=AuditAction.STRIKE, user_id=2)
        await asyncio.gather(
            *(
                store.sanctions.give(new, lambda _: audit, striking(2 * number + second))
                for number in range(4)
                for second, store in enumerate((one, other))
            )
        )
    assert sorted(seen.values()) == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.fault
async def test_a_file_that_was_moved_away_is_named_and_not_made_anew(file: Path, tmp_path: Path) -> None:
    async with Store.open(url_of(file)) as store:
        await store.jobs.create(JOB)
        elsewhere = tmp_path / "elsewhere.sqlite3"
        os.rename(file, elsewhere)
        with pytest.raises(StoreError, match="was moved, deleted or replaced while the bot runs") as caught:
            await store.values.set("a", "b")
        assert is_known(caught.value)
        await asyncio.gather(*(store.values.get("a") for _ in range(3)), return_exceptions=True)
        assert os.listdir(file.parent).count(file.name) == 0
        os.rename(elsewhere, file)
        await store.values.set("a", "b")
        assert await store.jobs.get(JOB.id) is not None


@pytest.mark.fault
async def test_a_full_disk_is_named_and_what_is_stored_stays(file: Path) -> None:
    async with Store.open(url_of(file)) as store:
        kept = await store.jobs.create(JOB)
        with full_disk(store):
            long = NewJob(prompt="x" * 50_000, num_images=1, seed=1, user_id=1, channel_id=2, interaction_id=4)
            with pytest.raises(StoreError) as caught:
                await store.jobs.create(long)
            assert str(caught.value) == f"The database {file} can't grow: the disk is full. Make room on it."
            assert await store.jobs.unfinished() == [kept]
        assert (await store.jobs.create(long)).id == long.id


@pytest.mark.fault
async def test_a_server_that_is_gone_is_named_and_found_again(postgres: PostgresServer) -> None:
    with postgres.database() as url:
        async with Store.open(url) as store:
            kept = await store.jobs.create(JOB)
            postgres.disconnect_all()
            assert await store.jobs.unfinished() == [kept], "a connection that was cut is replaced"
        gone = url.replace(str(postgres.folder), str(postgres.folder / "nowhere"))
        with pytest.raises(StoreError, match=r"can't be reached\. Start its server"):
            await open_and_close(gone)
        with pytest.raises(StoreError, match="its server has no database of that name"):
            await open_and_close(postgres.url("missing"))


@pytest.mark.fault
async def test_writers_of_postgresql_wait_for_another_one_for_a_while(postgres: PostgresServer) -> None:
    with postgres.database() as url:
        async with Store.open(url, busy_timeout_s=0.05) as store:
            with create_blocking_engine(make_url(url), 5).begin():
                with pytest.raises(StoreError, match="is locked by another program"):
                    await store.jobs.create(JOB)
                assert await store.jobs.unfinished() == []
            assert (await store.jobs.create(JOB)).id == JOB.id
