"""kill -9 of the bot at every move of a job, before the move is committed and after it; then it is started again.

Whatever was acknowledged ends delivered, once, or failed with its user told.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise, product
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from bot.moderation.cases import CaseKind, Decision
from bot.sandbox import Sandbox
from bot.sandbox.rest import API_ROOT
from bot.store import FINAL_STATES, JobRecord, JobState, NewCase, NewJob, Store, may_move
from bot.store.states import TRANSITIONS
from tests.conftest import TIMEOUT_S
from tests.faults.lives import KILLED, NOT_FINITE_SEED, PROCESSES, REFUSED_PROMPTS, KillPoint, make_move, move
from tests.faults.theatre import Theatre
from tests.invariants import check_store, states_of

pytestmark = pytest.mark.fault

Move = tuple[JobState | None, JobState]

ALL_MOVES: Final = tuple((source, to) for source, targets in TRANSITIONS.items() for to in sorted(targets))


@dataclass(frozen=True)
class Story:
    """What becomes of a job. prompt: {n} is replaced. way: the states that it passes. cancels: its user does."""

    prompt: str
    options: str
    way: tuple[JobState, ...]
    cancels: bool = False

    @property
    def moves(self) -> Iterator[Move]:
        yield None, self.way[0]
        yield from pairwise(self.way)


_S = JobState
_BEGUN: Final = (_S.RECEIVED, _S.ACKNOWLEDGED, _S.QUEUED)
STORIES: Final = {
    "drawn": Story("a red circle {n}", "images:2", (*_BEGUN, _S.RUNNING, _S.DELIVERING, _S.DELIVERED)),
    "refused by the engine": Story("{refused}", "images:1", (*_BEGUN, _S.FAILED)),
    "not finite": Story("a star {n}", f"images:1 seed:{NOT_FINITE_SEED}", (*_BEGUN, _S.RUNNING, _S.FAILED)),
    "cancelled": Story("a ring {n}", "images:1", (*_BEGUN, _S.RUNNING, _S.CANCELLED), cancels=True),
}


def own_moves(name: str) -> list[Move]:
    """Those that no story before this one has."""
    earlier = [story for other, story in STORIES.items() if list(STORIES).index(other) < list(STORIES).index(name)]
    known = {move for story in earlier for move in story.moves}
    return [move for move in STORIES[name].moves if move not in known]


@pytest.fixture
def theatre(sandbox: Sandbox, tmp_path: Path) -> Theatre:
    return Theatre(sandbox, tmp_path / "data")


def test_the_stories_are_legal() -> None:
    moves = [move for story in STORIES.values() for move in story.moves]
    assert all(source is None or may_move(source, to) for source, to in moves)


@pytest.mark.parametrize("name", STORIES)
async def test_a_bot_that_is_killed_at_a_move_of_a_job_goes_on_with_it(theatre: Theatre, name: str) -> None:
    story = STORIES[name]
    acknowledged: dict[str, str | None] = {}
    for number, ((source, to), is_committed) in enumerate(product(own_moves(name), (False, True))):
        prompt = story.prompt.format(n=number, refused=REFUSED_PROMPTS[number])
        point = KillPoint(prompt, source, to, is_committed)
        async with theatre.life(point, delay_s=2.0 if story.cancels else 0.01) as life:
            line = f"/imagine prompt:{prompt} {story.options}"
            answer = await theatre.say(line, life, f"player {number}")
            acknowledged[prompt] = None if answer is None else answer.message_id
            if story.cancels:
                await theatre.reached(prompt, JobState.RUNNING)
                await theatre.say("click Cancel", life, f"player {number}")
            assert await life.end() == KILLED, point
    async with theatre.life():
        await theatre.settled()
    assert any(acknowledged.values())
    for prompt, message_id in acknowledged.items():
        await theatre.check_promise(await theatre.job_of(prompt), message_id)


RESUMED: Final = [source for source in STORIES["drawn"].way if may_move(source, JobState.QUEUED)]


async def test_a_bot_that_is_killed_while_it_takes_a_job_up_again(theatre: Theatre) -> None:
    way = STORIES["drawn"].way
    answers: dict[str, str | None] = {}
    for number, (source, is_committed) in enumerate(product(RESUMED, (False, True))):
        prompt = f"a heart {number}"
        before = way[way.index(source) - 1]
        async with theatre.life(KillPoint(prompt, before, source, is_committed=True)) as life:
            answer = await theatre.say(f"/imagine prompt:{prompt} images:2", life, f"player {number}")
            assert await life.end() == KILLED
        answers[prompt] = None if answer is None else answer.message_id
        # What was on its way is on disk.
        to = JobState.DELIVERED if source is JobState.DELIVERING else JobState.QUEUED
        async with theatre.life(KillPoint(prompt, source, to, is_committed)) as life:
            assert await life.end() == KILLED
    async with theatre.life():
        await theatre.settled()
    for prompt, message_id in answers.items():
        job = await theatre.job_of(prompt)
        assert job is not None
        assert job.state is JobState.DELIVERED
        await theatre.check_promise(job, message_id)


async def test_every_legal_move_is_made_as_a_whole_or_not_at_all(theatre: Theatre) -> None:
    """The store alone is killed at each move of the table, twice; then the bot finds jobs in every state at once."""
    async with theatre.life() as life:
        assert await theatre.say("/imagine prompt:a red circle images:1", life) is not None
        await theatre.settled()
    first = await theatre.job_of("a red circle")
    assert first is not None
    expected: dict[str, JobState] = {}
    for (source, to), is_committed in product(ALL_MOVES, (False, True)):
        message_id = await post(theatre.sandbox, first.channel_id)
        job_id = await stored(theatre, first, source, to, message_id, is_decided=is_committed)
        point = KillPoint(f"{source} to {to}", source, to, is_committed)
        process = PROCESSES.Process(target=move, args=(theatre.url, job_id, message_id, point), daemon=True)
        process.start()
        await asyncio.to_thread(process.join, TIMEOUT_S)
        assert process.exitcode == KILLED, point
        process.close()
        expected[job_id] = to if is_committed else source
    assert {job_id: states_of(theatre.url)[job_id] for job_id in expected} == expected
    check_store(theatre.url)
    async with theatre.life():
        await theatre.settled()
    async with Store.open(theatre.url) as store:
        for job_id, state in expected.items():
            job = await store.jobs.get(job_id)
            assert job is not None
            if state in FINAL_STATES | {JobState.IN_REVIEW}:
                assert job.state is state
            elif state is JobState.RECEIVED:
                assert job.state is JobState.EXPIRED
            elif job.state is JobState.IN_REVIEW:
                # The case comes before the move, so that a prompt that is held is never taken for one that isn't.
                assert job.prompt == f"{state} to {JobState.IN_REVIEW}"
            else:
                await theatre.check_promise(job, str(job.message_id))


async def post(sandbox: Sandbox, channel_id: int) -> int:
    """A message of the bot's own, to be edited by it later."""
    url = f"{sandbox.address}{API_ROOT}/channels/{channel_id}/messages"
    headers = {"Authorization": f"Bot {sandbox.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, json={"content": "Queued."}) as response,
    ):
        assert response.status == 200
        return int((await response.json())["id"])


