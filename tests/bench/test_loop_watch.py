"""The loop watch sees a loop that stands still, how long and why."""

import asyncio
import gc
import threading
import time

from bot.bench.loop_watch import LoopWatch

BLOCKED_S = 0.3


def stand_still() -> None:
    time.sleep(BLOCKED_S)


def compute() -> None:
    end_s = time.thread_time() + BLOCKED_S
    while time.thread_time() < end_s:
        pass


async def test_a_blocked_loop() -> None:
    async with LoopWatch() as watch:
        await asyncio.sleep(0.05)
        stand_still()
        await asyncio.sleep(0.05)
        longest = watch.longest()
    assert longest is not None
    assert BLOCKED_S <= longest.seconds < BLOCKED_S + 2.0
    assert longest.computed_s < BLOCKED_S / 2
    assert "stand_still" in longest.doing
    assert longest in watch.blocks()


async def test_a_loop_that_computes() -> None:
    async with LoopWatch() as watch:
        await asyncio.sleep(0.05)
        compute()
        await asyncio.sleep(0.05)
        longest = watch.longest()
    assert longest is not None
    assert BLOCKED_S - 0.05 <= longest.computed_s <= longest.seconds + 0.05
    assert "compute" in longest.doing


async def test_a_loop_that_waits_is_not_blocked() -> None:
    async with LoopWatch() as watch:
        await asyncio.sleep(0.2)
        longest = watch.longest()
    assert longest is not None
    assert longest.computed_s < 0.1


async def test_collections_on_another_thread_count() -> None:
    rings: list[list[object]] = []
    for _ in range(300_000):
        ring: list[object] = []
        ring.append(ring)
        rings.append(ring)
    async with LoopWatch() as watch:
        await asyncio.sleep(0.05)
        watch.restart()
        collecting = threading.Thread(target=gc.collect)
        collecting.start()
        await asyncio.to_thread(collecting.join)
        await asyncio.sleep(0.05)
        collected = [block.collected_s for block in (watch.longest(), *watch.blocks()) if block is not None]
    assert len(rings) == 300_000
    assert max(collected) > 0
    assert watch._on_collection not in gc.callbacks


async def test_a_restart_forgets() -> None:
    async with LoopWatch() as watch:
        stand_still()
        await asyncio.sleep(0.05)
        assert watch.blocks()
        watch.restart()
        assert (watch.longest(), watch.blocks()) == (None, [])
