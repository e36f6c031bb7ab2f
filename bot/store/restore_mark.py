"""The mark of a restore that is under way, beside the database that it changes. Used by bot/backups, and by whatever
opens a store. Blocks.

It is there before the first write and until after the last. Where it is found and no restore runs, one was cut short:
what is there may be nothing, or half of something, and nobody but the next restore may use it.

For SQLite it is a file beside the database's, for PostgreSQL a schema beside the one that the bot uses. Either holds
the time of its beginning, by which what was there before is kept aside: the next restore goes on with the same one.
"""

import re
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import DDL, URL
from sqlalchemy.schema import CreateSchema, DropSchema, ExecutableDDLElement

from bot.errors import StoreFaultError
from bot.lasting_file import sync_folder, write_lasting
from bot.store.database import BUSY_TIMEOUT_S, create_blocking_engine, describe, sqlite_file
from bot.store.explaining import explained_refusals_of

SCHEMA: Final = "dalle_bot_restoring"
_FIND: Final = "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = %s"
_COMMENT: Final = "COMMENT ON SCHEMA %(schema)s IS '%(stamp)s'"  # which takes no bound parameters
_STAMP: Final = re.compile(r"[0-9]{8}T[0-9]{6}")


class RestoreMark(Protocol):
    """Methods raise StoreError."""

    def read(self) -> str | None:
        """The stamp that was set; None without a mark."""

    def set(self, stamp: str) -> None:
        """Makes the mark, or leaves it as it is. stamp: a time as 20261128T052041."""

    def remove(self) -> None:
        """Nothing happens without a mark."""


def restore_mark(url: URL) -> RestoreMark:
    """The mark of a database."""
    file = sqlite_file(url)
    return _SchemaMark(url) if file is None else _FileMark(file)


def refuse_half_restored(url: URL) -> None:
    """Raises StoreError if a restore of this database was cut short, or is under way."""
    if restore_mark(url).read() is not None:
        raise StoreFaultError(
            f"{describe(url)} is half restored: `dalle-bot restore FILE` did not come to its end.",
            "Run it again, with that backup or another one.",
            is_lasting=True,
        )


class _FileMark:
    def __init__(self, database: Path) -> None:
        self._file = database.with_name(f"{database.name}.restoring")

    def read(self) -> str | None:
        try:
            return _checked(self._file.read_text(encoding="utf-8"), str(self._file))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StoreFaultError(
                f"{self._file} can't be read: {_reason(error)}.",
                "Give this user the right to read it, or see to its disk.",
            ) from error

    def set(self, stamp: str) -> None:
        try:
            write_lasting(self._file, stamp.encode())
            sync_folder(self._file.parent)
        except OSError as error:
            raise StoreFaultError(
                f"{self._file} can't be written: {_reason(error)}.",
                "Give this user the right to write it, or see to its disk.",
            ) from error

    def remove(self) -> None:
        try:
            with suppress(FileNotFoundError):
                self._file.unlink()
            sync_folder(self._file.parent)
        except OSError as error:
            raise StoreFaultError(
                f"{self._file} can't be deleted: {_reason(error)}.", "Delete it by hand.", is_lasting=True
            ) from error


class _SchemaMark:
    def __init__(self, url: URL) -> None:
        self._url = url

    def read(self) -> str | None:
        engine = create_blocking_engine(self._url, BUSY_TIMEOUT_S, is_writing=False)
        with explained_refusals_of(self._url), engine.connect() as connection:
            stamp: str | None = connection.exec_driver_sql(_FIND, (SCHEMA,)).scalar()
        return None if stamp is None else _checked(stamp, f"The comment of the schema {SCHEMA}")

    def set(self, stamp: str) -> None:
        names = {"schema": SCHEMA, "stamp": _checked(stamp, "A stamp")}
        self._execute(CreateSchema(SCHEMA, if_not_exists=True), DDL(_COMMENT, context=names))

    def remove(self) -> None:
        self._execute(DropSchema(SCHEMA, if_exists=True))

    def _execute(self, *statements: ExecutableDDLElement) -> None:
        engine = create_blocking_engine(self._url, BUSY_TIMEOUT_S)
        with explained_refusals_of(self._url), engine.begin() as connection:
            for statement in statements:
                connection.execute(statement)


def _checked(stamp: str, where: str) -> str:
    """It becomes part of a path or of a statement."""
    if _STAMP.fullmatch(stamp) is None:
        raise StoreFaultError(
            f"{where} is not what `dalle-bot restore` writes.", "Find out who did, and delete it.", is_lasting=True
        )
    return stamp


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
