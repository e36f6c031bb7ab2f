"""The file of a backup: a tar with a description first, then the database, then the pictures, then all their digests.

    backup.json                     {"format": 2, "database": "sqlite", "digest": "sha256:…", "made_at", "version"}
    database                        an SQLite file, or what pg_dump writes
    pictures/ab/abcdef012345/1.png  as in the folder of pictures
    digests                         how many members come before it, and a line for each, as sha256sum writes it

The first format had no digests. It holds what people asked for: on disk only its owner may read it. This is how one is
written; archive_reader.py reads it.
"""

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

from bot.errors import StoreError
from bot.private_files import open_private

FORMAT: Final = 2
FORMAT_WITHOUT_DIGESTS: Final = 1
DESCRIPTION: Final = "backup.json"
DATABASE: Final = "database"
DIGESTS: Final = "digests"
PICTURE: Final = re.compile(r"pictures/([0-9a-f]{2})/(\1[0-9a-f]{10})/([1-9][0-9]?)\.png")


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
        return description_digest(hashlib.file_digest(stream, "sha256").hexdigest())


def description_digest(hexadecimal: str) -> str:
    """A digest in the form that a description has."""
    return f"sha256:{hexadecimal}"


def digests_text(digests: Mapping[str, str]) -> bytes:
    """The last member. digests: name → SHA-256 in hexadecimal digits, of all before it, in their order."""
    lines = [f"# {len(digests)} members", *(f"{digest}  {name}" for name, digest in digests.items())]
    return "\n".join([*lines, ""]).encode()


class ArchiveWriter:
    """Writes one. Raises OSError."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._digests: dict[str, str] = {}

    def describe(self, description: Description) -> None:
        """Comes first."""
        told = {"format": FORMAT} | asdict(description)
        self._add_data(DESCRIPTION, json.dumps(told, indent=2).encode())

    def add_database(self, file: Path) -> None:
        """Comes second."""
        with file.open("rb") as stream:
            self._add(DATABASE, file.stat().st_size, stream)

    def add_pictures(self, folder: Path) -> int:
        """Every picture that is there; how many. One that is deleted meanwhile is left out."""
        added = 0
        for file in sorted(folder.glob("*/*/*.png")):
            name = f"pictures/{file.relative_to(folder).as_posix()}"
            try:
                data = file.read_bytes()
            except FileNotFoundError:
                continue
            if PICTURE.fullmatch(name):
                self._add_data(name, data)
                added += 1
        return added

    def end(self) -> None:
        """Comes last: without it a backup is known to be a part of one."""
        self._add_data(DIGESTS, digests_text(self._digests))

    def _add_data(self, name: str, data: bytes) -> None:
        self._add(name, len(data), io.BytesIO(data))

    def _add(self, name: str, size: int, stream: IO[bytes]) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = size, 0o600
        hashed = _Hashed(stream)
        self._archive.addfile(entry, hashed)
        self._digests[name] = hashed.digest.hexdigest()


class _Hashed:
    """A stream whose bytes are hashed while somebody else reads them."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.digest.update(data)
        return data


@contextmanager
def new_archive(file: Path) -> Iterator[ArchiveWriter]:
    """A new file, there as a whole at the end or not at all. Raises StoreError."""
    part = file.with_name(f"{file.name}.part")
    try:
        with open_private(part) as stream:
            with tarfile.open(fileobj=stream, mode="w") as archive:
                writer = ArchiveWriter(archive)
                yield writer
                writer.end()
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except OSError as error:
        raise StoreError(f"The backup {file} can't be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
