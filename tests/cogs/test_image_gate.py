"""What the gate says of results: pictures like rejected ones, drawn ones since plain ones have no hash."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import AsyncMock

import numpy as np
import numpy.typing as npt
import pytest

from bot.cogs.image_gate import ImageGate
from bot.cogs.picture_threads import PictureThreads
from bot.demo.draw import draw
from bot.demo.grammar import parse
from bot.errors import StoreError
from bot.guild_settings import GuildSettings
from bot.image_rule import ImageAction, ImageRule
from bot.moderation.image_categories import NO_CATEGORIES
from bot.moderation.likeness import PictureHash
from bot.requests import GeneratedImage, GenerationRequest, Result, Sampling
from bot.store import Store
from bot.store.blocked_hashes import BlockedHashStore
from tests.store.samples import url_of

GUILD = 7


def picture(caption: str) -> npt.NDArray[np.uint8]:
    return draw(parse(caption), np.random.default_rng(1))


def result(*captions: str) -> Result:
    tokens, vector = np.zeros(4, np.int32), np.zeros(4, np.float32)
    images = tuple(GeneratedImage(i, picture(each), tokens, 1.0, vector) for i, each in enumerate(captions))
    request = GenerationRequest("a star", len(images), seed=1, requester="1")
    return Result(request, "demo", Sampling(1.0, 0, 1.0, 1.0), images, (), 1.0)


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[ImageGate]:
    threads = PictureThreads()
    async with Store.open(url_of(tmp_path)) as store:
        yield ImageGate(NO_CATEGORIES, store.blocked_hashes, threads)
    threads.close()


async def test_what_is_like_a_rejected_picture_is_refused_in_that_guild(gate: ImageGate) -> None:
    drawn = result("a blue ring on a white background", "a black star on a red background")
    assert (await gate.judge(GUILD, (), drawn)).action is None
    await gate.block(GUILD, [picture("a black star on a red background")], case_number=1)
    ruling = await gate.judge(GUILD, (), drawn)
    assert (ruling.like_rejected, ruling.action) == ((2,), ImageAction.REFUSE)
    assert (await gate.judge(GUILD + 1, (), drawn)).action is None
    assert (await gate.judge(None, (), drawn)).action is None
    assert (await gate.judge(GUILD, (), result("a blue ring on a white background"))).action is None


async def test_what_can_be_kept_from_sight(gate: ImageGate, monkeypatch: pytest.MonkeyPatch) -> None:
    star = "a black star on a red background"
    assert not await gate.keeps_from_sight(GUILD, ())
    await gate.block(GUILD, [picture(star)], case_number=1)
    assert await gate.keeps_from_sight(GUILD, ())
    await gate.judge(GUILD, (), result(star))
    with monkeypatch.context() as patched:
        patched.setattr(BlockedHashStore, "has_any", AsyncMock(side_effect=StoreError("It is locked.")))
        assert await gate.keeps_from_sight(GUILD, ()), "what is in memory is known"
        assert await gate.keeps_from_sight(GUILD + 1, ()), "nobody knows"
    assert not await gate.keeps_from_sight(GUILD + 1, ())
    assert not await gate.keeps_from_sight(None, ())
    await gate.unblock(GUILD, 1, 99)
    assert not await gate.keeps_from_sight(GUILD, ())


async def test_what_is_rejected_must_be_read_in_time(gate: ImageGate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cogs.image_gate.STORE_TIMEOUT_S", 0.0)
    with pytest.raises(StoreError, match="What guild 7 has rejected could not be read in time"):
        await gate.judge(GUILD, (), result("a black star on a red background"))


async def test_what_is_taken_back_is_shown_again(gate: ImageGate) -> None:
    star = "a black star on a red background"
    await gate.block(GUILD, [picture(star)], case_number=1)
    assert (await gate.judge(GUILD, (), result(star))).like_rejected == (1,)
    assert await gate.unblock(GUILD, 2, 99) == 0
    assert await gate.unblock(GUILD, 1, 99) == 1
    assert (await gate.judge(GUILD, (), result(star))).action is None


async def test_where_the_hashes_can_not_be_read_nothing_is_let_through(
    gate: ImageGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: object) -> None:
        raise StoreError("It is locked.")

    monkeypatch.setattr(BlockedHashStore, "of", down)
    with pytest.raises(StoreError):
        await gate.judge(GUILD, (), result("a black star on a red background"))


async def test_what_is_rejected_while_the_hashes_are_read_is_not_forgotten(
    gate: ImageGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    star = "a black star on a red background"
    has_read, may_go_on = asyncio.Event(), asyncio.Event()
    read = BlockedHashStore.of

    async def slow(hashes: BlockedHashStore, guild_id: int) -> list[PictureHash]:
        found = await read(hashes, guild_id)
        has_read.set()
        await may_go_on.wait()
        return found

    monkeypatch.setattr(BlockedHashStore, "of", slow)
    async with asyncio.timeout(10):
        judging = asyncio.create_task(gate.judge(GUILD, (), result(star)))
        await has_read.wait()
        blocking = asyncio.create_task(gate.block(GUILD, [picture(star)], case_number=1))
        # Blocking may finish first or wait for its turn; in neither case is what it adds lost.
        await asyncio.wait({blocking}, timeout=1.0)
        may_go_on.set()
        await asyncio.gather(judging, blocking)
        assert (await gate.judge(GUILD, (), result(star))).like_rejected == (1,)


def test_only_holds_are_spared_the_trusted() -> None:
    hold, refuse = ImageRule("one", ImageAction.HOLD), ImageRule("two", ImageAction.REFUSE)
    settings = GuildSettings(image_rules=(hold, refuse))
    assert ImageGate.rules(settings, is_trusted=False) == (hold, refuse)
    assert ImageGate.rules(settings, is_trusted=True) == (refuse,)
