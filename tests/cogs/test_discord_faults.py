"""Faults of Discord's gateway and REST: the real client in a sandbox that plays them. After each, every job that was
acknowledged is delivered once, or failed with its user told, and the store says the same."""

import asyncio
from typing import Any

import discord
import pytest

from bot.bench.chat_record import CONTROL
from bot.cogs import job_answer, job_message
from bot.engine.fake import FakeEngine, Faults, Gate
from bot.errors import StoreError
from bot.sandbox import Refusal
from bot.sandbox.fault_plan import CALLBACK, EDIT_BY_BOT, EDIT_BY_TOKEN, LOOK
from bot.store import JobRecord, JobState, JobStore
from bot.store.states import FINAL_STATES
from tests.conftest import TIMEOUT_S, OpenStage, Stage, eventually

pytestmark = pytest.mark.fault

DRAW = "/imagine prompt:a red circle images:3"
FOLLOW_UP = ("POST", "/webhooks/{webhook_id}/{webhook_token}")
TOKEN_LIFE_S = 15 * 60.0


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pauses that are for Discord's sake."""

    async def at_once(*_: object, **__: object) -> None:
        return

    monkeypatch.setattr(discord.AutoShardedClient, "before_identify_hook", at_once)
    monkeypatch.setattr(job_answer, "LOOK_PAUSES_S", (0.02, 0.02, 0.02))


def impatient(stage: Stage) -> None:
    stage.app.bot.services.deliveries.words.pauses_s = (0.02,) * 5


async def ended(stage: Stage, job_id: str) -> JobRecord:
    """A job in its last state."""
    async with asyncio.timeout(20):
        while True:
            job = await stage.app.store.jobs.get(job_id)
            if job is not None and job.state in FINAL_STATES:
                return job
            await asyncio.sleep(0.02)


async def check(stage: Stage, *, delivered: int, failed: int = 0) -> None:
    """Every job is over, has one message, and that says how it ended."""
    jobs = [await ended(stage, job_id) for job_id in stage.job_ids]
    assert [job.state for job in jobs].count(JobState.DELIVERED) == delivered
    assert [job.state for job in jobs].count(JobState.FAILED) == failed
    seen = [m for channel in {str(job.channel_id) for job in jobs} for m in await stage.messages(channel)]
    shown = [file["filename"] for message in seen for file in message["attachments"]]
    assert sorted(shown) == sorted(f"dalle-bot-{job.id}.png" for job in jobs if job.state is JobState.DELIVERED)
    controls = [match for message in seen for match in map(CONTROL.fullmatch, _custom_ids(message)) if match]
    assert [match[0] for match in controls if match[1] == "cancel"] == []


def _custom_ids(message: dict[str, Any]) -> list[str]:
    return [part["custom_id"] for row in message["components"] for part in row["components"] if "custom_id" in part]


@pytest.mark.parametrize(
    "happenings",
    [
        ("connection dropped",),
        ("reconnect requested",),
        ("session interrupted",),
        ("session invalidated",),
        ("resume postponed", "connection dropped"),
        ("resume refused", "connection dropped"),
        ("identify refused", "session invalidated"),
        ("hang-up before the greeting", "reconnect requested"),
        ("connection refused", "hang-up before the greeting", "connection dropped"),
    ],
)
async def test_a_connection_that_is_lost_costs_no_job(open_stage: OpenStage, happenings: tuple[str, ...]) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin_running(DRAW)
        for what in happenings:
            await stage.sandbox.happens(what)
        gate.open()
        await stage.job(JobState.DELIVERED)
        await eventually(lambda: not any(shard.is_closed() for shard in stage.app.bot.shards.values()))
        await stage.sandbox.wait_until_connected(10)
        assert (await stage.play(DRAW))[-1].files
        await check(stage, delivered=2)


