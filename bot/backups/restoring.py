"""`dalle-bot restore`: puts a backup in the place of what a bot keeps, while none runs. Blocks."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from bot.backups import postgresql_copy, sqlite_copy
from bot.backups.archive_reader import ArchiveReader, open_archive
from bot.backups.heir import Heir
from bot.errors import StoreError
from bot.lasting_file import sync_all
from bot.store.database import BUSY_TIMEOUT_S, close_log, make_folder, parse_url, sqlite_file
from bot.store.explaining import explained_refusals_of, refuse_folder
from bot.store.in_use import lock_file, store_kept_alone
from bot.store.migrate import migrate
from bot.store.restore_mark import restore_mark


@dataclass(frozen=True, slots=True)
class BackupContents:
    """made_at: when the backup was made. has_digests: False for one of an older version, in which damage to pictures
    can't be seen."""

    made_at: str
    num_pictures: int
    has_digests: bool

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"made_at": self.made_at, "pictures": self.num_pictures, "digests": self.has_digests}


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """aside: where the database that was there is now; None if none was. left_to_root: what to do about files that the
    bot's user can't read, where root has restored; a sentence for each folder."""

    contents: BackupContents
    aside: str | None
    left_to_root: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return self.contents.to_json() | {"aside": self.aside, "left_to_root": list(self.left_to_root)}


def check_backup(file: Path) -> BackupContents:
    """Reads a backup as a whole and changes nothing. Raises StoreError if it is none, or damaged."""
    with open_archive(file) as archive:
        return _contents(archive)


def restore_backup(store_url: str, pictures: Path, file: Path) -> RestoreReport:
    """Puts a backup's database in the place of the present one, which is kept aside, and its pictures into the folder.

    Raises StoreError if a bot uses the store, or if the file is no whole backup of such a database; nothing has
    changed then but that some pictures may be there. Where it is cut short, nobody gets at the store until it was
    called again. What root restores goes to the owner of the folder that the database is in, or the pictures' folder.
    """
    url = parse_url(store_url)
    refuse_folder(url, pictures.parent)
    with store_kept_alone(url), open_archive(file) as archive:
        kind = url.get_backend_name()
        if archive.description.database != kind:
            raise StoreError(
                f"{file} is a backup of {archive.description.database}, and store.url names {kind}: set store.url to "
                "a database of the former."
            )
        database, heirs = sqlite_file(url), [Heir(pictures.parent)]
        if database is None:
            aside: str | None = _into_postgresql(url, archive, pictures, heirs[0])
        else:
            if database.parent != pictures.parent:
                heirs.append(Heir(database.parent))
            aside = _into_sqlite(url, database, archive, pictures, heirs)
        left = (heir.left() for heir in heirs)
        return RestoreReport(_contents(archive), aside, tuple(sentence for sentence in left if sentence))


def _into_sqlite(url: URL, file: Path, archive: ArchiveReader, pictures: Path, heirs: list[Heir]) -> str | None:
    """Where the database that was there is now. heirs: of the pictures, and last of the database."""
    make_folder(file)
    with (
        _marked(url, lambda stamp: sqlite_copy.is_aside(file, stamp)) as stamp,
        # Beside the database, so that it can be moved into its place.
        _folder_beside(file) as folder,
    ):
        new = folder / "database"
        archive.take_database(new)
        archive.take_pictures(pictures, heirs[0])
        # Before it is there: a backup of a newer version must not take the place of what works.
        migrate(url.set(database=str(new)), BUSY_TIMEOUT_S)
        with explained_refusals_of(url):
            close_log(new)
        heirs[-1].give(new, lock_file(file))
        moved = sqlite_copy.put_in_place(new, file, stamp)
    return None if moved is None else str(moved)


def _into_postgresql(url: URL, archive: ArchiveReader, pictures: Path, heir: Heir) -> str:
    """The same."""
    with (
        _marked(url, lambda stamp: postgresql_copy.is_aside(url, stamp)) as stamp,
        tempfile.TemporaryDirectory() as folder,
    ):
        dump = Path(folder) / "database"
        archive.take_database(dump)
        archive.take_pictures(pictures, heir)
        return f"the schema {postgresql_copy.load_database(url, dump, stamp)}"


@contextmanager
def _marked(url: URL, is_aside: Callable[[str], bool]) -> Iterator[str]:
    """Around all that is written. Gives the stamp of what is moved aside, an earlier attempt's if that was cut short.

    is_aside: whether something was moved aside under a stamp. What fails before that has changed nothing.
    """
    mark = restore_mark(url)
    stamp = mark.read() or _new_stamp(is_aside)
    mark.set(stamp)
    try:
        yield stamp
    except BaseException:
        if not is_aside(stamp):
            mark.remove()
        raise
    sync_all()
    mark.remove()


def _new_stamp(is_aside: Callable[[str], bool]) -> str:
    """Of now, or of the first second after it that is free."""
    moment = datetime.now(UTC)
    while is_aside(stamp := f"{moment:%Y%m%dT%H%M%S}"):
        moment += timedelta(seconds=1)
    return stamp


@contextmanager
def _folder_beside(file: Path) -> Iterator[Path]:
    """A folder that is gone afterwards. What an attempt that was killed has left goes too."""
    prefix = f"{file.name}.restore-"
    for there in file.parent.iterdir():
        if there.name.startswith(prefix):
            shutil.rmtree(there)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=file.parent) as folder:
        yield Path(folder)


def _contents(archive: ArchiveReader) -> BackupContents:
    return BackupContents(archive.description.made_at, archive.num_pictures, archive.has_digests)
