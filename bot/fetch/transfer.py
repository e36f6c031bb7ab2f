"""Brings files of a remote to this machine: room on the disk, parts that are taken up again, digests.

Called by bot.fetch.locate on the thread that starts the engine or fetches. Several processes may do so at once: the
first one to lock a file downloads it, the others wait while it grows.
"""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from filelock import FileLock, Timeout

from bot.errors import FetchError
from bot.fetch.digest import hasher
from bot.fetch.lock import Held, HeldFile
from bot.fetch.remote import BrokenOffError, Place, Remote
from bot.startup import Advance, StartUp, format_amount

T = TypeVar("T")

_PIECE_BYTES: Final = 8 * 1024 * 1024
_POLL_S: Final = 0.5
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Patience:
    """attempts: in a row without a new byte, before a transfer is given up. wait_s: after a failure; doubles each time.

    stalled_s: how long to wait for another process that downloads the same file and gets no further.
    """

    attempts: int = 5
    wait_s: float = 1.0
    stalled_s: float = 120.0


PATIENCE: Final = Patience()


def persistently(ask: Callable[[], T], remote: Remote, patience: Patience, start_up: StartUp) -> T:
    """What `ask` returns, after as many attempts as patience allows; each but the first is noted in `start_up`.

    Raises FetchError, StartCancelledError and what `ask` raises.
    """
    attempts = 1 if remote.is_persistent else patience.attempts
    for attempt in range(1, attempts + 1):
        try:
            return ask()
        except BrokenOffError as error:
            if attempt == attempts:
                raise FetchError(f"{_capital(remote.title)} can't be reached: {error}. {remote.advice}") from error
            _wait(patience.wait_s * 2 ** (attempt - 1), _capital(remote.title), error, start_up)
    raise AssertionError("patience.attempts is at least 1")


def missing_files(remote: Remote, held: Held) -> list[str]:
    """Files of a version that are not in its folder, or not in their whole size."""
    folder = remote.folder(held)
    return [name for name, file in held.files.items() if _size(folder / name) != file.size]


