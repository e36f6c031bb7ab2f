"""A backup made while the store is used, and put back, on both databases; and what is refused."""

import asyncio
import hashlib
import json
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from bot.backups import make_backup, restore_backup
from bot.backups.archive import digests_text
from bot.errors import StoreError, StoreFaultError
from bot.store import JobState, Store
from bot.store.in_use import store_in_use, store_kept_alone
from tests.backups.archives import programs, rewrite
from tests.conftest import TIMEOUT_S
from tests.store.conftest import store_url
from tests.store.postgres import PostgresServer
from tests.store.samples import new_job, picture, run_sql, url_of

__all__ = ["programs", "store_url"]

PNG = b"\x89PNG a picture \x00IEND\xaeB`\x82"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    job = folder / "01" / "0123456789ab"
    job.mkdir(parents=True)
    (job / "1.png").write_bytes(PNG)
    (job / "2.png.part").write_bytes(b"half a pic")
    return folder


async def test_a_backup_of_a_store_in_use_comes_back_whole(store_url: str, pictures: Path, tmp_path: Path) -> None:
    async with store_in_use(make_url(store_url)), Store.open(store_url) as store:
        job = await store.jobs.create(new_job(1, id="0123456789ab", image_tokens=(1, 2**31 - 1)))
        await store.images.save(job.id, [picture(1)])
        writing = asyncio.create_task(write_on(store))
        report = await asyncio.to_thread(make_backup, store_url, pictures, tmp_path / "backup.tar")
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await store.jobs.move(job.id, JobState.FAILED)
        assert report.num_pictures == 1
        assert report.num_bytes == os.stat(report.file).st_size
        with pytest.raises(StoreError, match=r"is used by a bot that runs\. Stop that one first"):
            await asyncio.to_thread(restore_backup, store_url, pictures, report.file)
    (pictures / "01" / "0123456789ab" / "1.png").unlink()
    restored = await asyncio.to_thread(restore_backup, store_url, pictures, report.file)
    assert restored.contents.num_pictures == 1
    assert restored.contents.has_digests
    assert restored.aside is not None
    assert (pictures / "01" / "0123456789ab" / "1.png").read_bytes() == PNG
    async with Store.open(store_url) as store:
        again = await store.jobs.get(job.id)
        assert again == job
        (kept,) = await store.images.of(job.id)
        assert kept.rank == 1
        await store.jobs.move(job.id, JobState.CANCELLED)
        await store.audit.newest_id()


async def write_on(store: Store) -> None:
    """What goes on meanwhile."""
    number = 100
    while True:
        await store.jobs.create(new_job(number))
        await asyncio.sleep(0)
        number += 1


def test_a_backup_is_for_its_owner_alone_and_overwrites_nothing(store_of_sqlite: str, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    report = make_backup(store_of_sqlite, tmp_path / "none", folder)
    assert report.file.parent == folder
    assert report.file.name.startswith("dalle-bot-")
    assert stat.S_IMODE(report.file.stat().st_mode) == 0o600
    assert list(folder.iterdir()) == [report.file]
    with pytest.raises(StoreError, match="is there already: name another file, or a folder"):
        make_backup(store_of_sqlite, tmp_path / "none", report.file)


@pytest.fixture
def store_of_sqlite(tmp_path: Path) -> str:
    async def make() -> None:
        async with Store.open(url_of(tmp_path)) as store:
            await store.jobs.create(new_job())

    asyncio.run(make())
    return url_of(tmp_path)


@pytest.fixture
def whole(store_of_sqlite: str, pictures: Path, tmp_path: Path) -> Path:
    """A backup that may be damaged."""
    return make_backup(store_of_sqlite, pictures, tmp_path / "backup.tar").file


def other_database(entries: dict[str, bytes]) -> None:
    entries["database"] = entries["database"][:-1] + b"x"


def other_format(entries: dict[str, bytes]) -> None:
    entries["backup.json"] = json.dumps(json.loads(entries["backup.json"]) | {"format": 3}).encode()


def other_kind(entries: dict[str, bytes]) -> None:
    entries["backup.json"] = entries["backup.json"].replace(b"sqlite", b"postgresql")
    del entries["digests"]
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in entries.items()}
    entries["digests"] = digests_text(digests)


def way_out(entries: dict[str, bytes]) -> None:
    entries["pictures/../../../etc/passwd"] = b"root"


def no_description(entries: dict[str, bytes]) -> None:
    del entries["backup.json"]


@pytest.mark.fault
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (other_database, "is damaged: database is not what was backed up"),
        (other_format, "is a backup of another version of dalle-bot"),
        (other_kind, "is a backup of postgresql, and store.url names sqlite"),
        (way_out, "is no backup of dalle-bot: it holds 'pictures/"),
        (no_description, "is no backup of dalle-bot: it has no description"),
    ],
)
def test_what_is_no_backup_changes_nothing(
    change: Callable[[dict[str, bytes]], None], sentence: str, whole: Path, store_of_sqlite: str, tmp_path: Path
) -> None:
    rewrite(whole, change)
    database = Path(store_of_sqlite.removeprefix("sqlite+aiosqlite:///"))
    before = database.read_bytes()
    with pytest.raises(StoreError, match=sentence):
        restore_backup(store_of_sqlite, tmp_path / "pictures", whole)
    assert database.read_bytes() == before
    assert not list(database.parent.glob("*before-restore*"))


