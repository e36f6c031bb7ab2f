"""What root restores is for the user as whom the bot runs."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.backups import make_backup, restore_backup
from bot.backups.heir import Heir

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Of a small database and a picture."""
    with closing(sqlite3.connect(tmp_path / "old")) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    job = tmp_path / "pictures" / "01" / "0123456789ab"
    job.mkdir(parents=True)
    (job / "1.png").write_bytes(b"picture")
    return make_backup(f"sqlite+aiosqlite:///{tmp_path / 'old'}", tmp_path / "pictures", tmp_path / "backup.tar").file


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.backups.restoring.sync_all", lambda: None)
    monkeypatch.setattr("bot.backups.restoring.migrate", lambda *_: None)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Of the bot's user."""
    folder = tmp_path / "my data"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    return folder


def restore(file: Path, database: Path, data: Path) -> tuple[str, ...]:
    return restore_backup(f"sqlite+aiosqlite:///{database}", data / "pictures", file).left_to_root


def owners(folder: Path) -> dict[str, tuple[int, int]]:
    paths = [folder, *folder.rglob("*")]
    return {path.name: (path.lstat().st_uid, path.lstat().st_gid) for path in paths}


def test_all_of_it_goes_to_the_owner_of_the_data_folder(backup: Path, data: Path) -> None:
    assert restore(backup, data / "bot.sqlite3", data) == ()
    found = owners(data)
    assert {"bot.sqlite3", "bot.sqlite3.lock", "pictures", "01", "0123456789ab", "1.png"} < set(found)
    assert set(found.values()) == {(NOBODY, NOBODY)}


def test_a_database_elsewhere_goes_to_the_owner_of_its_own_folder(backup: Path, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (sentence,) = restore(backup, other / "bot.sqlite3", data)
    assert sentence == (
        f"What was restored into {other} belongs to root. If the bot runs as another user, give it to that one: "
        f"`chown -R USER {other}`."
    )
    assert set(owners(data).values()) == {(NOBODY, NOBODY)}
    assert set(owners(other).values()) == {(0, 0)}


def test_a_disk_that_knows_no_owners(backup: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    (sentence,) = restore(backup, data / "bot.sqlite3", data)
    assert f"`chown -R USER '{data}'`" in sentence
    assert (data / "pictures" / "01" / "0123456789ab" / "1.png").read_bytes() == b"picture"


def test_whoever_is_not_root_keeps_what_is_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    heir = Heir(tmp_path)
    os.seteuid(NOBODY)
    try:
        heir.give(file)
    finally:
        os.seteuid(0)
    assert heir.left() is None
