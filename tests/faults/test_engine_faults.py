"""What goes wrong on the device: jobs are drawn all the same, or end with a sentence, and others go on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from jax.errors import JaxRuntimeError

from bot.engine.fake import Verb
from bot.errors import JobFailedError
from bot.store import JobState
from tests.faults.small_bot import SmallBot
from tests.invariants import check_store

pytestmark = pytest.mark.fault

NOT_FINITE_SEED = 13
VERBS: tuple[Verb, ...] = ("step", "wait", "collect", "wait for images", "free")
OUT_OF_MEMORY = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes."


@asynccontextmanager
async def open_bot(folder: Path) -> AsyncIterator[SmallBot]:
    bot = SmallBot(folder, NOT_FINITE_SEED)
    await bot.open()
    yield bot
    await bot.finish()
    await bot.close(is_killed=False)
    check_store(bot.url, is_settled=True)


async def ends(bot: SmallBot, job_id: str | None) -> tuple[JobState, str]:
    """How a job ended, and what its message says in the end. Only pictures of a delivered job have been shown."""
    (job,) = [job for job in await bot.jobs() if job.id == job_id]
    shown = bot.messages[job.id]
    assert shown.num_results == (job.state is JobState.DELIVERED)
    return job.state, shown.contents[-1]


@pytest.mark.parametrize("error", [RuntimeError("boom"), JaxRuntimeError(OUT_OF_MEMORY)], ids=["crash", "memory"])
async def test_one_fault_of_any_call_costs_nobody_a_picture(tmp_path: Path, error: Exception) -> None:
    async with open_bot(tmp_path) as bot:
        for number, verb in enumerate(VERBS):
            bot.break_next(verb, error)
            job_ids = [await bot.ask(user_id, 2, seed=number) for user_id in (1, 2)]
            await bot.finish()
            for job_id in job_ids:
                state, content = await ends(bot, job_id)
                assert (state, f"seed {number}" in content) == (JobState.DELIVERED, True), verb
        assert bot.now.engine.calls["reset"] == len(VERBS)


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [("prefill", "The model could not read the prompt."), ("insert", "The picture could not be started.")],
)
async def test_what_one_job_is_to_blame_for_ends_that_one(tmp_path: Path, verb: Verb, sentence: str) -> None:
    async with open_bot(tmp_path) as bot:
        bot.break_next(verb, JaxRuntimeError(OUT_OF_MEMORY))
        bad, good = await bot.ask(1, 2, seed=1), await bot.ask(2, 2, seed=2)
        await bot.finish()
        state, content = await ends(bot, bad)
        assert state is JobState.FAILED
        assert f"{sentence} The device ran out of memory" in content
        assert (await ends(bot, good))[0] is JobState.DELIVERED


async def test_a_device_that_has_no_memory_twice_is_blamed_in_words(tmp_path: Path) -> None:
    async with open_bot(tmp_path) as bot:
        bot.now.raises |= {("wait", call): JaxRuntimeError(OUT_OF_MEMORY) for call in (1, 2)}
        lost, waiting = await bot.ask(1, 2, seed=1), await bot.ask(2, 2, seed=2)
        await bot.finish()
        why = "The device ran out of memory: ask for fewer pictures at once, or try again later."
        assert await ends(bot, lost) == (JobState.FAILED, f"**a red circle**\nThe picture was lost twice. {why}")
        assert (await ends(bot, waiting))[0] is JobState.DELIVERED


async def test_numbers_that_are_not_finite_end_their_own_job(tmp_path: Path) -> None:
    async with open_bot(tmp_path) as bot:
        bad, good = await bot.ask(1, 1, seed=NOT_FINITE_SEED), await bot.ask(2, 1, seed=1)
        await bot.finish()
        state, content = await ends(bot, bad)
        assert state is JobState.FAILED
        assert "Image 1 could not be drawn. The model gave numbers that are not finite." in content
        assert (await ends(bot, good))[0] is JobState.DELIVERED


@pytest.mark.parametrize("verb", ["text_vector", "wait for text"])
async def test_a_text_that_can_not_be_read_costs_no_picture(tmp_path: Path, verb: Verb) -> None:
    async with open_bot(tmp_path) as bot:
        job_id = await bot.ask(1, 2, seed=1)
        bot.break_next(verb, JaxRuntimeError(OUT_OF_MEMORY))
        bot.now.gate.open()
        with pytest.raises(JobFailedError, match="could not read the text"):
            await bot.now.executor.text_vector("a red circle", timeout_s=10.0)
        assert (await bot.now.executor.text_vector("a red circle", timeout_s=10.0)).model == "fake"
        await bot.finish()
        assert (await ends(bot, job_id))[0] is JobState.DELIVERED
