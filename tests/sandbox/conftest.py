"""A sandbox in a thread, with little patience, for the tests of the sandbox itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.sandbox import Patience, Sandbox
from tests.sandbox.tiny_bot import TinyBot, online

QUICK = Patience(moment_s=0.1, short_s=0.2, long_s=0.4)


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox.start(out=tmp_path / "out", patience=QUICK) as sandbox:
        yield sandbox


@pytest.fixture
async def bot(sandbox: Sandbox) -> AsyncIterator[TinyBot]:
    async with online(sandbox) as bot:
        yield bot