def missing_bytes(remote: Remote, held: Held, names: Sequence[str]) -> int:
    """How much of these files is still to come; what lies in their parts is here already."""
    return sum(held.files[name].size - _here(remote.place(held, name), held.files[name]) for name in names)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Files of one version that are still to come, or parts of them."""

    remote: Remote
    held: Held
    names: Sequence[str]


def check_room(wanted: Sequence[Wanted]) -> None:
    """Raises FetchError with both numbers if a disk has less room than all these files together still need there."""
    disks: dict[int, list[Wanted]] = {}
    for each in wanted:
        disks.setdefault(_existing(each.remote.folder(each.held)).stat().st_dev, []).append(each)
    for there in disks.values():
        needed = sum(missing_bytes(each.remote, each.held, each.names) for each in there)
        folder = there[0].remote.folder(there[0].held)
        free = _free(folder)
        if needed > free:
            *others, last = [each.remote.title for each in there]
            titles = f"{', '.join(others)} and {last}" if others else last
            raise FetchError(
                f"{_capital(titles)} need{'' if others else 's'} {format_amount(needed, 'bytes')} more, but the disk "
                f"of {folder} has {format_amount(free, 'bytes')} free: make room there, or move data_dir or HF_HOME "
                "to another disk."
            )


def bring(
    remote: Remote, held: Held, name: str, *, again: str, patience: Patience, start_up: StartUp, advance: Advance
) -> int:
    """Downloads one file, or the rest of it, and checks it. Returns how many bytes this process downloaded.

    again: how to take up where this one failed, as "`dalle-bot fetch mega`". `advance` counts the bytes that were not
    here before, other processes' too. Raises what Remote.read does, StartCancelledError, and FetchError: the
    connection stays broken, the disk is full, the content is not what was announced. What came so far is kept but for
    the last.
    """
    place, file = remote.place(held, name), held.files[name]
    own = 0
    try:
        place.part.parent.mkdir(parents=True, exist_ok=True)
        place.guard.parent.mkdir(parents=True, exist_ok=True)
        with _alone(place, file, patience, start_up, advance):
            # A part that another process finished, or a file of the same content in another version.
            if _size(place.file) != file.size:
                own = _download(remote, held, name, place, again, patience, start_up, advance)
            remote.finish(held, name)
    except OSError as error:
        raise FetchError(_disk_sentence(error, place, file, again)) from error
    return own


def verify(remote: Remote, held: Held, name: str, *, again: str, advance: Advance) -> None:
    """Reads a file that is here and compares it with its digest. Removes a wrong one and raises FetchError."""
    path, file = remote.folder(held) / name, held.files[name]
    if file.digest is None:
        advance(file.size)
        return
    hashing = hasher(file.digest, file.size)
    try:
        for piece in _pieces(path):
            hashing.update(piece)
            advance(len(piece))
    except OSError as error:
        raise FetchError(f"{path} can't be read ({error.strerror}).") from error
    _compare(remote, held, name, hashing.hexdigest(), again, lambda: remote.discard(held, name))


def _download(
    remote: Remote,
    held: Held,
    name: str,
    place: Place,
    again: str,
    patience: Patience,
    start_up: StartUp,
    advance: Advance,
) -> int:
    """Fills the part and makes it the file. Returns how many bytes it downloaded."""
    file = held.files[name]
    if _size(place.part) > file.size:
        place.part.unlink()
    hashing = hasher(file.digest, file.size) if file.digest else None
    if hashing is not None:
        for piece in _pieces(place.part):
            start_up.pause(0)
            hashing.update(piece)
    done = first = _size(place.part)
    failures = 0
    with place.part.open("ab") as part:
        while done < file.size:
            before = done
            try:
                for piece in remote.read(held, name, done):
                    # Whoever sends more than was announced shall not fill the disk.
                    piece = piece[: file.size - done]
                    part.write(piece)
                    if hashing is not None:
                        hashing.update(piece)
                    done += len(piece)
                    advance(len(piece))
                why = BrokenOffError("it ended too early")
            except BrokenOffError as error:
                why = error
            if done == file.size:
                break
            # What has come counts for the next process even if this one is killed while it waits.
            part.flush()
            failures = 0 if done > before else failures + 1
            if failures >= patience.attempts:
                raise FetchError(
                    f"{name} of {remote.title} broke off after {_of(done, file)}: {why}. What has come is kept: "
                    f"{again} goes on from there. {remote.advice}"
                ) from why
            _wait(patience.wait_s * 2**failures, f"{name} of {remote.title}", why, start_up)
        part.flush()
        os.fsync(part.fileno())
    if hashing is not None:
        _compare(remote, held, name, hashing.hexdigest(), again, place.part.unlink)
    place.part.replace(place.file)
    return done - first


def _compare(remote: Remote, held: Held, name: str, found: str, again: str, remove: Callable[[], None]) -> None:
    announced = held.files[name].digest or ""
    algorithm, _, expected = announced.partition(":")
    if found == expected:
        return
    remove()
    raise FetchError(
        f"{name} of {remote.title} is damaged: its {algorithm} is {found}, announced was {expected}. It was removed; "
        f"{again} fetches it again. If that doesn't help, the same with --update takes what is newest now."
    )


@contextmanager
def _alone(place: Place, file: HeldFile, patience: Patience, start_up: StartUp, advance: Advance) -> Iterator[None]:
    """Locks a file against other processes. While one of them downloads it, its progress is shown as ours."""
    lock = FileLock(place.guard)
    seen = _here(place, file)
    deadline = time.monotonic() + patience.stalled_s
    while True:
        try:
            lock.acquire(timeout=min(_POLL_S, patience.stalled_s))
            break
        except Timeout:
            start_up.pause(0)
            here = _here(place, file)
            if here > seen:
                advance(here - seen)
                seen, deadline = here, time.monotonic() + patience.stalled_s
            elif time.monotonic() > deadline:
                raise FetchError(
                    f"{place.part}: another process has downloaded this for {patience.stalled_s:.0f} s without getting "
                    "any further. End it and try again."
                ) from None
    try:
        advance(_here(place, file) - seen)
        yield
    finally:
        lock.release()


def _pieces(path: Path) -> Iterator[bytes]:
    if not path.is_file():
        return
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE_BYTES):
            yield piece


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _here(place: Place, file: HeldFile) -> int:
    if _size(place.file) == file.size:
        return file.size
    return min(_size(place.part), file.size)


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def _free(folder: Path) -> int:
    return shutil.disk_usage(_existing(folder)).free


def _wait(seconds: float, what: str, why: BrokenOffError, start_up: StartUp) -> None:
    """Sleeps before the next attempt and tells why, since nothing else is seen meanwhile."""
    start_up.note(f"{what}: {why}; trying again in {seconds:g} s.")
    start_up.pause(seconds)


def _disk_sentence(error: OSError, place: Place, file: HeldFile, again: str) -> str:
    if error.errno in _NO_ROOM:
        missing = format_amount(file.size - _size(place.part), "bytes")
        return (
            f"The disk of {place.part.parent} is full; {missing} are still to come. What has come is kept: make room, "
            f"and {again} goes on from there."
        )
    remedy = "check its rights" if error.errno != errno.EROFS else "move data_dir or HF_HOME to another disk"
    return f"{error.filename or place.file} can't be written ({error.strerror}): {remedy}, then {again}."


def _of(done: int, file: HeldFile) -> str:
    return f"{format_amount(done, 'bytes')} of {format_amount(file.size, 'bytes')}"


def _capital(text: str) -> str:
    # Not s3://bucket.
    return text if "://" in text.partition(" ")[0] else text[:1].upper() + text[1:]
