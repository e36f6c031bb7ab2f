"""A store on each database that the bot takes. What asks for `store` or `store_url` runs on both."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.store import Store
from tests.store.postgres import PostgresServer
from tests.store.samples import url_of


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield url_of(tmp_path)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    yield server.empty_database()


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    async with Store.open(store_url) as opened:
        yield opened
