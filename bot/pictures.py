"""The pictures of finished jobs on disk: one PNG each, in `<folder>/<first two of the job id>/<job id>/<rank>.png`.

Every method blocks: callers use a worker thread, and may use several at once. Other processes may write to the folder
and remove from it at any time. A picture is a file that is whole or isn't there, and outlives a power cut once it was
saved; one that a disk has damaged counts as missing. Only their owner may read them.
"""

import os
import re
import shutil
import threading
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bot.errors import NoRoomError, StoreError
from bot.lasting_file import sync_folder, write_lasting
from bot.private_files import make_private_folder

_JOB_ID: Final = re.compile(r"[0-9a-f]{12}")
_FILE_NAME: Final = re.compile(r"[1-9][0-9]*\.png")
_PNG_END: Final = b"IEND\xaeB`\x82"
_BLOCK_BYTES: Final = 4096
_KEPT_SHARE: Final = 0.9
_UNSEEN_SHARE: Final = 0.05


class PictureFolder:
    """A folder of at most `max_bytes` on disk: the pictures of the oldest jobs that nobody waits for give way to new
    ones. Of several processes that share it, each may go beyond that by a twentieth, before it sees what the others
    have written.

    job_id: 12 lower-case hexadecimal digits; ValueError for anything else. rank: 1 is the best. Methods raise
    StoreError if the disk or the rights are at fault.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._total_bytes: int | None = None  # None until the folder was looked through
        self._unseen_bytes = 0  # written here since then

    def save(self, job_id: str, pngs: Sequence[bytes], *, spared: Container[str] = frozenset()) -> None:
        """Keeps the pictures of a job, best first, over those that it has already; a power cut can't take them then.

        spared: jobs whose pictures don't give way. Raises NoRoomError if there is no room beside those.
        """
        folder = self._folder_of(job_id)
        with self._lock, self._refusals("written"):
            # Unknown again if the disk fails half way.
            known_bytes, self._total_bytes = self._total_bytes, None
            replaced = _size_of(folder)
            self._write(folder, pngs)
            written = _size_of(folder)
            self._unseen_bytes += written
            if known_bytes is None or self._unseen_bytes > self._max_bytes * _UNSEEN_SHARE:
                self._total_bytes = _bytes_of(self._look_through())
            else:
                self._total_bytes = known_bytes + written - replaced
            if self._total_bytes > self._max_bytes:
                self._make_room(folder, spared)

    def load(self, job_id: str, rank: int) -> bytes | None:
        """The PNG file of a picture; None if it isn't kept (any more)."""
        with self._refusals("read"):
            try:
                png = (self._folder_of(job_id) / f"{rank}.png").read_bytes()
            except FileNotFoundError:
                return None
        return png if png.endswith(_PNG_END) else None

    def delete(self, job_id: str) -> None:
        """Forgets the pictures of a job, if there are any."""
        folder = self._folder_of(job_id)
        with self._lock, self._refusals("written"):
            self._remove(folder, _size_of(folder))

    def _folder_of(self, job_id: str) -> Path:
        if not _JOB_ID.fullmatch(job_id):
            raise ValueError(f"{job_id!r:.40} is no job id")
        return self._folder / job_id[:2] / job_id

    def _write(self, folder: Path, pngs: Sequence[bytes]) -> None:
        make_private_folder(folder)
        for rank, png in enumerate(pngs, 1):
            write_lasting(folder / f"{rank}.png", png)
        for holder in (folder, folder.parent, self._folder):
            sync_folder(holder)

    def _make_room(self, new: Path, spared: Container[str]) -> None:
        """Goes a little below the limit, since looking through the folder takes a while. Without room for the new
        pictures they go."""
        jobs = self._look_through()
        self._total_bytes = _bytes_of(jobs)
        for _, size, folder in jobs:
            if self._total_bytes <= self._max_bytes * _KEPT_SHARE:
                return
            if folder != new and folder.name not in spared:
                self._remove(folder, size)
        if self._total_bytes > self._max_bytes:
            self._remove(new, _size_of(new))
            raise NoRoomError(
                f"There is no room in {self._folder}: pictures that wait for moderators or for Discord take all of its "
                f"{self._max_bytes} bytes. Raise store.max_picture_bytes, or have moderators decide."
            )

    def _remove(self, folder: Path, size: int) -> None:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
        if self._total_bytes is not None:
            self._total_bytes -= size

    def _look_through(self) -> list[tuple[float, int, Path]]:
        """Every job's time of writing, bytes and folder, oldest first."""
        self._unseen_bytes = 0
        return sorted(self._jobs())

    def _jobs(self) -> Iterator[tuple[float, int, Path]]:
        for folder in self._folder.glob("??/*"):
            if _JOB_ID.fullmatch(folder.name):
                with suppress(FileNotFoundError):
                    yield folder.stat().st_mtime, _size_of(folder), folder

    @contextmanager
    def _refusals(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"The pictures in {self._folder} can't be {verb}: {error.strerror}. Check the disk and the rights."
            ) from error


def has_pictures(folder: Path) -> bool:
    """Whether there are any in a PictureFolder's folder; other files don't count. False where it can't be read."""
    for holder, _, names in os.walk(folder):
        path = Path(holder)
        is_of_job = _JOB_ID.fullmatch(path.name) and path.parent == folder / path.name[:2]
        if is_of_job and any(map(_FILE_NAME.fullmatch, names)):
            return True
    return False


def _bytes_of(jobs: Sequence[tuple[float, int, Path]]) -> int:
    return sum(size for _, size, _ in jobs)


def _size_of(folder: Path) -> int:
    """Bytes on disk, where files take whole blocks; 0 if there is no such folder."""
    num_blocks = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                num_blocks += -(-entry.stat().st_size // _BLOCK_BYTES)
    return num_blocks * _BLOCK_BYTES
