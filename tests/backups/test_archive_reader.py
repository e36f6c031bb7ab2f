"""A backup is read as a whole before anything is taken out: what is missing or damaged is named."""

import hashlib
import json
import random
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bot.backups import check_backup, make_backup, restore_backup
from bot.backups.archive_reader import open_archive
from bot.backups.heir import Heir
from bot.errors import StoreError
from tests.backups.archives import members_of, rewrite

JOB = "0123456789ab"
FIRST, SECOND = f"pictures/01/{JOB}/1.png", f"pictures/01/{JOB}/2.png"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Of a small database and two pictures."""
    with closing(sqlite3.connect(tmp_path / "bot.sqlite3")) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    job = tmp_path / "pictures" / "01" / JOB
    job.mkdir(parents=True)
    (job / "1.png").write_bytes(b"first" * 200)
    (job / "2.png").write_bytes(b"second" * 200)
    url = f"sqlite+aiosqlite:///{tmp_path / 'bot.sqlite3'}"
    return make_backup(url, tmp_path / "pictures", tmp_path / "backup.tar").file


def heads_of(file: Path) -> dict[str, int]:
    """Name → where its head begins."""
    with tarfile.open(file) as archive:
        return {entry.name: entry.offset for entry in archive}


def cut(file: Path, num_bytes: int) -> None:
    file.write_bytes(file.read_bytes()[:num_bytes])


def flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 0x10
    file.write_bytes(data)


def test_the_last_member_is_a_list_that_other_programs_read(backup: Path) -> None:
    *others, (name, data) = members_of(backup).items()
    assert name == "digests"
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in others]
    assert data.decode().splitlines() == ["# 4 members", *lines]
    assert check_backup(backup).num_pictures == 2


def change_picture(members: dict[str, bytes]) -> None:
    members[SECOND] = members[SECOND][:-1] + b"x"


def lose_picture(members: dict[str, bytes]) -> None:
    del members[FIRST]


def lose_list(members: dict[str, bytes]) -> None:
    del members["digests"]


def change_count(members: dict[str, bytes]) -> None:
    members["digests"] = members["digests"].replace(b"# 4", b"# 5")


def change_description(members: dict[str, bytes]) -> None:
    members["backup.json"] += b" "


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (change_picture, f"is damaged: {SECOND} is not what was backed up. Restore another backup."),
        (lose_picture, f"is damaged: {FIRST} is missing"),
        (lose_list, f"is damaged: it ends after {SECOND}, and more was backed up"),
        (change_count, "is damaged: digests is not what was backed up"),
        (change_description, "is damaged: backup.json is not what was backed up"),
    ],
)
def test_what_is_damaged_is_named_and_nothing_is_written(
    change: Callable[[dict[str, bytes]], None], sentence: str, backup: Path, tmp_path: Path
) -> None:
    rewrite(backup, change)
    target = tmp_path / "elsewhere"
    with pytest.raises(StoreError) as caught:
        restore_backup(f"sqlite+aiosqlite:///{target / 'bot.sqlite3'}", target / "pictures", backup)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(str(backup))
    assert [path.name for path in target.iterdir()] == ["bot.sqlite3.lock"]


@pytest.mark.parametrize("name", ["database", FIRST, SECOND, "digests"])
def test_a_backup_that_was_cut_is_refused(backup: Path, name: str) -> None:
    head = heads_of(backup)[name]
    order = list(heads_of(backup))
    before = order[order.index(name) - 1]
    cut(backup, head + tarfile.BLOCKSIZE + 1)
    with pytest.raises(StoreError, match=f"is damaged: it ends within {name}, or"):
        check_backup(backup)
    cut(backup, head)
    expected = "it holds no database" if name == "database" else f"is damaged: it ends after {before}, and more"
    with pytest.raises(StoreError, match=expected):
        check_backup(backup)


@pytest.mark.parametrize("is_old", [False, True])
def test_an_end_that_is_cut_or_followed_by_something_is_refused(is_old: bool, backup: Path) -> None:
    """Whatever tar itself makes of what comes after the last member."""
    if is_old:
        rewrite(backup, as_before)
    whole = backup.read_bytes()
    end = len(whole.rstrip(b"\0"))
    end += -end % tarfile.BLOCKSIZE
    assert check_backup(backup).num_pictures == 2
    for length in (len(whole) - 1, len(whole) - tarfile.BLOCKSIZE, end + 2 * tarfile.BLOCKSIZE):
        backup.write_bytes(whole[:length])
        with pytest.raises(StoreError, match="is damaged: its end is cut off"):
            check_backup(backup)
    more = (b"x", b"\0", bytes(tarfile.RECORDSIZE), b"x" * tarfile.RECORDSIZE, whole)
    for changed in (*(whole + each for each in more), whole[:-1] + b"x"):
        backup.write_bytes(changed)
        with pytest.raises(StoreError, match="is damaged: it goes on after its end"):
            check_backup(backup)


def test_one_byte_that_is_flipped_anywhere_is_refused_or_was_not_of_the_backup(backup: Path, tmp_path: Path) -> None:
    """Between what a member holds and the next one's head, tar fills up with bytes that nobody reads."""
    good, members = backup.read_bytes(), members_of(backup)
    heads = [head + place for head in heads_of(backup).values() for place in range(0, 300, 7)]
    numbers = random.Random(1)
    places = heads + [numbers.randrange(len(good)) for _ in range(200)]
    num_refused = 0
    for place in places:
        backup.write_bytes(good)
        flip(backup, place)
        try:
            check_backup(backup)
        except StoreError:
            num_refused += 1
        else:
            assert members_of(backup) == members, place
    assert num_refused > len(heads)


