"""Reads the file of a backup: once as a whole, to see that nothing is missing or damaged, then to take things out.

Nothing is taken out but what has the names of a backup's members, and no name in it decides where something is written.
"""

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import IO, Any, Final

from bot.backups.archive import (
    DATABASE,
    DESCRIPTION,
    DIGESTS,
    FORMAT,
    FORMAT_WITHOUT_DIGESTS,
    PICTURE,
    Description,
    description_digest,
    digests_text,
)
from bot.backups.heir import Heir
from bot.errors import StoreError
from bot.private_files import make_private_folder, open_private

MAX_DESCRIPTION_BYTES: Final = 64 * 1024
_BLOCK_BYTES: Final = 1024 * 1024
_END: Final = bytes(2 * tarfile.BLOCKSIZE)  # what tar closes with, and fills up to a whole record


class ArchiveReader:
    """A backup that is whole. Raises StoreError for what is no backup, or a damaged one; the message names the member.

    description: of it. num_pictures: that it holds. has_digests: False for one of the first format, in which damage to
    pictures can't be seen.
    """

    def __init__(self, file: Path, stream: IO[bytes]) -> None:
        self._file = file
        self._stream = stream
        archive = self._begin()
        self.description, number, digest = self._read_description(archive)
        self.has_digests = number != FORMAT_WITHOUT_DIGESTS
        self._digests = self._look_through(archive, {DESCRIPTION: digest})
        self.num_pictures = len(self._digests) - 2
        self._archive = self._begin()
        self._archive.next()

    def take_database(self, target: Path) -> None:
        """Writes the database into a file."""
        self._take(self._archive.next(), target)

    def take_pictures(self, folder: Path, heir: Heir) -> None:
        """Writes every picture into its place, over what is there. heir: whose they are to be."""
        while (entry := self._archive.next()) is not None and entry.name != DIGESTS:
            place = PICTURE.fullmatch(entry.name)
            assert place is not None, "it was looked through"
            job = folder / place[1] / place[2]
            make_private_folder(job)
            part = job / f"{place[3]}.png.part"
            self._take(entry, part)
            heir.give(folder, job.parent, job, part)
            part.replace(job / f"{place[3]}.png")

    def _begin(self) -> tarfile.TarFile:
        self._stream.seek(0)
        return tarfile.open(fileobj=self._stream, mode="r:")

    def _read_description(self, archive: tarfile.TarFile) -> tuple[Description, int, str]:
        """With the number of its format, and its SHA-256."""
        entry = archive.next()
        if entry is None or entry.name != DESCRIPTION or not _is_plain(entry) or entry.size > MAX_DESCRIPTION_BYTES:
            raise self._no_backup("it has no description")
        data = _content(archive, entry).read()
        try:
            told: Mapping[str, Any] = json.loads(data)
            found = Description(**{known.name: str(told[known.name]) for known in fields(Description)})
            number = told["format"]
        except (ValueError, KeyError, TypeError):
            raise self._no_backup("its description is damaged") from None
        if number not in (FORMAT, FORMAT_WITHOUT_DIGESTS):
            raise StoreError(f"{self._file} is a backup of another version of dalle-bot: restore it with that one.")
        return found, number, hashlib.sha256(data).hexdigest()

    def _look_through(self, archive: tarfile.TarFile, digests: dict[str, str]) -> dict[str, str]:
        """Reads all of it; name → SHA-256 of each member but the digests, in their order. digests: of the first."""
        listed: bytes | None = None
        name = DESCRIPTION
        try:
            while listed is None and (entry := archive.next()) is not None:
                self._check_name(entry, digests)
                name = entry.name
                content = _content(archive, entry)
                if name == DIGESTS:
                    listed = content.read(len(digests_text(digests)) + _BLOCK_BYTES)
                else:
                    digests[name] = _digest(content)
            extra = archive.next()
        except (tarfile.TarError, ValueError) as error:
            raise self._damaged(f"it ends within {name}, or can't be read from there on") from error
        if extra is not None:
            raise self._no_backup(f"it holds {extra.name!r:.80} after its end")
        if DATABASE not in digests:
            raise self._no_backup("it holds no database")
        self._check_end(archive.offset, name, is_listed=listed is not None)
        if description_digest(digests[DATABASE]) != self.description.digest:
            raise self._damaged(f"{DATABASE} is not what was backed up")
        if listed is not None:
            self._compare(digests, listed)
        return digests

    def _check_name(self, entry: tarfile.TarInfo, before: Mapping[str, str]) -> None:
        """The database comes second, and nothing twice."""
        if DATABASE not in before:
            if entry.name != DATABASE:
                raise self._no_backup("it holds no database")
            is_known = True
        else:
            is_list = entry.name == DIGESTS and self.has_digests
            is_known = is_list or PICTURE.fullmatch(entry.name) is not None
        if not is_known or not _is_plain(entry) or entry.name in before:
            raise self._no_backup(f"it holds {entry.name!r:.80}")

    def _check_end(self, offset: int, name: str, *, is_listed: bool) -> None:
        """A tar that was cut between two members reads like a whole one, and so does one where a member's head is
        damaged. offset: where the last member, which is called `name`, ends."""
        end = _END + bytes(-(offset + len(_END)) % tarfile.RECORDSIZE)
        self._stream.seek(offset)
        found = self._stream.read(len(end) + 1)
        is_whole = is_listed if self.has_digests else found.startswith(_END)
        if not is_whole:
            raise self._damaged(f"it ends after {name}, and more was backed up")
        if found != end:
            raise self._damaged("its end is cut off" if end.startswith(found) else "it goes on after its end")

    def _compare(self, digests: Mapping[str, str], listed: bytes) -> None:
        if listed == digests_text(digests):
            return
        lines = (line.split("  ", 1) for line in listed.decode(errors="replace").splitlines())
        told = {words[1]: words[0] for words in lines if len(words) == 2}
        for name, digest in digests.items():
            if told.get(name) != digest:
                raise self._damaged(f"{name} is not what was backed up")
        missing = next((name for name in told if name not in digests), None)
        raise self._damaged(f"{DIGESTS} is not what was backed up" if missing is None else f"{missing:.80} is missing")

    def _take(self, entry: tarfile.TarInfo | None, target: Path) -> None:
        assert entry is not None, "it was looked through"
        if _copy(_content(self._archive, entry), target) != self._digests[entry.name]:
            raise self._damaged(f"{entry.name} reads differently each time")

    def _damaged(self, what: str) -> StoreError:
        return StoreError(f"{self._file} is damaged: {what}. Restore another backup.")

    def _no_backup(self, why: str) -> StoreError:
        return StoreError(f"{self._file} is no backup of dalle-bot: {why}.")


