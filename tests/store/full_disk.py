"""A disk without room for a store's database. SQLite's own limit on pages refuses what a full disk would."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from bot.store import Store


@contextmanager
def full_disk(store: Store) -> Iterator[None]:
    """Inside, the database of `store` can't grow."""
    pool = store.jobs._database._engine.sync_engine.pool
    limits = [0]  # SQLite takes the present size for less

    def limit(connection: Any, _record: object, _proxy: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count = {limits[0] or 1}")
        cursor.close()

    event.listen(pool, "checkout", limit)
    try:
        yield
    finally:
        # Connections keep the limit until they are taken again.
        limits[0] = 2**30
