"""SQLite's part of a backup: a copy of a database that is in use, and the exchange of one that isn't. Blocks."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from bot.errors import StoreError
from bot.store.damage import refuse_damaged
from bot.store.database import describe
from bot.store.explaining import explained_refusals_of
from bot.store.file_faults import LOG_ENDS
from bot.store.refusals import FULL, STRANGE, refusal_of

BUSY_TIMEOUT_S: Final = 30.0


def copy_database(url: URL, file: Path, target: Path) -> None:
    """A copy as of one moment; writers go on meanwhile. file: of `url`. Raises StoreError."""
    if not file.is_file():
        raise StoreError(f"There is no database {file} yet: start the bot once.")
    with (
        explained_refusals_of(url),
        closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        _copy(source, copy, target)
        refuse_damaged(copy, describe(url))
        if not copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchall():
            raise STRANGE.error(describe(url))


def _copy(source: sqlite3.Connection, copy: sqlite3.Connection, target: Path) -> None:
    try:
        source.backup(copy)
        # The copy of a database in WAL mode is in it too, and a backup is one file.
        copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        if refusal_of(error) is FULL:
            raise StoreError(
                f"The disk of {target.parent.parent} is too full for a backup: make room on it."
            ) from error
        raise


def aside_file(file: Path, stamp: str) -> Path:
    """Where a restore that began then keeps what was there before."""
    return file.with_name(f"{file.name}.before-restore-{stamp}")


def is_aside(file: Path, stamp: str) -> bool:
    """Whether something of what was there before is there already."""
    return any(_beside(aside_file(file, stamp)))


def put_in_place(new: Path, file: Path, stamp: str) -> Path | None:
    """Makes `new` the database and moves what was there aside, unless an earlier attempt has done that; where it is
    now, None if nothing was there. Raises OSError."""
    aside = aside_file(file, stamp)
    is_moved = aside.exists()
    # The log before the file: what was left here would be played into the new one.
    for there in [*_beside(file)][::-1]:
        if is_moved:
            there.unlink()
        else:
            there.replace(aside.with_name(aside.name + there.name.removeprefix(file.name)))
    new.replace(file)
    return aside if is_aside(file, stamp) else None


def _beside(file: Path) -> Iterator[Path]:
    """What there is of a database."""
    for end in ("", *LOG_ENDS):
        part = file.with_name(file.name + end)
        if part.exists():
            yield part