async def stored(
    theatre: Theatre, like: JobRecord, source: JobState, to: JobState, message_id: int, *, is_decided: bool
) -> str:
    """The id of a new job in the state `source`. is_decided: moderators let it leave that state if it is a review."""
    async with Store.open(theatre.url) as store:
        job = NewJob(
            prompt=f"{source} to {to}",
            num_images=1,
            seed=1,
            user_id=like.user_id,
            guild_id=like.guild_id,
            channel_id=like.channel_id,
            interaction_id=message_id,
        )
        await store.jobs.create(job)
        way = way_to(source)
        for state in way:
            await make_move(store.jobs, job.id, message_id, state)
        if JobState.IN_REVIEW in (source, to):
            is_drawn = JobState.RUNNING in (*way, to)
            kind = CaseKind.HELD_PICTURES if is_drawn else CaseKind.HELD_PROMPT
            assert like.guild_id is not None
            new = NewCase(guild_id=like.guild_id, kind=kind, job_id=job.id, user_id=like.user_id)
            case = await store.cases.open(new)
            if is_decided and source is JobState.IN_REVIEW:
                at = datetime.now(UTC)
                await store.cases.decide(case.guild_id, case.number, Decision.APPROVE, by=None, at=at)
        return job.id


def way_to(state: JobState) -> tuple[JobState, ...]:
    """The shortest legal way from RECEIVED."""
    ways: deque[tuple[JobState, ...]] = deque([()])
    while ways:
        way = ways.popleft()
        last = way[-1] if way else JobState.RECEIVED
        if last is state:
            return way
        ways += [(*way, following) for following in sorted(TRANSITIONS[last])]
    raise AssertionError(f"no way leads to {state}")
