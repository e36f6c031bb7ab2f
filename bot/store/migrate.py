"""Brings a database to the present schema. `Store.open` calls it at every start, in a thread of its own."""

import threading
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL

from bot.lasting_file import sync_folder
from bot.store.damage import refuse_damaged
from bot.store.database import close_log, create_blocking_engine, describe, sqlite_file
from bot.store.explaining import explained_refusals_of
from bot.store.file_faults import LOG_ENDS
from bot.store.refusals import NEWER

# Alembic's `context` and `op` are proxies shared by the whole process.
_ALEMBIC: Final = threading.Lock()


def migration_config() -> Config:
    """Alembic's configuration, without an alembic.ini."""
    config = Config()
    config.set_main_option("script_location", "bot.store:migrations")
    return config


def migrate(url: URL, busy_timeout_s: float) -> None:
    """Applies every migration that is missing, all in one transaction. Blocks; not for an event loop's thread.

    Of two programs that start on one PostgreSQL database together, one waits and then finds nothing to do. An SQLite
    file that isn't there yet is made inside `store_in_use` only, which lets in one of them: here each would take away
    what the other makes. Raises StoreError if the database can't be used, is damaged or was written by a newer version
    of this program.
    """
    file = sqlite_file(url)
    with _ALEMBIC, explained_refusals_of(url):
        try:
            if file is None or file.exists():
                _upgrade(url, busy_timeout_s)
            else:
                _make_anew(url, file.resolve(), busy_timeout_s)
        except CommandError as error:
            raise NEWER.error(describe(url)) from error


def unfinished_file(file: Path) -> Path:
    """What an SQLite file is called while it is made for the first time."""
    return file.with_name(f"{file.name}.new")


def _make_anew(url: URL, file: Path, busy_timeout_s: float) -> None:
    """Under another name first, so that an SQLite file is there as a whole or not at all."""
    new = unfinished_file(file)
    _remove(new)  # of a start that was killed
    try:
        _upgrade(url.set(database=str(new)), busy_timeout_s)
        close_log(new)
        new.replace(file)
    finally:
        _remove(new)
    sync_folder(file.parent)


def _remove(file: Path) -> None:
    for end in ("", *LOG_ENDS):
        file.with_name(file.name + end).unlink(missing_ok=True)


def _upgrade(url: URL, busy_timeout_s: float) -> None:
    config = migration_config()
    with create_blocking_engine(url, busy_timeout_s).begin() as connection:
        if sqlite_file(url) is not None:
            refuse_damaged(connection.connection.driver_connection, describe(url))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
