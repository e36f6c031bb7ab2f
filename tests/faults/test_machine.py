"""Anything that can happen to jobs, in any order: whatever was accepted ends once, and the store is sound after each
step."""

import asyncio
import shutil
import tempfile
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final, Self
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.engine.fake import Verb
from bot.errors import InvalidParameterError
from bot.store import FINAL_STATES, JobState
from tests.faults.small_bot import SmallBot
from tests.faults.store_faults import KINDS, Kind
from tests.invariants import check_store, states_of

pytestmark = pytest.mark.fault

NOT_FINITE_SEED: Final = 13
VERBS: Final[tuple[Verb, ...]] = ("prefill", "insert", "step", "wait", "collect", "wait for images", "free")
OUT_OF_MEMORY: Final = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes."
# Discord is down; the message is gone; the bot lacks a permission.
REFUSALS: Final = ((503, 0), (404, 10008), (403, 50013))


class JumpingClock(datetime):
    """The host's clock, as the store reads it. offset: of all processes of a test."""

    offset = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        moment = datetime.now(tz) + cls.offset
        return cls.fromtimestamp(moment.timestamp(), tz)


class BotMachine(RuleBasedStateMachine):
    """A small bot. ended: job id → the final state in which it was seen."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="dalle-bot-machine-"))
        self.runner = asyncio.Runner()
        self.bot = SmallBot(self.folder, NOT_FINITE_SEED)
        self.states: dict[str, JobState] = {}
        self.clock = patch("bot.store.jobs.datetime", JumpingClock)
        self.clock.start()
        JumpingClock.offset = timedelta()

    @initialize()
    def start(self) -> None:
        self.runner.run(self.bot.open())

    @rule(user_id=st.integers(1, 3), num_images=st.integers(1, 3), seed=st.sampled_from([1, 2, NOT_FINITE_SEED]))
    def submit(self, user_id: int, num_images: int, seed: int) -> None:
        self.runner.run(self.bot.ask(user_id, num_images, seed))

    @rule()
    def step(self) -> None:
        self.runner.run(self.bot.step())

    @precondition(lambda self: self.bot.messages)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.runner.run(self.bot.cancel(data.draw(st.sampled_from(sorted(self.bot.messages)))))

    @rule(verb=st.sampled_from(VERBS), kind=st.sampled_from(["crash", "memory", "refusal"]))
    def fail(self, verb: Verb, kind: str) -> None:
        errors = {
            "crash": RuntimeError("boom"),
            "memory": RuntimeError(OUT_OF_MEMORY),
            "refusal": InvalidParameterError("Refused for a test."),
        }
        self.bot.break_next(verb, errors[kind])

    @precondition(lambda self: self.bot.messages)
    @rule(data=st.data(), refusal=st.sampled_from(REFUSALS), times=st.integers(1, 3))
    def refuse_edits(self, data: st.DataObject, refusal: tuple[int, int], times: int) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.bot.messages)))
        self.bot.messages[job_id].refusals += [refusal] * times

    @rule(kind=st.sampled_from(KINDS), num_calls=st.integers(1, 8))
    def break_store(self, kind: Kind, num_calls: int) -> None:
        self.bot.faults.kind, self.bot.faults.left = kind, num_calls

    @rule()
    def look(self) -> None:
        self.runner.run(self.bot.look())

    @rule(is_killed=st.booleans())
    def restart(self, is_killed: bool) -> None:
        async def again() -> None:
            await self.bot.close(is_killed=is_killed)
            await self.bot.open()

        self.runner.run(again())

    @rule(hours=st.integers(-48, 48))
    def jump(self, hours: int) -> None:
        JumpingClock.offset += timedelta(hours=hours)

    @invariant()
    def the_store_is_sound(self) -> None:
        if not self.bot.messages:
            return
        check_store(self.bot.url)
        states = states_of(self.bot.url)
        for job_id, before in self.states.items():
            after = states[job_id]
            assert after is before or before not in FINAL_STATES, f"{job_id} came back from {before} as {after}"
        assert self.bot.messages.keys() <= states.keys()
        self.states = states

    def teardown(self) -> None:
        try:
            if self.bot._run is not None:
                self.runner.run(self._end())
        finally:
            self.clock.stop()
            self.runner.close()
            shutil.rmtree(self.folder)

    async def _end(self) -> None:
        """What was accepted is delivered once, or its user knows why it isn't."""
        self.bot.heal()
        # What Discord could not be told waits for the next start.
        await self.bot.close(is_killed=False)
        await self.bot.open()
        await self.bot.finish()
        jobs = await self.bot.jobs()
        assert {job.id for job in jobs} == set(self.bot.messages)
        for job in jobs:
            shown = self.bot.messages[job.id]
            assert job.state in FINAL_STATES
            if job.state is JobState.DELIVERED:
                assert shown.num_results >= 1
                assert f"seed {job.seed}" in shown.contents[-1]
            else:
                assert job.error
        await self.bot.close(is_killed=False)
        if self.bot.messages:
            check_store(self.bot.url, is_settled=True)


TestBotMachine = BotMachine.TestCase
TestBotMachine.settings = settings(
    max_examples=6, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
)
