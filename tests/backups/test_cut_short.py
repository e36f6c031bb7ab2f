"""kill -9 of a restore before each of its writes: afterwards the store is as it was, or refuses everybody but the next
restore; and that ends well, with what was there kept aside.
"""

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy
from sqlalchemy import event, make_url

from bot.backups import make_backup, postgresql_copy, restore_backup, restoring
from bot.backups.archive_reader import ArchiveReader
from bot.errors import StoreError
from bot.store import Store
from bot.store.in_use import store_kept_alone
from bot.store.inspection import inspect_database
from bot.store.restore_mark import restore_mark
from tests.backups.archives import programs
from tests.conftest import TIMEOUT_S
from tests.faults.lives import PROCESSES
from tests.store.postgres import PostgresServer
from tests.store.samples import run_sql, url_of

__all__ = ["programs"]

pytestmark = pytest.mark.fault

GONE: Final = 9
JOB: Final = "0123456789ab"
MOST: Final = 100  # writes of one restore

Hook = Callable[[Callable[[], None]], None]


def ends_alive(hook: Hook, at: int, work: Callable[[], object]) -> bool:
    """Does `work` in a process of its own, which is gone at once when it comes to its write number `at`.

    hook: puts on, in that process, what calls its argument before each write.
    """
    process = PROCESSES.Process(target=_live, args=(hook, at, work))
    process.start()
    process.join(TIMEOUT_S)
    assert process.exitcode in (0, GONE)
    return process.exitcode == 0


def _live(hook: Hook, at: int, work: Callable[[], object]) -> None:
    count = 0

    def before_write() -> None:
        nonlocal count
        count += 1
        if count == at:
            os._exit(GONE)

    with pytest.MonkeyPatch.context() as monkeypatch:
        without_what_takes_long(monkeypatch)
        hook(before_write)
        work()


def without_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """And writes nothing here."""
    monkeypatch.setattr(restoring, "sync_all", lambda: None)
    monkeypatch.setattr(restoring, "migrate", lambda *_: None)
    monkeypatch.setattr(postgresql_copy, "migrate", lambda *_: None)
    # PostgreSQL may take a moment to notice that a process is gone.
    monkeypatch.setattr(restoring, "store_kept_alone", partial(store_kept_alone, wait_s=TIMEOUT_S))


def files_hook(before_write: Callable[[], None]) -> None:
    names = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "sqlite3.connect")

    def hear(name: str, arguments: tuple[Any, ...]) -> None:
        is_opened = name == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if is_opened or name in names:
            before_write()

    sys.addaudithook(hear)


def database_hook(before_write: Callable[[], None]) -> None:
    """For PostgreSQL: its transactions and its programs."""

    def hear(name: str, _: tuple[Any, ...]) -> None:
        if name == "subprocess.Popen":
            before_write()

    sys.addaudithook(hear)
    event.listen(sqlalchemy.Engine, "commit", lambda _: before_write())


