from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store import Store
from tests.store.samples import url_of


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(url_of(tmp_path)) as opened:
        yield opened
