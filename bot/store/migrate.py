"""Brings a database to the present schema. `Store.open` calls it at every start, in a thread of its own."""

import threading
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection

from bot.errors import StoreError
from bot.store.database import create_blocking_engine, describe
from bot.store.refusals import DAMAGED, refusals_of

# Alembic's `context` and `op` are proxies shared by the whole process.
_ALEMBIC: Final = threading.Lock()


def migration_config() -> Config:
    """Alembic's configuration, without an alembic.ini."""
    config = Config()
    config.set_main_option("script_location", "bot.store:migrations")
    return config


def migrate(url: URL, busy_timeout_s: float) -> None:
    """Applies every migration that is missing, all in one transaction. Blocks; not for an event loop's thread.

    Of two programs that start on one database together, one waits and then finds nothing to do. Raises StoreError
    if the database can't be used, is damaged or was written by a newer version of this program.
    """
    engine = create_blocking_engine(url, busy_timeout_s)
    config = migration_config()
    with _ALEMBIC, refusals_of(describe(url)):
        try:
            with engine.begin() as connection:
                _check(connection, url)
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                f"{describe(url)} has a schema that this version doesn't know: it was used by a newer dalle-bot. "
                "Update this one, or restore a backup from before."
            ) from error


def _check(connection: Connection, url: URL) -> None:
    """Raises StoreError for an SQLite file with damaged pages. It reads the whole file: some seconds for each GB."""
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() != "ok":
        raise StoreError(f"{describe(url)} {DAMAGED}")
