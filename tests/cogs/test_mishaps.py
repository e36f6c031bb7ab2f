"""What goes wrong while jobs are under way: the real client in a sandbox where things vanish and Discord refuses."""

import asyncio

import pytest

from bot.engine.fake import FakeEngine, Gate
from bot.sandbox import Exchange, Refusal
from bot.store import JobState
from tests.conftest import TIMEOUT_S, OpenStage, Stage, eventually

pytestmark = pytest.mark.fault

DRAW = "/imagine prompt:a red circle images:3"
BY_TOKEN = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
BY_BOT = "/channels/{channel_id}/messages/{message_id}"
CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"
TOKEN_LIFE_S = 15 * 60
LARGE_BYTES = 2000


def edits(stage: Stage, template: str) -> list[Exchange]:
    return [e for e in stage.sandbox.requests if e.method == "PATCH" and e.path_template == template]


@pytest.mark.parametrize("what", ["messages deleted", "channel deleted", "guild deleted"])
@pytest.mark.parametrize("is_token_dead", [False, True])
async def test_a_job_whose_message_is_gone_ends_without_one(
    open_stage: OpenStage, what: str, is_token_dead: bool
) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin_running(DRAW)
        await stage.sandbox.happens(what)
        if is_token_dead:
            await stage.sandbox.advance_clock(TOKEN_LIFE_S)
        gate.open()
        assert (await stage.job(JobState.FAILED)).error == "Its message was deleted."
        assert stage.app.executor.status.num_running == 0
        if what == "guild deleted":
            assert not stage.app.bot.guilds
        else:
            await stage.play("in gallery")
            assert (await stage.play(DRAW))[-1].files


async def test_a_job_of_somebody_who_left_is_delivered(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.play("as alice")
        await stage.begin_running(DRAW)
        await stage.sandbox.happens("member left", "alice")
        await stage.sandbox.advance_clock(TOKEN_LIFE_S)
        gate.open()
        await stage.job(JobState.DELIVERED)
        assert [edit.status for edit in edits(stage, BY_BOT)] == [200]


@pytest.mark.parametrize("permission", ["view_channel", "send_messages", "attach_files"])
async def test_a_permission_that_is_revoked_is_not_missed_while_the_token_lives(
    open_stage: OpenStage, permission: str
) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin_running(DRAW)
        await stage.sandbox.happens("permission revoked", permission=permission)
        gate.open()
        await stage.job(JobState.DELIVERED)
        names = {"view_channel": "View Channel", "send_messages": "Send Messages", "attach_files": "Attach Files"}
        answer = await stage.answer(DRAW)
        assert names[permission] in answer.text
        assert len(stage.job_ids) == 1


@pytest.mark.parametrize("permission", ["view_channel", "send_messages", "attach_files"])
async def test_a_permission_that_is_missing_later_is_told_where_it_can_be(
    open_stage: OpenStage, permission: str
) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        acknowledged = await stage.begin_running(DRAW)
        await stage.sandbox.happens("permission revoked", permission=permission)
        await stage.sandbox.advance_clock(TOKEN_LIFE_S)
        gate.open()
        sentence = (
            "I may not write here any more. I need View Channel, Send Messages and Attach Files: ask a moderator, "
            "then use /again."
        )
        assert (await stage.job(JobState.FAILED)).error == sentence
        refused, told = edits(stage, BY_BOT)
        assert refused.status == 403
        assert sentence in told.payload["content"]
        assert told.path.endswith(acknowledged.message_id)
        assert told.status == (200 if permission == "attach_files" else 403)


async def test_every_way_to_a_job_names_what_is_missing_before_it(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play(DRAW)
        job = await stage.job(JobState.DELIVERED)
        await stage.play("choose 1")
        await stage.sandbox.happens("permission revoked", permission="attach_files")
        ways = (
            "/imagine prompt:a star",
            "/imagine prompt:a {red|blue} star",
            "/again",
            "click Reroll",
            "click Vary",
            "menu Draw this",
            "menu Remix",
            f"/show job:{job.id}",
        )
        for way in ways:
            answer = await stage.answer(way)
            assert answer.is_ephemeral
            assert answer.text == "I lack Attach Files in this channel. Ask a moderator to grant this to me.", way
        assert stage.job_ids == [job.id]


async def test_a_token_that_dies_while_the_job_waits(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(num_slots=3, gate=gate)) as stage:
        await stage.begin_running(DRAW)
        waiting = await stage.begin(DRAW, player="second")
        assert "Queued, place 1" in waiting.text
        await stage.sandbox.advance_clock(TOKEN_LIFE_S)
        gate.open()
        job = await stage.job(JobState.DELIVERED)
        delivered = edits(stage, BY_BOT)[-1]
    assert job.message_id == int(waiting.message_id)
    assert (delivered.status, len(delivered.files)) == (200, 1)
    assert delivered.path.endswith(waiting.message_id)


async def test_rate_limits_in_a_row_are_waited_for(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        stage.app.bot.services.deliveries.words.pauses_s = (0.01, 0.01)
        # More than discord.py tries on its own.
        await stage.sandbox.refuse(Refusal("PATCH", BY_TOKEN, 429, times=7, retry_after_s=0.01))
        assert (await stage.play(DRAW))[-1].files
        await stage.job(JobState.DELIVERED)
        tried = edits(stage, BY_TOKEN)
        assert [edit.status for edit in tried[:7]] == [429] * 7
        assert tried[-1].status == 200
        assert edits(stage, BY_BOT) == []


async def test_a_rate_limited_acknowledgement_is_still_in_time(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.sandbox.refuse(Refusal("POST", CALLBACK, 429, times=2, retry_after_s=0.1))
        acknowledged = await stage.begin(DRAW)
        assert acknowledged.t_s > 0.2
        await stage.job(JobState.DELIVERED)


async def test_a_picture_that_is_too_large_becomes_smaller(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.sandbox.refuse(
            Refusal("PATCH", BY_TOKEN, 413, 40005, "Request entity too large", times=100, min_bytes=LARGE_BYTES)
        )
        seen = await stage.play(DRAW)
        await stage.job(JobState.DELIVERED)
        uploads = [edit.files[0] for edit in edits(stage, BY_TOKEN) if edit.files]
    sizes = [size for _, _, size in uploads]
    assert len(sizes) > 1
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < LARGE_BYTES <= sizes[-2]
    assert uploads[0][1].endswith(".png")
    assert seen[-1].files[0].endswith(".webp")


async def test_a_picture_that_is_always_too_large_is_a_sentence(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.sandbox.refuse(Refusal("PATCH", BY_TOKEN, 413, 40005, times=100, min_bytes=1))
        seen = await stage.play(DRAW)
        job = await stage.job(JobState.FAILED)
    assert job.error is not None
    assert seen[-1].text == f"a red circle\n{job.error}"
    assert not seen[-1].files


async def test_two_who_press_reroll_at_once_get_a_job_each(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play(DRAW)
        await stage.sandbox.play("as alice", player="second")
        presses = (stage.sandbox.play("click Reroll", TIMEOUT_S, player) for player in ("main", "second"))
        mine, hers = await asyncio.gather(*presses)
        await eventually(lambda: len(stage.job_ids) == 3)
        jobs = [await stage.job(JobState.DELIVERED, index=index) for index in (1, 2)]
    assert len({job.user_id for job in jobs}) == 2
    assert len({job.seed for job in jobs}) == 2
    assert "for @user" in mine[-1].text
    assert "for @alice" in hers[-1].text
