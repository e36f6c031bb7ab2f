"""Turns of those who write: one at a time, urgent ones first, and a cancelled one is nobody's loss."""

import asyncio

import pytest

from bot.store import NewJob, Store
from bot.store.turns import WriteTurns


class Writers:
    """Tasks that take a turn each. order: who had one, in order."""

    def __init__(self) -> None:
        self.turns = WriteTurns()
        self.order: list[str] = []
        self._num_inside = 0

    def start(self, name: str, *, is_urgent: bool = False) -> asyncio.Task[None]:
        return asyncio.create_task(self._write(name, is_urgent))

    async def _write(self, name: str, is_urgent: bool) -> None:
        async with self.turns.turn(is_urgent=is_urgent):
            self.order.append(name)
            self._num_inside += 1
            assert self._num_inside == 1
            await asyncio.sleep(0)
            self._num_inside -= 1


@pytest.fixture
async def writers() -> Writers:
    return Writers()


async def test_urgent_ones_come_first_and_equals_in_order(writers: Writers) -> None:
    async with writers.turns.turn(is_urgent=False):
        tasks = [writers.start("a"), writers.start("b"), writers.start("c", is_urgent=True)]
        await asyncio.sleep(0)
        tasks.append(writers.start("d", is_urgent=True))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert writers.order == ["c", "d", "a", "b"]


async def test_nobody_slips_in_before_who_waits(writers: Writers) -> None:
    async with writers.turns.turn(is_urgent=False):
        waiting = writers.start("first")
        await asyncio.sleep(0)
    async with writers.turns.turn(is_urgent=True):
        writers.order.append("second")
    await waiting
    assert writers.order == ["first", "second"]


@pytest.mark.fault
async def test_who_is_cancelled_passes_the_turn_on(writers: Writers) -> None:
    async with writers.turns.turn(is_urgent=False):
        waiting, given_up, last = writers.start("a"), writers.start("b"), writers.start("c")
        await asyncio.sleep(0)
        given_up.cancel()
    # It was told that it is its turn, and hears of its end before it takes it.
    waiting.cancel()
    await asyncio.gather(waiting, given_up, last, return_exceptions=True)
    assert waiting.cancelled()
    assert given_up.cancelled()
    assert writers.order == ["c"]
    async with asyncio.timeout(1.0), writers.turns.turn(is_urgent=False):
        pass


@pytest.mark.fault
async def test_a_raise_inside_passes_the_turn_on(writers: Writers) -> None:
    with pytest.raises(ValueError, match="inside"):
        async with writers.turns.turn(is_urgent=False):
            raise ValueError("inside")
    await writers.start("a")
    assert writers.order == ["a"]


async def test_many_writers_at_once_all_succeed(store: Store) -> None:
    """More than there are connections, each with several statements, on SQLite's shortest patience."""
    jobs = [NewJob(prompt="a", num_images=1, seed=1, user_id=1, channel_id=2, interaction_id=n) for n in range(60)]

    async def accept(job: NewJob) -> None:
        await store.jobs.create(job)
        await store.jobs.acknowledge(job.id, 2, job.interaction_id)

    await asyncio.gather(*(accept(job) for job in jobs))
    assert len(await store.jobs.unfinished()) == len(jobs)