def things_in(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM things ORDER BY name")]


def make_sqlite(folder: Path) -> str:
    """A database as a bot leaves it that was killed: part of it is in its log. Returns its URL."""
    folder.mkdir(parents=True)
    file, source = folder / "store.sqlite3", folder / "source"
    with closing(sqlite3.connect(source, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE things (name TEXT)")
        connection.execute("INSERT INTO things VALUES ('old')")
        connection.execute("PRAGMA wal_checkpoint")
        connection.execute("INSERT INTO things VALUES ('old, in the log')")
        shutil.copy(source, file)
        shutil.copy(f"{source}-wal", f"{file}-wal")
    source.unlink()
    return f"sqlite+aiosqlite:///{file}"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """With a database that isn't the old one, and two pictures."""
    with closing(sqlite3.connect(tmp_path / "new")) as connection, connection:
        connection.execute("CREATE TABLE things (name TEXT)")
        connection.execute("INSERT INTO things VALUES ('new')")
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    job = tmp_path / "pictures" / "01" / JOB
    job.mkdir(parents=True)
    for rank in (1, 2):
        (job / f"{rank}.png").write_bytes(b"picture")
    return make_backup(f"sqlite+aiosqlite:///{tmp_path / 'new'}", tmp_path / "pictures", tmp_path / "backup.tar").file


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    without_what_takes_long(monkeypatch)


async def refused_by_all(url: str, folder: Path) -> None:
    sentence = r"is half restored: `dalle-bot restore FILE` did not come to its end. Run it again"
    with pytest.raises(StoreError, match=sentence):
        async with Store.open(url):
            pass
    with pytest.raises(StoreError, match=sentence):
        make_backup(url, folder / "none", folder / "other.tar")
    with pytest.raises(StoreError, match=sentence):
        inspect_database(url)


@pytest.mark.usefixtures("quick")
async def test_a_restore_into_sqlite_that_is_killed(backup: Path, tmp_path: Path) -> None:
    seen: list[str] = []
    for at in range(1, MOST):
        folder = tmp_path / f"store {at}"
        url, file = make_sqlite(folder), folder / "store.sqlite3"
        if ends_alive(files_hook, at, partial(restore, url, folder, backup)):
            break
        if restore_mark(make_url(url)).read() is None:
            # The copy is looked at, since whoever opens a database tidies up its log.
            copy = shutil.copytree(folder, tmp_path / f"copy {at}")
            assert things_in(copy / file.name) == ["old", "old, in the log"]
            seen.append("old")
        else:
            await refused_by_all(url, folder)
            seen.append("refused")
        restore(url, folder, backup)
        check_restored(folder)
    else:
        raise AssertionError("it never ended")
    assert list(dict.fromkeys(seen)) == ["old", "refused"], "the mark is the first write, and its removal the last"
    assert seen.count("refused") > 10
    check_restored(folder)


def restore(url: str, folder: Path, backup: Path) -> None:
    restore_backup(url, folder / "pictures", backup)


def check_restored(folder: Path) -> None:
    """The new one is there, the old one beside it, and nothing else."""
    file = folder / "store.sqlite3"
    (aside,) = folder.glob("*before-restore-*[0-9]")
    names = {path.name for path in folder.iterdir()}
    assert names == {file.name, f"{file.name}.lock", "pictures", aside.name, f"{aside.name}-wal"}
    assert things_in(file) == ["new"]
    assert things_in(aside) == ["old", "old, in the log"]
    assert len(list((folder / "pictures").glob("*/*/*.png"))) == 2
    assert not list((folder / "pictures").glob("*/*/*.part"))


@pytest.mark.usefixtures("quick")
async def test_where_nothing_was_before_a_start_makes_no_new_database(backup: Path, tmp_path: Path) -> None:
    """As it would in the moment between the making of the folder and the putting in place."""
    num_refused = 0
    for at in range(1, MOST):
        folder = tmp_path / f"store {at}"
        folder.mkdir()
        if ends_alive(files_hook, at, partial(restore, url_of(folder), folder, backup)):
            break
        if list(folder.glob("pictures/*")):
            await refused_by_all(url_of(folder), folder)
            num_refused += 1
    else:
        raise AssertionError("it never ended")
    assert num_refused > 1
    assert things_in(folder / "data" / "bot.sqlite3") == ["new"]


def test_what_fails_before_anything_was_moved_leaves_no_mark(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_sqlite(tmp_path / "store")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "a picture")

    monkeypatch.setattr(ArchiveReader, "take_pictures", fail)
    with pytest.raises(StoreError, match="a picture: No space left on device"):
        restore(url, tmp_path / "store", backup)
    assert restore_mark(make_url(url)).read() is None
    assert things_in(tmp_path / "store" / "store.sqlite3") == ["old", "old, in the log"]


@pytest.mark.usefixtures("quick")
def test_what_fails_after_that_leaves_it(backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = make_sqlite(tmp_path / "store")
    replace = Path.replace

    def fail(source: Path, target: Path) -> Path:
        if target.name == "store.sqlite3":
            raise OSError(5, "Input/output error", str(target))
        return replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fail)
        with pytest.raises(StoreError, match="Input/output error"):
            restore(url, tmp_path / "store", backup)
    assert restore_mark(make_url(url)).read() is not None
    restore(url, tmp_path / "store", backup)
    check_restored(tmp_path / "store")


@pytest.mark.parametrize("content", ["", "../../etc/passwd", "20261128T052041\n"])
def test_a_mark_of_somebody_else_is_not_followed(content: str, backup: Path, tmp_path: Path) -> None:
    url = make_sqlite(tmp_path / "store")
    (tmp_path / "store" / "store.sqlite3.restoring").write_text(content)
    with pytest.raises(StoreError, match="is not what `dalle-bot restore` writes"):
        restore(url, tmp_path / "store", backup)


@pytest.fixture
def old_on_postgresql(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a database of its own."""
    with postgres.database() as url:
        run_sql(url, "CREATE TABLE things (name TEXT)")
        run_sql(url, "INSERT INTO things VALUES ('new')")
        run_sql(url, "CREATE TABLE alembic_version (version_num TEXT)")
        yield url


@pytest.mark.usefixtures("quick")
async def test_a_restore_into_postgresql_that_is_killed(old_on_postgresql: str, tmp_path: Path) -> None:
    url, find = old_on_postgresql, "SELECT name FROM things"
    backup = make_backup(url, tmp_path / "none", tmp_path / "backup.tar").file
    run_sql(url, "UPDATE things SET name = 'old'")
    seen = []
    for at in range(1, MOST):
        if ends_alive(database_hook, at, partial(restore, url, tmp_path, backup)):
            break
        if restore_mark(make_url(url)).read() is None:
            seen.append(run_sql(url, find)[0][0])
            continue
        await refused_by_all(url, tmp_path)
        seen.append("refused")
    else:
        raise AssertionError("it never ended")
    assert run_sql(url, find) == [("new",)]
    assert "old" in seen[:1]
    assert set(seen[1:]) == {"refused"}
    asides = run_sql(url, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'before_restore_%'")
    ((aside,),) = asides
    assert run_sql(url, f"SELECT name FROM {aside}.things") == [("old",)]
