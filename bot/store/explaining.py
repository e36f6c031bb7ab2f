"""A refusal with what can be seen around the database: who holds it, whose its files are, what to type on its server.
Used where a store is opened, and by commands. Blocks.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from bot.store.database import describe, sqlite_file
from bot.store.file_faults import fault_of_disk, fault_of_folder, fault_of_place, fault_of_remains
from bot.store.lock_holders import holders_of_database, holders_of_files
from bot.store.refusals import (
    FAULTY_DISK,
    FULL,
    LOCKED,
    NO_DATABASE,
    TOO_FEW_RIGHTS,
    UNKNOWN,
    UNOPENED,
    UNWRITABLE,
    WRONG_PASSWORD,
    Refusal,
    refusals_of,
)

_OF_PLACES: Final = (UNOPENED, UNWRITABLE, FAULTY_DISK, FULL, UNKNOWN)
_PLAIN_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")


def explained_refusals_of(url: URL) -> AbstractContextManager[None]:
    """Like `refusals_of`."""
    return refusals_of(describe(url), lambda refusal: _explained(refusal, url))


def refuse_place(url: URL) -> None:
    """Raises StoreFaultError if no SQLite database could be kept where this one is to be."""
    _refuse_file(url, fault_of_place)


def refuse_folder(url: URL, data_dir: Path) -> None:
    """The same, also if the folder of an SQLite file is missing, unless that is in the bot's own."""
    _refuse_file(url, lambda file: fault_of_place(file) or fault_of_folder(file, data_dir))


def refuse_remains(url: URL, pictures: Path | None = None) -> None:
    """Raises StoreFaultError if only a part is left of an SQLite database, or only pictures of its jobs. pictures:
    their folder."""
    _refuse_file(url, lambda file: fault_of_remains(file, pictures))


def refuse_full_disk(url: URL) -> None:
    """Raises StoreFaultError if an SQLite database can't grow."""
    _refuse_file(url, fault_of_disk)


def _refuse_file(url: URL, fault_of: Callable[[Path], Refusal | None]) -> None:
    file = sqlite_file(url)
    fault = None if file is None else fault_of(file)
    if fault is not None:
        raise fault.error(describe(url))


def _explained(refusal: Refusal, url: URL) -> Refusal:
    file = sqlite_file(url)
    if refusal is LOCKED:
        holders = (
            holders_of_database(url)
            if file is None
            else holders_of_files(file, file.with_name(f"{file.name}-shm"), file.with_name(f"{file.name}-wal"))
        )
        return refusal if holders is None else replace(refusal, found=f"is locked by {holders}.")
    if file is not None:
        found = fault_of_place(file) or fault_of_disk(file) if refusal in _OF_PLACES else None
        return found or refusal
    cure = _cures_on_server(url).get(refusal)
    return refusal if cure is None else replace(refusal, cure=cure)


def _cures_on_server(url: URL) -> dict[Refusal, str]:
    """What to type there, by what is wrong."""
    name, user = _quoted(url.database), _quoted(url.username)
    return {
        NO_DATABASE: f"Make it there (`CREATE DATABASE {name} OWNER {user}`), or put its name right in store.url.",
        WRONG_PASSWORD: f"Put both right there, or set another one on the server (`\\password {user}` in psql).",
        TOO_FEW_RIGHTS: f"Make that user its owner: `ALTER DATABASE {name} OWNER TO {user}`.",
    }


def _quoted(name: str | None) -> str:
    """As SQL wants it."""
    if not name:
        return "NAME"
    doubled = name.replace('"', '""')
    return name if _PLAIN_NAME.fullmatch(name) else f'"{doubled}"'
