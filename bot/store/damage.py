"""Whether an SQLite file has damaged pages. Used wherever one is opened for the first time, and by backups. Blocks."""

from typing import Any

from bot.store.refusals import DAMAGED


def refuse_damaged(connection: Any, name: str) -> None:
    """Raises StoreFaultError. It reads the whole file: some seconds for each GB.

    connection: of sqlite3, as SQLAlchemy's driver has it too. name: from `describe`.
    """
    if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise DAMAGED.error(name)
