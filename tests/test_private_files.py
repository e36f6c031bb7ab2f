"""What people have asked for is nobody else's to read, whatever the umask is."""

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from bot.backups import make_backup, restore_backup
from bot.lasting_file import write_lasting
from bot.pictures import PictureFolder
from bot.private_files import make_private_file, make_private_folder, open_private
from bot.store import Store
from bot.store.in_use import store_in_use
from bot.store.migrate import migrate
from tests.store.samples import url_of

PICTURE = Path("pictures", "01", "0123456789ab", "1.png")


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """One that hides nothing."""
    before = os.umask(0)
    yield
    os.umask(before)


def rights(folder: Path) -> dict[str, str]:
    """Of all that is in it, and of itself."""
    return {str(path.relative_to(folder)): stat.filemode(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}


def test_folders_are_made_with_those_above_them_and_those_that_are_there_stay(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    make_private_folder(tmp_path / "shared" / "own" / "inner")
    make_private_folder(tmp_path / "shared" / "own" / "inner")
    make_private_folder(tmp_path / "shared")
    assert rights(tmp_path / "shared") == {".": "drwxrwxrwx", "own": "drwx------", "own/inner": "drwx------"}
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "inner"):
        with pytest.raises(OSError, match="file"):
            make_private_folder(folder)


def test_files_are_made_and_what_is_there_is_kept_or_written_over(tmp_path: Path) -> None:
    make_private_file(tmp_path / "empty")
    write_lasting(tmp_path / "lasting", b"\r\n")
    for content in (b"longer", b"short"):
        with open_private(tmp_path / "written") as stream:
            stream.write(content)
    make_private_file(tmp_path / "written")
    assert [(tmp_path / name).read_bytes() for name in ("empty", "lasting", "written")] == [b"", b"\r\n", b"short"]
    assert set(rights(tmp_path).values()) - {rights(tmp_path)["."]} == {"-rw-------"}


async def test_all_that_a_bot_keeps_and_that_a_restore_writes_is_for_its_owner_alone(tmp_path: Path) -> None:
    url, restored = (url_of(tmp_path / name) for name in ("kept", "restored"))
    data = tmp_path / "kept" / "data"
    async with store_in_use(make_url(url)):
        await asyncio.to_thread(migrate, make_url(url), 5)
        async with Store.open(url) as store:
            await store.values.set("a", "b")
            PictureFolder(data / "pictures", 2**30).save("0123456789ab", [b"a picture"])
            found = rights(tmp_path / "kept")
            report = await asyncio.to_thread(make_backup, url, data / "pictures", tmp_path / "backup.tar")
    await asyncio.to_thread(restore_backup, restored, tmp_path / "restored" / "data" / "pictures", report.file)
    file = Path("data", "bot.sqlite3")
    expected = {str(file), f"{file}-wal", f"{file}-shm", f"{file}.lock", str("data" / PICTURE)}
    assert {name for name, mode in found.items() if mode == "-rw-------"} == expected
    assert {mode for name, mode in found.items() if name not in expected} == {"drwx------"}
    again = rights(tmp_path / "restored")
    assert {again[str(file)], again[str("data" / PICTURE)]} == {"-rw-------"}
    assert set(again.values()) == {"-rw-------", "drwx------"}
