"""Jobs and pictures for the tests of the store, and what other programs do to its database."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import make_url, text

from bot.store import NewJob, StoredImage
from bot.store.database import create_blocking_engine

SNOWFLAKE = 2**62 + 1


def url_of(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'data' / 'bot.sqlite3'}"


def run_sql(url: str, statement: str, **values: Any) -> list[Any]:
    """Runs a statement as another program would; returns the rows, if it has any."""
    engine = create_blocking_engine(make_url(url), 5)
    with engine.begin() as connection:
        result = connection.execute(text(statement), values)
        return list(result) if result.returns_rows else []


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another program writes to an SQLite database, and doesn't end."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def let_leases_end(url: str, owner: str) -> None:
    """As the time does in which an owner of shards doesn't renew them."""
    run_sql(url, "UPDATE shard_leases SET expires_at = clock_timestamp() WHERE owner = :owner", owner=owner)


def new_job(number: int = 1, **changes: Any) -> NewJob:
    values: dict[str, Any] = {
        "prompt": "a red circle",
        "num_images": 9,
        "seed": 2**32 - 1,
        "user_id": SNOWFLAKE,
        "channel_id": SNOWFLAKE + 1,
        "interaction_id": SNOWFLAKE + number,
    }
    return NewJob(**(values | changes))


def picture(rank: int, **changes: Any) -> StoredImage:
    """A picture whose tokens and vector tell its rank."""
    values: dict[str, Any] = {
        "rank": rank,
        "index": rank + 3,
        "score": 25.25 - rank,
        "model": "demo",
        "tokens": np.array([rank, 2**31 - 1, 0], np.int32),
        "vector": np.array([rank / 4, -0.5], np.float32),
    }
    return StoredImage(**(values | changes))
