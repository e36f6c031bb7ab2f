"""Which ids a line of the log has: by task, and from the interaction to the end of its jobs."""

import asyncio
import json
import logging
from typing import Any

import pytest

from bot.log import configure_logging
from bot.log_context import bind, bound, bound_ids
from bot.sandbox import Refusal
from bot.store import JobState
from tests.command_line import clean_surroundings
from tests.conftest import OpenStage, Stage
from tests.sandbox_guild import guild_of

__all__ = ["clean_surroundings"]

DRAW = "/imagine prompt:a red circle images:1"


def lines(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


def test_what_is_bound_ends_with_its_block() -> None:
    with bound(job_id="abc", guild_id=None):
        with bound(guild_id=3):
            assert bound_ids() == {"job_id": "abc", "guild_id": 3}
        assert bound_ids() == {"job_id": "abc"}
    assert bound_ids() == {}


async def test_a_task_keeps_what_was_bound_when_it_was_started() -> None:
    async def seen() -> dict[str, int | str]:
        await asyncio.sleep(0)
        return dict(bound_ids())

    async def work() -> dict[str, int | str]:
        bind(interaction_id=7)
        with bound(job_id="abc"):
            task = asyncio.create_task(seen())
        return await task

    assert await asyncio.create_task(work()) == {"interaction_id": 7, "job_id": "abc"}
    assert await asyncio.create_task(seen()) == {}


def test_json_lines_hold_what_is_bound(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", True)
    with bound(interaction_id=7, job_id="abc"):
        logging.getLogger("bot").info("first")
        logging.getLogger("bot").info("second", extra={"job_id": "of the line itself"})
    logging.getLogger("bot").info("third")
    first, second, third = lines(capsys.readouterr().err)
    assert (first["interaction_id"], first["job_id"]) == (7, "abc")
    assert second["job_id"] == "of the line itself"
    assert not {"interaction_id", "job_id"} & set(third)


def test_text_lines_name_each_id_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", False)
    with bound(interaction_id=7123, job_id="abc"):
        logging.getLogger("bot").info("job %s waits", "abc")
        logging.getLogger("bot").error("it failed", exc_info=ValueError("why"))
    first, second, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith("bot: job abc waits [interaction 7123]")
    assert second.endswith("bot: it failed [interaction 7123, job abc]")
    assert rest[-1] == "ValueError: why"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_secret_that_was_bound_is_taken_out(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", as_json, secrets=["an unusual secret"])
    with bound(job_id="an unusual secret"):
        logging.getLogger("bot").info("said")
    written = capsys.readouterr().err
    assert "unusual" not in written
    assert "[redacted]" in written


async def refused_job(stage: Stage) -> str:
    """A job whose pictures Discord refuses, so that the log says so; its id."""
    template = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
    await stage.sandbox.refuse(Refusal("PATCH", template, 400, times=9, min_bytes=1))
    await stage.play(DRAW)
    return (await stage.job(JobState.FAILED)).id


async def test_a_delivery_logs_the_ids_of_its_job_interaction_and_guild(
    open_stage: OpenStage, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("info", True)
    async with open_stage() as stage:
        guild = await guild_of(stage)
        job_id = await refused_job(stage)
        job = await stage.app.store.jobs.get(job_id)
    assert job is not None
    written = [line for line in lines(capsys.readouterr().err) if line["logger"] == "bot.cogs.job_message"]
    assert written
    for line in written:
        assert line["job_id"] == job_id
        assert (line["guild_id"], line["interaction_id"]) == (guild.id, job.interaction_id)
