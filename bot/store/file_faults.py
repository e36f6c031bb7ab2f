"""What is wrong with the place of an SQLite file, as it can be seen from outside: rights, disk, remains. Used before
one is opened, and where that fails. Blocks.
"""

import errno
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bot.pictures import has_pictures
from bot.store.refusals import FULL, UNWRITABLE, Refusal

LEAST_FREE_BYTES: Final = 4_000_000  # what the log beside a database takes before it is emptied
LOG_ENDS: Final = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a file
# What a place answers until somebody has done something about it. Other faults of a disk may pass.
_LASTING: Final = (
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EROFS,
    errno.EOPNOTSUPP,
    errno.EINVAL,
)

READ_ONLY_DISK: Final = Refusal(
    "can't be written: its disk can only be read.",
    "Mount it to be written, or set data_dir to a place that may be: under systemd that of StateDirectory, in a "
    "container a volume.",
    is_lasting=True,
)


def nearest_there(folder: Path) -> Path:
    """It, or the nearest above it that exists, as far as this user can see: not past a folder that lets nobody in."""
    # Path.exists would raise for one in such a folder.
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))


def fault_of_place(file: Path) -> Refusal | None:
    """Whether this user could keep a database there. None if the disk fails just now: that may pass."""
    if not _answers(file):
        return None
    if os.path.isdir(file):
        return Refusal(
            "can't be opened: a folder has its name.", "Move the folder away, or name another file.", is_lasting=True
        )
    folder = file.parent
    there = nearest_there(folder)
    if not there.is_dir():
        return Refusal(
            f"can't be made: {there} is a file, not a folder.", "Move it away, or name another place.", is_lasting=True
        )
    if _is_read_only(there):
        return READ_ONLY_DISK
    shut = [path for path in (there, *_parts(file)) if not _may_use(path)]
    if shut:
        return _no_rights(folder, there, shut)
    return _no_files(file, there) if _never_takes_files(there) else None


def fault_of_folder(file: Path, data_dir: Path) -> Refusal | None:
    """Whether its folder is missing outside of `data_dir`: a path with a mistake, or a disk that is not mounted."""
    folder = Path(os.path.abspath(file.parent))
    if os.path.exists(folder) or not _answers(folder) or folder.is_relative_to(os.path.abspath(data_dir)):
        return None
    return Refusal(
        f"can't be created: there is no folder {folder}, and the bot makes none outside of data_dir.",
        f"Put store.url right, mount the disk that it names, or run `mkdir -p {shlex.quote(str(folder))}`.",
        is_lasting=True,
    )


def fault_of_disk(file: Path) -> Refusal | None:
    """Whether there is no room for it."""
    if not _answers(file):
        return None
    folder = nearest_there(file.parent)
    free = shutil.disk_usage(folder).free
    if free >= LEAST_FREE_BYTES:
        return None
    return Refusal(FULL.found, f"Make room on the disk of {folder}, which has {free // 1000} kB left.")


def fault_of_remains(file: Path, pictures: Path | None = None) -> Refusal | None:
    """Whether what is there, or what is beside it, says that there was more. pictures: the folder of those that are
    written for its jobs, none of which comes before it; None for a database without."""
    file = file.resolve()
    if not _answers(file):
        return None
    if os.path.exists(file):
        return _emptied(pictures) if file.stat().st_size == 0 else None
    remains = [str(path) for path in _parts(file) if path.name.removeprefix(file.name) in LOG_ENDS]
    if not remains:
        return None if pictures is None or not has_pictures(pictures) else _only_pictures(pictures)
    return Refusal(
        f"is gone, but what belongs to it is still there: {', '.join(remains)}.",
        "Put the file back beside that, or run `dalle-bot restore FILE` with the newest backup. "
        + _begin_anew("delete what is left", pictures),
        is_lasting=True,
    )


def _emptied(pictures: Path | None) -> Refusal:
    return Refusal(
        "is a file of 0 bytes, and the bot never leaves one: something has emptied it.",
        f"Run `dalle-bot restore FILE` with the newest backup. {_begin_anew('delete the file', pictures)}",
        is_lasting=True,
    )


def _only_pictures(pictures: Path) -> Refusal:
    """It may never have been there: its jobs may be in another database."""
    return Refusal(
        f"is not there, but there are pictures of jobs in {pictures}.",
        "If it was there before, put it back, mount the disk that it is on, or run `dalle-bot restore FILE` with the "
        "newest backup. If these jobs are in another database, name that in store.url. To start anew without them, "
        f"move {pictures} away.",
        is_lasting=True,
    )


def _begin_anew(how: str, pictures: Path | None) -> str:
    """The end of a cure. how: what to do about the database; pictures that are left would be refused next."""
    also = f" and move {pictures} away" if pictures is not None and has_pictures(pictures) else ""
    return f"If nothing of it is to be kept, {how}{also} to start anew."


def _answers(path: Path) -> bool:
    """Whether its disk says if it is there."""
    try:
        os.stat(path)
    except OSError as error:
        return error.errno in _LASTING
    return True


def _never_takes_files(folder: Path) -> bool:
    """Those like /proc take none, whatever their rights say. A full one may take some later."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return False
    except OSError as error:
        return error.errno in _LASTING


def _no_files(file: Path, there: Path) -> Refusal:
    done = "written" if os.path.exists(file) else "created"
    return Refusal(
        f"can't be {done} there: {there} takes no new files.", "Name another place in store.url.", is_lasting=True
    )


def _parts(file: Path) -> Iterator[Path]:
    """What there is of a database."""
    for end in ("", *LOG_ENDS, ".lock"):
        part = file.with_name(file.name + end)
        if os.path.exists(part):
            yield part


def _may_use(path: Path) -> bool:
    return _may(os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0), path)


def _may(rights: int, path: Path) -> bool:
    return os.access(path, rights, effective_ids=os.access in os.supports_effective_ids)


def _is_read_only(folder: Path) -> bool:
    return hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _no_rights(folder: Path, there: Path, shut: list[Path]) -> Refusal:
    """shut: what this user may not use. there: `folder`, or what there is of the way to it."""
    if not hasattr(os, "geteuid"):
        return UNWRITABLE  # Windows
    user, owner = _user_name(os.geteuid()), _user_name(os.stat(shut[0]).st_uid)
    found = f"can't be written: {shut[0]} belongs to the user {owner}, and this is {user}."
    if owner == user:
        found = f"can't be written: the rights of {shut[0]} don't let its owner, {user}, do so."
        do = f"Run `chmod u+rwX {shlex.join(map(str, shut))}`."
    elif there != folder and not _may(os.X_OK, there):
        # Nothing below it would be of any use, whosever it is.
        found = f"can't be reached: {there} belongs to the user {owner}, and {user} may not enter it."
        do = f"As root, run `chmod a+x {shlex.quote(str(there))}`, or set data_dir to a folder of {user}."
    elif there != folder:
        do = f"As root, run `install -d -o {user} {shlex.quote(str(folder))}`, or set data_dir to a folder of {user}."
    else:
        do = f"As root, run `chown {user} {shlex.join(map(str, shut))}`, or run dalle-bot as {owner}."
    return Refusal(found, do, is_lasting=True)


def _user_name(uid: int) -> str:
    import pwd  # which Windows lacks

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
