"""kill -9 of the bot at every move of a job that moderators see first: nothing is drawn unseen, no decision is lost."""

import asyncio
from itertools import product
from pathlib import Path
from typing import Final

import pytest

from bot.moderation.cases import Decision
from bot.moderation.prompt_rules import Rule, RuleAction
from bot.sandbox import Sandbox
from bot.store import JobState, Store
from tests.conftest import TIMEOUT_S
from tests.faults.lives import KILLED, KillPoint
from tests.faults.theatre import Life, Theatre

pytestmark = pytest.mark.fault

# What moderators press, the move at which the bot dies, and how the job ends if that move was (not) committed.
CASES: Final = (
    (None, JobState.ACKNOWLEDGED, JobState.IN_REVIEW, JobState.IN_REVIEW),
    ("Approve", JobState.IN_REVIEW, JobState.QUEUED, JobState.DELIVERED),
    ("Reject", JobState.IN_REVIEW, JobState.FAILED, JobState.FAILED),
)


async def test_a_bot_that_is_killed_at_a_move_of_a_review(sandbox: Sandbox, tmp_path: Path) -> None:
    theatre = Theatre(sandbox, tmp_path / "data")
    guild_id = await set_up(theatre)
    expected: dict[str, tuple[JobState, str | None]] = {}
    for number, ((pressed, source, to, end), is_committed) in enumerate(product(CASES, (False, True)), 1):
        prompt = f"a secret {number}"
        async with theatre.life(KillPoint(prompt, source, to, is_committed)) as life:
            answer = await theatre.say(f"/imagine prompt:{prompt} images:1", life, f"player {number}")
            assert answer is not None
            assert f"waiting for review (case #{number})" in answer.text
            if pressed is not None:
                await press(theatre, life, guild_id, number, pressed)
            assert await life.end() == KILLED
        expected[prompt] = end, answer.message_id
    async with theatre.life():
        await theatre.settled()
    for number, (prompt, (end, message_id)) in enumerate(expected.items(), 1):
        job = await theatre.job_of(prompt)
        assert job is not None
        assert (job.state, str(job.message_id)) == (end, message_id), prompt
        num_shown = await theatre.num_messages_with_pictures(job)
        assert num_shown == (end is JobState.DELIVERED), prompt
        async with Store.open(theatre.url) as store:
            case = await store.cases.get(guild_id, number)
        decisions = {JobState.DELIVERED: Decision.APPROVE, JobState.FAILED: Decision.REJECT}
        assert case is not None
        assert case.decision == decisions.get(end)
        if end is JobState.FAILED:
            assert job.error is not None
            assert job.error in (await theatre.seen(int(message_id or 0)))[-1].payload["content"]


async def set_up(theatre: Theatre) -> int:
    """A guild whose moderators see prompts with a certain word first; returns its id."""
    await theatre.sandbox.play("in staff", player="owner")
    async with theatre.life() as life:
        assert await theatre.say("/imagine prompt:a red circle images:1", life, "owner") is not None
        await theatre.settled()
    first = await theatre.job_of("a red circle")
    assert first is not None
    assert first.guild_id is not None
    async with Store.open(theatre.url) as store:
        await store.rules.put(first.guild_id, 1, [Rule("secret", RuleAction.HOLD)])
        await store.guilds.change(first.guild_id, 1, review_channel=first.channel_id)
    return first.guild_id


async def press(theatre: Theatre, life: Life, guild_id: int, number: int, label: str) -> None:
    """Presses a button of a case, once it is there; the bot may die of it."""
    async with Store.open(theatre.url) as store, asyncio.timeout(TIMEOUT_S):
        while (case := await store.cases.get(guild_id, number)) is None or case.message_id is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    moderator = f"moderator {number}"
    for line in ("as moderator", "in staff"):
        await theatre.sandbox.play(line, player=moderator)
    await theatre.say(f"click {label}", life, moderator)
