"""Jobs that end the bot's process, each time they are drawn: given up after a few ends, and nobody else with them."""

import asyncio
from pathlib import Path
from typing import Final

import pytest

from bot.sandbox import Sandbox
from bot.store import JobState
from tests.conftest import TIMEOUT_S
from tests.faults.lives import DEADLY_PICTURE, DEADLY_PROMPT, KILLED, PROCESSES
from tests.faults.theatre import Life, Theatre
from tests.invariants import has_settled

pytestmark = pytest.mark.fault

# Two slots: the third and the fourth are drawn beside each other, and so are the last two.
ASKED: Final = {
    "a red circle": 2,
    "a blue star": 2,
    "a ring": 1,
    DEADLY_PICTURE: 1,
    DEADLY_PROMPT: 1,
    "a heart": 1,
}
DEADLY: Final = {DEADLY_PICTURE, DEADLY_PROMPT}
MAX_ENDS: Final = 6


async def test_they_are_given_up_and_their_neighbours_are_delivered(sandbox: Sandbox, tmp_path: Path) -> None:
    theatre = Theatre(sandbox, tmp_path / "data")
    answers: dict[str, str | None] = {}
    may_die = PROCESSES.Event()
    async with theatre.life(delay_s=0.25, may_die=may_die) as life:
        for number, (prompt, num_images) in enumerate(ASKED.items()):
            answer = await theatre.say(f"/imagine prompt:{prompt} images:{num_images}", life, f"player {number}")
            assert answer is not None
            answers[prompt] = answer.message_id
        may_die.set()
        assert await life.end() == KILLED
    num_ends, has_ended = 1, False
    while not has_ended:
        async with theatre.life() as life:
            has_ended = await settles(theatre, life)
        num_ends += not has_ended
        assert num_ends <= MAX_ENDS
    await theatre.settled()
    for prompt, message_id in answers.items():
        job = await theatre.job_of(prompt)
        await theatre.check_promise(job, message_id)
        assert job is not None
        assert job.state is (JobState.FAILED if prompt in DEADLY else JobState.DELIVERED), prompt
        if prompt in DEADLY:
            assert job.error == "The bot ended again and again while it drew this. Ask for something else."


async def settles(theatre: Theatre, life: Life) -> bool:
    """Whether every job has ended before the bot does."""
    async with asyncio.timeout(TIMEOUT_S):
        while life.process.is_alive():
            if has_settled(theatre.url):
                return True
            await asyncio.sleep(0.05)
    return False
