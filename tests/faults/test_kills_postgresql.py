"""kill -9 of the bot on PostgreSQL, where the dead one's transaction and locks are the server's to end: once for each
part of a job's way. test_kills.py has every move, on SQLite."""

from pathlib import Path
from typing import Final

import pytest

from bot.sandbox import Sandbox
from bot.store import JobState
from tests.faults.lives import KILLED, NOT_FINITE_SEED, KillPoint
from tests.faults.theatre import Theatre
from tests.store.postgres import PostgresServer

pytestmark = pytest.mark.fault

_S = JobState
# What is asked, the move at which the bot dies, and how the job ends; None if nobody was promised it.
CASES: Final = (
    ("a red circle", KillPoint("a red circle", None, _S.RECEIVED, is_committed=False), None),
    ("a blue star", KillPoint("a blue star", _S.RECEIVED, _S.ACKNOWLEDGED, is_committed=True), _S.DELIVERED),
    ("a ring", KillPoint("a ring", _S.QUEUED, _S.RUNNING, is_committed=False), _S.DELIVERED),
    ("a heart", KillPoint("a heart", _S.RUNNING, _S.DELIVERING, is_committed=True), _S.DELIVERED),
    ("a tree", KillPoint("a tree", _S.DELIVERING, _S.DELIVERED, is_committed=False), _S.DELIVERED),
    (f"a box seed:{NOT_FINITE_SEED}", KillPoint("a box", _S.RUNNING, _S.FAILED, is_committed=False), _S.FAILED),
)


async def test_a_bot_that_is_killed_goes_on(sandbox: Sandbox, postgres: PostgresServer, tmp_path: Path) -> None:
    theatre = Theatre(sandbox, tmp_path / "data", postgres.empty_database())
    answers: list[str | None] = []
    for number, (asked, point, _) in enumerate(CASES):
        async with theatre.life(point) as life:
            answer = await theatre.say(f"/imagine prompt:{asked} images:1", life, f"player {number}")
            assert await life.end() == KILLED, point
        answers.append(None if answer is None else answer.message_id)
    async with theatre.life():
        await theatre.settled()
    for message_id, (_, point, end) in zip(answers, CASES, strict=True):
        job = await theatre.job_of(point.prompt)
        await theatre.check_promise(job, message_id)
        assert (None if job is None else job.state) is end, point