@contextmanager
def open_archive(file: Path) -> Iterator[ArchiveReader]:
    """Once it was looked through. Raises StoreError, also for what goes wrong inside the block."""
    if os.path.isdir(file):
        raise StoreError(f"{file} is a folder: name a file in it that `dalle-bot backup` has made.")
    try:
        with file.open("rb") as stream:
            yield ArchiveReader(file, stream)
    except FileNotFoundError as error:
        if error.filename != str(file):
            raise StoreError(f"{error.filename} can't be written: {error.strerror}.") from error
        raise StoreError(f"There is no file {file}.") from error
    except (tarfile.TarError, EOFError) as error:
        raise StoreError(f"{file} is no backup of dalle-bot, or only a part of one.") from error
    except OSError as error:
        raise StoreError(f"{error.filename or file}: {error.strerror or error}.") from error


def _is_plain(entry: tarfile.TarInfo) -> bool:
    """A file whose bytes are all in the archive."""
    return entry.isreg() and not entry.issparse()


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(entry)
    assert content is not None, "only files are asked for"
    return content


def _digest(content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := content.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def _copy(content: IO[bytes], target: Path) -> str:
    """The SHA-256 of what was written. Nothing is left of what fails."""
    digest = hashlib.sha256()
    try:
        with open_private(target) as stream:
            while block := content.read(_BLOCK_BYTES):
                digest.update(block)
                stream.write(block)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        with suppress(OSError):
            target.unlink()
        raise
    return digest.hexdigest()