@pytest.mark.fault
def test_what_is_no_database_of_the_bots_is_not_backed_up(tmp_path: Path, postgres: PostgresServer) -> None:
    other = tmp_path / "other"
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("CREATE TABLE things (name TEXT)")
    with postgres.database() as empty_url:
        for url in (f"sqlite+aiosqlite:///{other}", empty_url):
            with pytest.raises(StoreFaultError, match="has no tables of the bot's") as caught:
                make_backup(url, tmp_path / "none", tmp_path / "backup.tar")
            assert "which database store.url and data_dir name" in caught.value.cure
    other.write_bytes(b"")
    with pytest.raises(StoreFaultError, match="is a file of 0 bytes"):
        make_backup(f"sqlite+aiosqlite:///{other}", tmp_path / "none", tmp_path / "backup.tar")
    assert not list(tmp_path.glob("backup.tar*"))


@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\x00" * 300])
def test_any_other_file_is_refused(content: bytes, store_of_sqlite: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(StoreError, match="is no backup of dalle-bot"):
        restore_backup(store_of_sqlite, tmp_path / "pictures", file)
    with pytest.raises(StoreError, match="There is no file"):
        restore_backup(store_of_sqlite, tmp_path / "pictures", tmp_path / "missing")


def test_a_backup_of_a_newer_version_does_not_take_the_place_of_what_works(
    whole: Path, store_of_sqlite: str, tmp_path: Path
) -> None:
    run_sql(store_of_sqlite, "UPDATE alembic_version SET version_num = 'from the future'")
    newer = make_backup(store_of_sqlite, tmp_path / "none", tmp_path / "newer.tar").file
    run_sql(store_of_sqlite, "UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(StoreError, match="has a schema that this version doesn't know"):
        restore_backup(store_of_sqlite, tmp_path / "pictures", newer)
    assert run_sql(store_of_sqlite, "SELECT version_num FROM alembic_version") == [("0001",)]


@pytest.mark.fault
def test_a_damaged_database_is_restored_and_kept_aside(whole: Path, store_of_sqlite: str, tmp_path: Path) -> None:
    database = Path(store_of_sqlite.removeprefix("sqlite+aiosqlite:///"))
    database.write_bytes(b"\xff" * 5000)
    with pytest.raises(StoreError, match=r"is damaged\. Run `dalle-bot restore FILE`"):
        make_again(store_of_sqlite)
    with pytest.raises(StoreError, match=r"is damaged\. Run `dalle-bot restore FILE`"):
        make_backup(store_of_sqlite, tmp_path / "none", tmp_path / "other.tar")
    assert not list(tmp_path.glob("other.tar*"))
    report = restore_backup(store_of_sqlite, tmp_path / "pictures", whole)
    assert report.aside is not None
    assert Path(report.aside).read_bytes() == b"\xff" * 5000
    make_again(store_of_sqlite)


def test_a_journal_that_was_left_is_not_played_into_what_is_restored(
    whole: Path, store_of_sqlite: str, tmp_path: Path
) -> None:
    database = Path(store_of_sqlite.removeprefix("sqlite+aiosqlite:///"))
    journal = database.with_name(f"{database.name}-journal")
    journal.write_bytes(b"of what was there")
    report = restore_backup(store_of_sqlite, tmp_path / "pictures", whole)
    assert not journal.exists()
    assert Path(f"{report.aside}-journal").read_bytes() == b"of what was there"
    make_again(store_of_sqlite)


def make_again(url: str) -> None:
    async def check() -> None:
        async with Store.open(url) as store:
            assert len(await store.jobs.unfinished()) == 1

    asyncio.run(check())


def test_a_restore_to_where_nothing_is(whole: Path, tmp_path: Path) -> None:
    report = restore_backup(url_of(tmp_path / "elsewhere"), tmp_path / "elsewhere" / "pictures", whole)
    assert (report.aside, report.contents.num_pictures) == (None, 1)
    make_again(url_of(tmp_path / "elsewhere"))


@pytest.mark.fault
async def test_a_store_has_one_user_at_a_time(store_url: str) -> None:
    url = make_url(store_url)
    async with store_in_use(url):
        with pytest.raises(StoreError, match="is used by a bot that runs"):
            async with store_in_use(url, wait_s=0.0):
                pass
        late = asyncio.create_task(wait_for(url))
        await asyncio.sleep(0.05)
        assert not late.done()
    await late
    with store_kept_alone(url):
        pass


async def test_processes_of_one_bot_share_a_store_and_keep_others_out(postgres: PostgresServer) -> None:
    url = make_url(postgres.empty_database())
    async with store_in_use(url, is_shared=True), store_in_use(url, is_shared=True, wait_s=0.0):
        with pytest.raises(StoreError, match="is used by a bot that runs"):
            async with store_in_use(url, wait_s=0.0):
                pass
        with pytest.raises(StoreError, match="is used by a bot that runs"), store_kept_alone(url):
            pass
    # A server learns a moment later that a connection is closed.
    async with store_in_use(url, wait_s=TIMEOUT_S):
        with pytest.raises(StoreError, match="is used by a bot that runs"):
            async with store_in_use(url, is_shared=True, wait_s=0.0):
                pass


async def wait_for(url: object) -> None:
    async with store_in_use(url, wait_s=10.0):  # type: ignore[arg-type]
        pass