def as_before(members: dict[str, bytes]) -> None:
    """As the first version wrote it."""
    del members["digests"]
    members["backup.json"] = json.dumps(json.loads(members["backup.json"]) | {"format": 1}).encode()


def test_a_backup_of_the_first_format_is_taken_with_a_word_about_it(backup: Path, tmp_path: Path) -> None:
    rewrite(backup, as_before)
    contents = check_backup(backup)
    assert (contents.num_pictures, contents.has_digests) == (2, False)
    with open_archive(backup) as archive:
        archive.take_database(tmp_path / "taken")
        archive.take_pictures(tmp_path / "taken pictures", Heir(tmp_path))
    assert (tmp_path / "taken pictures" / "01" / JOB / "2.png").read_bytes() == b"second" * 200
    cut(backup, heads_of(backup)[SECOND])
    with pytest.raises(StoreError, match=f"it ends after {FIRST}, and more"):
        check_backup(backup)


def test_what_is_written_out_is_what_was_looked_through(backup: Path, tmp_path: Path) -> None:
    place = heads_of(backup)[FIRST] + tarfile.BLOCKSIZE
    with open_archive(backup) as archive:
        with backup.open("r+b") as stream:
            stream.seek(place)
            stream.write(b"F")
        archive.take_database(tmp_path / "taken")
        with pytest.raises(StoreError, match=f"{FIRST} reads differently each time"):
            archive.take_pictures(tmp_path / "taken pictures", Heir(tmp_path))


def test_a_full_disk_leaves_no_part_of_a_picture(backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    target = tmp_path / "taken pictures"
    with open_archive(backup) as archive:
        archive._archive.next()
        with pytest.raises(OSError, match="No space left"):
            archive.take_pictures(target, Heir(tmp_path))
    assert [path for path in target.rglob("*") if path.is_file()] == []


def test_a_file_that_claims_to_be_huge_and_holds_nothing_is_refused(backup: Path) -> None:
    with tarfile.open(backup, "w", format=tarfile.PAX_FORMAT) as archive:
        description = tarfile.TarInfo("backup.json")
        description.type = tarfile.GNUTYPE_SPARSE
        archive.addfile(description)
    with pytest.raises(StoreError, match="is no backup of dalle-bot"):
        check_backup(backup)
