"""SQLite's part of a backup: a copy of a database that is in use, and the exchange of one that isn't. Blocks."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bot.errors import StoreError

BUSY_TIMEOUT_S: Final = 30.0
_BESIDE: Final = ("", "-wal", "-shm")  # what belongs to a database file in WAL mode


def copy_database(file: Path, target: Path) -> None:
    """A copy as of one moment; writers go on meanwhile. Raises StoreError."""
    if not file.is_file():
        raise StoreError(f"There is no database {file} yet: start the bot once.")
    try:
        with (
            closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
            check(copy, target)
            # The copy of a database in WAL mode is in it too, and a backup is one file.
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise StoreError(f"The database {file} can't be backed up: {error}.") from error


def check(connection: sqlite3.Connection, file: Path) -> None:
    """Raises StoreError for a damaged database, or for something else."""
    try:
        ((said,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        said = str(error)
    if said != "ok":
        raise StoreError(f"The database {file} is damaged: {said}.")


def put_in_place(new: Path, file: Path) -> Path | None:
    """Makes `new` the database and moves what was there aside; where that is, None if nothing was. Raises OSError."""
    with closing(sqlite3.connect(new)) as connection:
        check(connection, new)
    aside = None
    if any(file.with_name(file.name + end).exists() for end in _BESIDE):
        aside = file.with_name(f"{file.name}.before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    # A log that was left here would be played into the new file.
    for end in (*_BESIDE[1:], _BESIDE[0]):
        there = file.with_name(file.name + end)
        if aside is not None and there.exists():
            there.replace(aside.with_name(aside.name + end))
    new.replace(file)
    return aside
