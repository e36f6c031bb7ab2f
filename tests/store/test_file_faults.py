"""Where an SQLite database can't be kept: who has to do what about it."""

import errno
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.pictures import PictureFolder
from bot.store.file_faults import (
    READ_ONLY_DISK,
    fault_of_disk,
    fault_of_folder,
    fault_of_place,
    fault_of_remains,
)
from bot.store.refusals import FULL, Refusal

NOBODY = 65534
PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bot.sqlite3"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that every user may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def told(refusal: Refusal | None) -> tuple[str, str]:
    assert refusal is not None
    assert refusal.is_lasting
    return refusal.found, refusal.cure


def test_nothing_is_wrong_with_a_new_place(file: Path) -> None:
    place = file.parent / "new" / "folder" / file.name
    assert [fault(place) for fault in (fault_of_place, fault_of_remains, fault_of_disk)] == [None] * 3


@needs_root
def test_the_files_of_another_user_are_named_with_what_gives_them(open_folder: Path) -> None:
    file = open_folder / "my bot.sqlite3"
    file.touch(0o644)
    with as_nobody():
        found, cure = told(fault_of_place(file))
    assert found == f"can't be written: {open_folder} belongs to the user root, and this is nobody."
    assert cure == f"As root, run `chown nobody {open_folder} '{file}'`, or run dalle-bot as root."
    os.chmod(open_folder, 0o777)
    with as_nobody():
        assert told(fault_of_place(file))[1].startswith(f"As root, run `chown nobody '{file}'`")
    os.chown(file, NOBODY, NOBODY)
    with as_nobody():
        assert fault_of_place(file) is None


@needs_root
def test_a_lock_file_or_a_log_of_another_user_is_named_too(open_folder: Path) -> None:
    os.chmod(open_folder, 0o777)
    file = open_folder / "bot.sqlite3"
    for end in ("-wal", ".lock"):
        part = file.with_name(file.name + end)
        part.touch(0o600)
        with as_nobody():
            assert told(fault_of_place(file))[1].startswith(f"As root, run `chown nobody {part}`")
        part.unlink()


@needs_root
def test_rights_that_the_owner_has_taken_away(open_folder: Path) -> None:
    file = open_folder / "bot.sqlite3"
    file.touch(0o400)
    for path in (open_folder, file):
        os.chown(path, NOBODY, NOBODY)
    with as_nobody():
        found, cure = told(fault_of_place(file))
    assert found == f"can't be written: the rights of {file} don't let its owner, nobody, do so."
    assert cure == f"Run `chmod u+rwX {file}`."


@needs_root
def test_a_folder_that_can_not_be_made(open_folder: Path) -> None:
    folder = open_folder / "data"
    with as_nobody():
        cure = told(fault_of_place(folder / "bot.sqlite3"))[1]
    assert cure == f"As root, run `install -d -o nobody {folder}`, or set data_dir to a folder of nobody."


@needs_root
@pytest.mark.parametrize("closed", ["data", "."])
def test_what_is_told_about_a_folder_that_lets_nobody_in_leads_to_a_database(open_folder: Path, closed: str) -> None:
    """Also where something is in it. closed: the folder of the database, or the one above that."""
    file = open_folder / "my data" / "bot.sqlite3"
    file.parent.mkdir()
    file.touch(0o600)
    shut = open_folder / "my data" if closed == "data" else open_folder
    os.chmod(shut, 0o700)
    commands: list[str] = []
    with as_nobody():
        fault = fault_of_place(file)
        assert fault_of_disk(file) is fault_of_remains(file) is None
    while fault is not None:
        found, cure = told(fault)
        assert f"{shut} belongs to the user root" in found or commands
        commands.append(re.findall("`(.+)`", cure)[0])
        assert len(commands) < 5
        subprocess.run(commands[-1], shell=True, check=True)
        with as_nobody():
            fault = fault_of_place(file)
    with as_nobody():
        file.write_bytes(b"x")
    folder = f"'{file.parent}'"
    if closed == "data":
        assert commands == [f"chown nobody {folder}", f"chown nobody '{file}'"]
    else:
        assert commands == [f"chmod a+x {open_folder}", f"chown nobody {folder} '{file}'"]


@needs_root
def test_an_owner_who_is_kept_out_of_the_way_to_it(open_folder: Path) -> None:
    os.chown(open_folder, NOBODY, NOBODY)
    os.chmod(open_folder, 0o500)
    with as_nobody():
        assert told(fault_of_place(open_folder / "data" / "bot.sqlite3"))[1] == f"Run `chmod u+rwX {open_folder}`."


def test_a_disk_that_can_only_be_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY | os.ST_NOSUID))
    assert fault_of_place(file) is READ_ONLY_DISK


def test_a_full_disk(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=12_345))
    fault = fault_of_disk(file)
    assert fault is not None
    assert (fault.found, fault.is_lasting) == (FULL.found, False), "room may come by itself"
    assert fault.cure == f"Make room on the disk of {file.parent}, which has 12 kB left."


def test_what_has_the_name_of_the_file_or_of_its_folder(file: Path) -> None:
    file.mkdir()
    assert told(fault_of_place(file))[0] == "can't be opened: a folder has its name."
    file.rmdir()
    file.touch()
    assert told(fault_of_place(file / "bot.sqlite3"))[0] == f"can't be made: {file} is a file, not a folder."


