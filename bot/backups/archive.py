"""The file of a backup: a tar with a description first, then the database, then the pictures.

    backup.json                     {"format": 1, "database": "sqlite", "digest": "sha256:…", "made_at", "version"}
    database                        an SQLite file, or what pg_dump writes
    pictures/ab/abcdef012345/1.png  as in the folder of pictures

Nothing is taken out of one but what has these names, and no name in it decides where something is written. It holds
what people asked for: on disk only its owner may read it.
"""

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any, Final

from bot.errors import StoreError

FORMAT: Final = 1
DESCRIPTION: Final = "backup.json"
DATABASE: Final = "database"
MAX_DESCRIPTION_BYTES: Final = 64 * 1024
_PICTURE: Final = re.compile(r"pictures/([0-9a-f]{2})/(\1[0-9a-f]{10})/([1-9][0-9]?)\.png")
_BLOCK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Description:
    """database: "sqlite" or "postgresql". digest: of the database. made_at: in ISO 8601. version: of dalle-bot."""

    database: str
    digest: str
    made_at: str
    version: str


def digest_of(file: Path) -> str:
    """Of its content, in the form that a description has."""
    with file.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


class ArchiveWriter:
    """Writes one. Raises OSError."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive

    def describe(self, description: Description) -> None:
        """Comes first."""
        told = {"format": FORMAT} | asdict(description)
        data = json.dumps(told, indent=2).encode()
        self._archive.addfile(_entry(DESCRIPTION, len(data)), io.BytesIO(data))

    def add_database(self, file: Path) -> None:
        """Comes second."""
        with file.open("rb") as stream:
            self._archive.addfile(_entry(DATABASE, file.stat().st_size), stream)

    def add_pictures(self, folder: Path) -> int:
        """Every picture that is there; how many. One that is deleted meanwhile is left out."""
        added = 0
        for file in sorted(folder.glob("*/*/*.png")):
            name = f"pictures/{file.relative_to(folder).as_posix()}"
            try:
                data = file.read_bytes()
            except FileNotFoundError:
                continue
            if _PICTURE.fullmatch(name):
                self._archive.addfile(_entry(name, len(data)), io.BytesIO(data))
                added += 1
        return added


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


@contextmanager
def new_archive(file: Path) -> Iterator[ArchiveWriter]:
    """A new file, there as a whole at the end or not at all. Raises StoreError."""
    part = file.with_name(f"{file.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w") as archive:
                yield ArchiveWriter(archive)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except OSError as error:
        raise StoreError(f"The backup {file} can't be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)


class ArchiveReader:
    """Reads one, from front to back. Raises StoreError for what is no backup, or a damaged one."""

    def __init__(self, file: Path, archive: tarfile.TarFile) -> None:
        self._file = file
        self._archive = archive
        self.description = self._read_description()

    def take_database(self, target: Path) -> None:
        """Writes the database into a file and compares it with the description."""
        entry = self._archive.next()
        if entry is None or entry.name != DATABASE or not entry.isfile():
            raise self._no_backup("it holds no database")
        _copy(self._content(entry), target)
        if digest_of(target) != self.description.digest:
            raise self._no_backup("its database is damaged")

    def take_pictures(self, folder: Path) -> int:
        """Writes every picture into its place, over what is there; how many."""
        taken = 0
        while (entry := self._archive.next()) is not None:
            place = _PICTURE.fullmatch(entry.name)
            if place is None or not entry.isfile():
                raise self._no_backup(f"it holds {entry.name!r:.80}")
            job = folder / place[1] / place[2]
            job.mkdir(parents=True, exist_ok=True)
            part = job / f"{place[3]}.png.part"
            _copy(self._content(entry), part)
            part.replace(job / f"{place[3]}.png")
            taken += 1
        return taken

    def _read_description(self) -> Description:
        entry = self._archive.next()
        if entry is None or entry.name != DESCRIPTION or not entry.isfile() or entry.size > MAX_DESCRIPTION_BYTES:
            raise self._no_backup("it has no description")
        try:
            told: Mapping[str, Any] = json.loads(self._content(entry).read())
            found = Description(**{known.name: str(told[known.name]) for known in fields(Description)})
            number = told["format"]
        except (ValueError, KeyError, TypeError):
            raise self._no_backup("its description is damaged") from None
        if number != FORMAT:
            raise StoreError(f"{self._file} is a backup of another version of dalle-bot: restore it with that one.")
        return found

    def _content(self, entry: tarfile.TarInfo) -> IO[bytes]:
        content = self._archive.extractfile(entry)
        assert content is not None, "only files are asked for"
        return content

    def _no_backup(self, why: str) -> StoreError:
        return StoreError(f"{self._file} is no backup of dalle-bot: {why}.")


@contextmanager
def open_archive(file: Path) -> Iterator[ArchiveReader]:
    """Raises StoreError, also for what goes wrong inside the block."""
    try:
        with tarfile.open(file, mode="r:") as archive:
            yield ArchiveReader(file, archive)
    except FileNotFoundError as error:
        if error.filename != str(file):
            raise StoreError(f"{error.filename} can't be written: {error.strerror}.") from error
        raise StoreError(f"There is no file {file}.") from error
    except (tarfile.TarError, EOFError) as error:
        raise StoreError(f"{file} is no backup of dalle-bot, or only a part of one.") from error
    except OSError as error:
        raise StoreError(f"{error.filename or file}: {error.strerror or error}.") from error


def _copy(content: IO[bytes], target: Path) -> None:
    with target.open("wb") as stream:
        while block := content.read(_BLOCK_BYTES):
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