async def test_a_command_from_meanwhile_is_answered_once_the_session_is_resumed(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.sandbox.happens("connection dropped")
        await stage.begin(DRAW)
        await check(stage, delivered=1)


async def test_a_connection_that_only_looks_alive_is_given_up(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        # 60 seconds otherwise; it counts from the next event on, and for this connection alone.
        (shard,) = stage.app.bot.shards.values()
        shard._parent.ws._max_heartbeat_timeout = 1.0
        await stage.begin("/about", player="second")
        await stage.sandbox.happens("connection frozen")
        await stage.sandbox.wait_until_connected(TIMEOUT_S)
        await stage.begin(DRAW)
        await check(stage, delivered=1)


def reset(route: tuple[str, str], *, is_applied: bool, times: int = 1, min_bytes: int = 0) -> Refusal:
    return Refusal(*route, 0, is_reset=True, is_applied=is_applied, times=times, min_bytes=min_bytes)


ANSWER_FAULTS = {
    "500": Refusal(*CALLBACK, 500),
    "429": Refusal(*CALLBACK, 429, retry_after_s=0.2),
    "slow": Refusal(*CALLBACK, 0, is_applied=True, delay_s=0.3),
    "502 after the fact": Refusal(*CALLBACK, 502, is_applied=True),
    "reset after the fact": reset(CALLBACK, is_applied=True),
    "slower than the bot waits": Refusal(*CALLBACK, 0, is_applied=True, delay_s=3.0),
}


@pytest.mark.parametrize("name", ANSWER_FAULTS)
async def test_an_answer_that_discord_took_is_the_jobs(
    open_stage: OpenStage, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "slower than the bot waits":
        monkeypatch.setattr(job_answer, "ANSWER_TIMEOUT_S", 1.0)
    async with open_stage() as stage:
        await stage.sandbox.refuse(ANSWER_FAULTS[name])
        await stage.sandbox.refuse(reset(LOOK, is_applied=False))
        await stage.begin(DRAW)
        await check(stage, delivered=1)
        assert len(stage.job_ids) == 1


async def test_an_answer_that_discord_did_not_take_is_no_job(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.sandbox.refuse(reset(CALLBACK, is_applied=False))
        answer = await stage.answer(DRAW)
        assert answer.is_ephemeral
        assert "Something went wrong" in answer.text
        await check(stage, delivered=0, failed=1)


async def test_an_answer_that_nobody_can_find_again_is_told_that_its_job_failed(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        impatient(stage)
        await stage.sandbox.refuse(reset(CALLBACK, is_applied=True))
        # aiohttp asks twice where it may.
        await stage.sandbox.refuse(reset(LOOK, is_applied=False, times=8))
        await stage.sandbox.refuse(reset(EDIT_BY_TOKEN, is_applied=False, times=2))
        await stage.begin(DRAW)
        await check(stage, delivered=0, failed=1)
        (message,) = await stage.messages(str((await stage.job(JobState.FAILED)).channel_id))
    assert message["content"] == "**a red circle**\nDiscord did not take the answer to the command."


EDIT_FAULTS = {
    "429": Refusal(*EDIT_BY_TOKEN, 429, times=3, retry_after_s=0.02),
    "reset in mid-upload": reset(EDIT_BY_TOKEN, is_applied=False, times=2, min_bytes=1),
    "reset after the fact": reset(EDIT_BY_TOKEN, is_applied=True, times=2, min_bytes=1),
    "502 after the fact": Refusal(*EDIT_BY_TOKEN, 502, is_applied=True, min_bytes=1),
    "slower than the bot waits": Refusal(*EDIT_BY_TOKEN, 0, is_applied=True, delay_s=3.0, min_bytes=1),
}


@pytest.mark.parametrize("name", EDIT_FAULTS)
async def test_an_upload_that_fails_is_sent_again_to_the_same_message(
    open_stage: OpenStage, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "slower than the bot waits":
        monkeypatch.setattr(job_message, "EDIT_TIMEOUT_S", 0.6)
    async with open_stage() as stage:
        impatient(stage)
        await stage.sandbox.refuse(EDIT_FAULTS[name])
        acknowledged = await stage.begin(DRAW)
        await check(stage, delivered=1)
        assert str((await stage.job(JobState.DELIVERED)).message_id) == acknowledged.message_id


async def test_uploads_with_the_bots_own_token_too(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        impatient(stage)
        await stage.begin_running(DRAW)
        await stage.sandbox.advance_clock(TOKEN_LIFE_S)
        await stage.sandbox.refuse(Refusal(*EDIT_BY_BOT, 503))
        await stage.sandbox.refuse(reset(EDIT_BY_BOT, is_applied=False, min_bytes=1))
        await stage.sandbox.refuse(reset(EDIT_BY_BOT, is_applied=True))
        await stage.sandbox.refuse(Refusal(*EDIT_BY_BOT, 429, is_global=True, retry_after_s=0.1))
        gate.open()
        await check(stage, delivered=1)


async def test_giving_up_at_the_global_rate_limit_does_not_hold_up_others(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(job_message, "EDIT_TIMEOUT_S", 0.6)
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        impatient(stage)
        await stage.begin_running(DRAW)
        await stage.sandbox.advance_clock(TOKEN_LIFE_S)
        limit = Refusal(*EDIT_BY_BOT, 429, is_global=True, retry_after_s=1000.0)
        await stage.sandbox.refuse(limit)
        gate.open()
        await eventually(lambda: any(e.answer == limit.to_json() for e in stage.sandbox.requests))
        await stage.sandbox.advance_clock(1000.0)
        await check(stage, delivered=1)


async def test_a_failure_is_told_before_it_is_recorded(open_stage: OpenStage) -> None:
    engine = FakeEngine(faults=Faults(refused_prompts={"a red circle"}))
    async with open_stage(lambda: engine) as stage:
        impatient(stage)
        await stage.sandbox.refuse(reset(EDIT_BY_TOKEN, is_applied=False, times=3))
        await stage.begin(DRAW)
        await check(stage, delivered=0, failed=1)
        job = await stage.job(JobState.FAILED)
        (message,) = await stage.messages(str(job.channel_id))
        assert message["content"] == f"**a red circle**\n{job.error}"


async def test_a_failure_that_can_not_be_told_is_taken_up_by_the_next_start(open_stage: OpenStage) -> None:
    engine = FakeEngine(faults=Faults(refused_prompts={"a red circle"}))
    async with open_stage(lambda: engine) as stage:
        impatient(stage)
        await stage.sandbox.refuse(reset(EDIT_BY_TOKEN, is_applied=False, times=6))
        await stage.begin(DRAW)
        await eventually(lambda: not stage.app.bot.services.deliveries._tasks)
        job = await stage.app.store.jobs.get(stage.job_ids[0])
        assert job is not None
        assert job.state not in FINAL_STATES
    async with open_stage() as stage:
        await check(stage, delivered=1)


@pytest.mark.parametrize("fault", [reset(FOLLOW_UP, is_applied=True), Refusal(*FOLLOW_UP, 500, is_applied=True)])
async def test_a_further_message_that_discord_took_is_not_sent_twice(open_stage: OpenStage, fault: Refusal) -> None:
    async with open_stage() as stage:
        await stage.sandbox.refuse(fault)
        await stage.begin("/imagine prompt:a red circle prompt2:a blue star images:1")
        await check(stage, delivered=2)
        assert len(await stage.messages(str((await stage.job(JobState.DELIVERED)).channel_id))) == 2


async def test_a_further_message_that_discord_did_not_take_is_told(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.sandbox.refuse(reset(FOLLOW_UP, is_applied=False))
        await stage.begin("/imagine prompt:a red circle prompt2:a blue star images:1")
        await check(stage, delivered=1, failed=1)


async def test_an_answer_that_was_not_noted_is_found_after_a_restart(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> None:
        raise StoreError("killed")

    gate = Gate()
    with monkeypatch.context() as patched:
        patched.setattr(JobStore, "acknowledge", die)
        async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
            acknowledged = await stage.begin(DRAW)
            await stage.job(JobState.RECEIVED)
            # What was killed says no goodbye.
            await stage.sandbox.refuse(Refusal(*EDIT_BY_TOKEN, 400))
            await stage.app.bot.close()
            gate.open()
    async with open_stage() as stage:
        await check(stage, delivered=1)
        assert str((await stage.job(JobState.DELIVERED)).message_id) == acknowledged.message_id