def test_an_empty_file_is_what_is_left_of_a_database(file: Path) -> None:
    file.touch()
    found, cure = told(fault_of_remains(file))
    assert found.startswith("is a file of 0 bytes, and the bot never leaves one")
    assert "`dalle-bot restore FILE`" in cure
    file.write_bytes(b"x")
    assert fault_of_remains(file) is None


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_a_log_without_its_file_is_what_is_left_of_a_database(file: Path, end: str) -> None:
    log = file.with_name(file.name + end)
    log.touch()
    file.with_name(f"{file.name}.lock").touch()
    found, cure = told(fault_of_remains(file))
    assert found == f"is gone, but what belongs to it is still there: {log}."
    assert re.match(r"Put the file back beside that, or run `dalle-bot restore FILE`", cure)


def test_a_log_lies_beside_the_file_that_a_link_leads_to(file: Path, tmp_path: Path) -> None:
    far = tmp_path / "far" / "store"
    far.parent.mkdir()
    file.symlink_to(far)
    assert fault_of_remains(file) is None
    far.with_name("store-wal").touch()
    assert "is gone" in told(fault_of_remains(file))[0]


def test_pictures_without_a_database_are_what_is_left_of_one(file: Path) -> None:
    pictures = file.parent / "pictures"
    job = pictures / "ab" / "abcdef012345"
    assert fault_of_remains(file, pictures) is None, "a first start"
    job.mkdir(parents=True)
    for end in (".lock", ".new", ".new-wal"):
        file.with_name(file.name + end).touch()
    assert fault_of_remains(file, pictures) is None, "a first start that was killed"
    (job / "1.png").touch()
    found, cure = told(fault_of_remains(file, pictures))
    assert found == f"is not there, but there are pictures of jobs in {pictures}."
    assert cure.startswith("If it was there before, put it back, mount the disk that it is on, or run `dalle-bot rest")
    assert "If these jobs are in another database, name that in store.url." in cure
    assert cure.endswith(f"To start anew without them, move {pictures} away.")
    file.write_bytes(b"x")
    assert fault_of_remains(file, pictures) is None


@pytest.mark.parametrize("end", ["", "-wal"])
def test_who_does_what_is_said_can_start_anew(file: Path, end: str) -> None:
    """Or the pictures would be refused next. end: of the name of what is left of the database."""
    pictures = file.parent / "pictures"
    left = file.with_name(file.name + end)
    left.touch()
    assert "pictures" not in told(fault_of_remains(file, pictures))[1]
    PictureFolder(pictures, 10**6).save("abcdef012345", [b"png"])
    cure = told(fault_of_remains(file, pictures))[1]
    assert cure.endswith(
        f"{'delete what is left' if end else 'delete the file'} and move {pictures} away to start anew."
    )
    left.unlink()
    pictures.rename(file.parent / "away")
    assert fault_of_remains(file, pictures) is None


def test_only_the_bots_own_folder_is_made_for_a_database(tmp_path: Path) -> None:
    for inside in (tmp_path / "data", tmp_path / "data" / "deep"):
        assert fault_of_folder(inside / "bot.sqlite3", tmp_path / "data") is None
    outside = tmp_path / "with a mistake"
    found, cure = told(fault_of_folder(outside / "bot.sqlite3", tmp_path / "data"))
    assert found == f"can't be created: there is no folder {outside}, and the bot makes none outside of data_dir."
    assert cure.endswith(f"run `mkdir -p '{outside}'`.")
    outside.mkdir()
    assert fault_of_folder(outside / "bot.sqlite3", tmp_path / "data") is None


@pytest.mark.skipif(not os.access("/proc/version", os.R_OK), reason="no /proc")
@needs_root
@pytest.mark.parametrize(
    ("path", "done"), [("new.sqlite3", "created"), ("new/new.sqlite3", "created"), ("version", "written")]
)
def test_a_folder_that_takes_no_files_whatever_its_rights_say(path: str, done: str) -> None:
    found, cure = told(fault_of_place(Path("/proc") / path))
    assert found == f"can't be {done} there: /proc takes no new files."
    assert cure == "Name another place in store.url."


def failing(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", PASSING, ids=errno.errorcode.get)
def test_a_disk_that_fails_just_now_may_do_better_later(
    file: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", failing(number))
    assert fault_of_place(file) is None


@pytest.mark.parametrize("number", [errno.EROFS, errno.EOPNOTSUPP, errno.EACCES, errno.EINVAL])
def test_a_place_that_takes_no_files_at_all_does_not(file: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", failing(number))
    assert told(fault_of_place(file))[0] == f"can't be created there: {file.parent} takes no new files."


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_nothing_is_missing_on_a_disk_that_does_not_say(
    file: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    PictureFolder(file.parent / "pictures", 10**6).save("abcdef012345", [b"png"])
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", failing(number))
        faults = [
            fault_of_place(file),
            fault_of_folder(file, file.parent / "elsewhere"),
            fault_of_disk(file),
            fault_of_remains(file, file.parent / "pictures"),
        ]
    assert faults == [None] * 4
