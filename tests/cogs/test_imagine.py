"""/imagine as its users meet it: the real client in a sandbox."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from pathlib import Path

import discord
import pytest

from bot.collage import read_metadata
from bot.config import ImagineSettings, Settings
from bot.engine.fake import FakeEngine, Faults, Gate
from bot.errors import QueueFullError, StoreError
from bot.executor.local import LocalExecutor
from bot.requests import GenerationRequest
from bot.sandbox import EventKind, Exchange, Sandbox
from bot.store import JobState, JobStore, NewJob
from tests.cogs.desk import refusal
from tests.conftest import ACK_LIMIT_S, TIMEOUT_S, OpenStage

BY_TOKEN = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
BY_BOT = "/channels/{channel_id}/messages/{message_id}"


def edits(exchanges: Sequence[Exchange], template: str) -> list[Exchange]:
    return [exchange for exchange in exchanges if exchange.method == "PATCH" and exchange.path_template == template]


async def test_a_prompt_becomes_a_ranked_collage_in_the_acknowledged_message(
    open_stage: OpenStage, tmp_path: Path
) -> None:
    async with open_stage() as stage:
        said, acknowledged, *between, done = await stage.play("/imagine prompt:a red circle images:4 seed:7 top_k:64")
        job = await stage.job(JobState.DELIVERED)
    assert (said.kind, acknowledged.kind, done.kind) == (EventKind.SAY, EventKind.ACK, EventKind.EDIT)
    assert acknowledged.t_s < ACK_LIMIT_S
    assert acknowledged.text == "a red circle\nQueued, place 1.\n[Cancel]"
    assert not any(event.is_ephemeral for event in (acknowledged, *between, done))
    assert acknowledged.message_id == done.message_id == str(job.message_id)
    assert "4 images for @user · seed 7" in done.text
    assert "top_k 64" in done.text
    (name,) = done.files
    metadata = read_metadata((tmp_path / "out" / name).read_bytes())
    assert (metadata["prompt"], metadata["seed"], metadata["job"]) == ("a red circle", "7", job.id)


async def test_a_seed_of_its_own_and_the_configured_number_of_images(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        first = (await stage.play("/imagine prompt:a red circle"))[-1].text
        second = (await stage.play("/imagine prompt:a red circle"))[-1].text
    assert "9 images for" in first
    seeds = [re.search(r"seed (\d+)", text) for text in (first, second)]
    assert seeds[0]
    assert seeds[1]
    assert seeds[0][1] != seeds[1][1]


async def test_while_the_model_loads_jobs_wait_and_say_so(open_stage: OpenStage) -> None:
    loading = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow_engine() -> FakeEngine:
        asyncio.run_coroutine_threadsafe(loading.wait(), loop).result(TIMEOUT_S)
        return FakeEngine()

    async with open_stage(slow_engine) as stage:
        acknowledged = await stage.begin("/imagine prompt:a red circle")
        loading.set()
        await stage.job(JobState.DELIVERED)
    assert acknowledged.text == "a red circle\nQueued, place 1, the model is still loading.\n[Cancel]"


async def test_progress_is_edited_into_the_message_every_three_seconds(open_stage: OpenStage) -> None:
    async with open_stage(lambda: FakeEngine(image_length=256, num_rows=16, delay_s=0.25)) as stage:
        events = await stage.play("/imagine prompt:a red circle images:4")
    progress = [event for event in events if "Drawing 4 images" in event.text]
    assert progress
    assert all(re.search(r", \d+ %  █*░+", event.text) for event in progress)
    assert all(later.t_s - earlier.t_s > 2.5 for earlier, later in pairwise([events[1], *progress]))
    # A preview comes with it, and the result takes its place.
    assert [name.endswith("-unfinished.webp") for name in progress[-1].files] == [True]
    assert [name.endswith(".png") for name in events[-1].files] == [True]


async def test_two_jobs_at_once_get_their_own_pictures(open_stage: OpenStage, tmp_path: Path) -> None:
    async with open_stage(lambda: FakeEngine(delay_s=0.02)) as stage:

        async def play(player: str, prompt: str) -> str:
            await stage.sandbox.play(f"as {player}", player=player)
            events = await stage.sandbox.play(f"/imagine prompt:{prompt} images:3", TIMEOUT_S, player)
            return read_metadata((tmp_path / "out" / events[-1].files[0]).read_bytes())["prompt"]

        prompts = await asyncio.gather(play("alice", "a red circle"), play("bob", "a blue star"))
    assert list(prompts) == ["a red circle", "a blue star"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/imagine prompt:🍎🍎🍎", "The prompt has no letters or digits: describe the picture in words."),
        ("/imagine prompt:\u3000", "The prompt is empty: describe the picture in a few words."),
        ("/imagine prompt:a\x07b", "The prompt holds a control character (U+0007): remove it."),
    ],
)
async def test_a_prompt_without_words_is_refused_to_its_author_alone(
    open_stage: OpenStage, line: str, sentence: str
) -> None:
    async with open_stage() as stage:
        answer = await stage.answer(line)
        assert (answer.text, answer.is_ephemeral) == (sentence, True)
        assert stage.job_ids == []


async def test_more_images_than_configured_are_refused(open_stage: OpenStage, settings: Settings) -> None:
    limited = settings.model_copy(update={"imagine": ImagineSettings(default_images=2, max_images=3)})
    async with open_stage(settings=limited) as stage:
        answer = await stage.answer("/imagine prompt:a red circle images:4")
        assert (answer.text, answer.is_ephemeral) == ("images must be between 1 and 3, not 4.", True)
        assert "2 images for" in (await stage.play("/imagine prompt:a red circle"))[-1].text


@pytest.mark.parametrize(
    ("channel", "lacking"),
    [("read-only", "Send Messages and Attach Files"), ("hidden", "View Channel, Send Messages and Attach Files")],
)
async def test_a_channel_where_the_bot_may_not_write_is_refused_before_any_work(
    open_stage: OpenStage, channel: str, lacking: str
) -> None:
    engine = FakeEngine()
    async with open_stage(lambda: engine) as stage:
        await stage.play(f"in {channel}")
        answer = await stage.answer("/imagine prompt:a red circle")
        assert answer.is_ephemeral
        assert answer.text == f"I lack {lacking} in this channel. Ask a moderator to grant this to me."
        assert stage.job_ids == []
        assert engine.calls["prefill"] == 0


async def test_the_third_unfinished_job_of_a_user_is_refused(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin("/imagine prompt:one", player="first")
        second = await stage.begin("/imagine prompt:two", player="second")
        assert second.text == "two\nQueued, place 1.\n[Cancel]"
        answer = await stage.answer("/imagine prompt:three")
        assert answer.is_ephemeral
        assert "2" in answer.text
        assert len(stage.job_ids) == 2
        gate.open()
        await stage.job(JobState.DELIVERED, index=0)
        await stage.job(JobState.DELIVERED, index=1)


async def test_a_full_queue_is_refused(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        for player in ("alice", "bob", "carol"):
            await stage.sandbox.play(f"as {player}", player=player)
            await stage.begin("/imagine prompt:mine", player=player)
        await stage.play("as dave")
        answer = await stage.answer("/imagine prompt:too many")
        assert answer.is_ephemeral
        assert "3" in answer.text
        assert len(stage.job_ids) == 3
        gate.open()
        await stage.job(JobState.DELIVERED, index=2)


async def test_a_prompt_can_neither_ping_nor_format_nor_link(open_stage: OpenStage) -> None:
    hostile = "@everyone **bold** <@&123> [x](https://evil.example)"
    async with open_stage() as stage:
        done = (await stage.play(f"/imagine prompt:{hostile}"))[-1]
        sent = [exchange.payload for exchange in stage.sandbox.requests if exchange.method in ("POST", "PATCH")]
    assert done.text.splitlines()[0].replace("\u200b", "") == hostile
    heading = sent[-1]["content"].splitlines()[0]
    assert heading == "**@\u200beveryone \\*\\*bold\\*\\* \\<@\u200b&123\\> \\[x\\](https\\://evil.example)**"
    messages = [payload.get("data", payload) for payload in sent]
    assert len(messages) >= 2
    assert all(message["allowed_mentions"] == {"parse": []} for message in messages)


async def test_a_failed_job_says_why_in_its_message_and_the_next_one_works(open_stage: OpenStage) -> None:
    async with open_stage(lambda: FakeEngine(faults=Faults(refused_prompts={"a bad one"}))) as stage:
        failed = (await stage.play("/imagine prompt:a bad one"))[-1]
        job = await stage.job(JobState.FAILED)
        assert failed.text == f"a bad one\n{job.error}"
        assert (await stage.play("/imagine prompt:a good one"))[-1].files


async def test_after_the_tokens_fifteen_minutes_the_bots_own_token_delivers(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        acknowledged = await stage.begin_running("/imagine prompt:a red circle")
        await stage.sandbox.advance_clock(16 * 60)
        gate.open()
        job = await stage.job(JobState.DELIVERED)
        requests = stage.sandbox.requests
    assert acknowledged.message_id == str(job.message_id)
    (delivered,) = [exchange for exchange in edits(requests, BY_BOT) if exchange.files]
    assert delivered.status == 200
    assert delivered.answer["id"] == str(job.message_id)
    assert len([exchange for exchange in edits(requests, BY_TOKEN) if exchange.status >= 400]) <= 1


async def test_a_store_that_is_down_is_one_sentence_with_an_id(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def down(*_: object, **__: object) -> None:
        raise StoreError("The database /srv/bot.sqlite3 can't be written.")

    async with open_stage() as stage:
        monkeypatch.setattr(JobStore, "create", down)
        answer = await stage.answer("/imagine prompt:a red circle")
    assert answer.is_ephemeral
    match = re.fullmatch(r"The bot's database has a problem \(id (\w{6})\)\. Try again in some minutes\.", answer.text)
    assert match
    assert match[1] in caplog.text


@pytest.mark.true_limits
async def test_a_store_that_hangs_costs_the_job_and_not_the_answer(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.sleep(TIMEOUT_S)

    async with open_stage() as stage:
        monkeypatch.setattr(JobStore, "create", hang)
        answer = await stage.answer("/imagine prompt:a red circle")
    assert "The bot's database has a problem" in answer.text


async def test_an_answer_that_comes_too_late_ends_the_job(
    sandbox: Sandbox, open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_stage() as stage:
        create = JobStore.create

        async def slow(store: JobStore, job: NewJob, **_: object) -> object:
            record = await create(store, job)
            await sandbox.advance_clock(4)
            return record

        monkeypatch.setattr(JobStore, "create", slow)
        events = await stage.play("/imagine prompt:a red circle")
        assert events[-1].kind is EventKind.FAILURE
        assert (await stage.job(JobState.FAILED)).error == "Discord did not take the answer to the command."
        assert stage.app.executor.status.num_queued == 0


async def test_a_shutdown_during_a_job_tells_its_message(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin_running("/imagine prompt:a red circle")
        await stage.app.bot.close()
        last = edits(stage.sandbox.requests, BY_TOKEN)[-1]
        assert last.payload["content"].endswith("The bot is going offline. This job goes on when it is back.")
        assert [job.id for job in await stage.app.store.jobs.unfinished()] == stage.job_ids
        gate.open()


async def test_a_place_that_is_taken_meanwhile_costs_the_job_with_a_sentence(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = LocalExecutor.submit

    async def refuse(executor: LocalExecutor, request: GenerationRequest, **_: object) -> object:
        if request.prompt == "two":
            raise QueueFullError("The queue is full.")
        return await submit(executor, request)

    async with open_stage() as stage:
        monkeypatch.setattr(LocalExecutor, "submit", refuse)
        answer = await stage.answer("/imagine prompt:one prompt2:two")
        assert (answer.text, answer.is_ephemeral) == ("The queue is full.", True)
        assert [(await stage.job(JobState.FAILED, index=i)).error for i in (0, 1)] == [answer.text] * 2
        assert stage.app.executor.status.num_queued == 0


async def test_several_prompts_make_a_job_and_a_message_each(open_stage: OpenStage, tmp_path: Path) -> None:
    async with open_stage() as stage:
        events = await stage.play("/imagine prompt:a red circle images:2 prompt2:a blue star negative:green")
        jobs = [await stage.job(JobState.DELIVERED, index=index) for index in (0, 1)]
    acknowledged = [event for event in events if event.text.startswith("a ") and "[Cancel]" in event.text]
    assert [event.kind for event in acknowledged[:2]] == [EventKind.ACK, EventKind.MESSAGE]
    assert [str(job.message_id) for job in jobs] == [event.message_id for event in acknowledged[:2]]
    assert [(job.prompt, job.negative_prompt, job.num_images) for job in jobs] == [
        ("a red circle", "green", 2),
        ("a blue star", "green", 2),
    ]
    assert jobs[0].seed != jobs[1].seed
    for job in jobs:
        shown = [event for event in events if event.message_id == str(job.message_id)][-1]
        assert read_metadata((tmp_path / "out" / shown.files[0]).read_bytes())["prompt"] == job.prompt


async def test_of_three_prompts_none_is_drawn_if_there_is_room_for_two(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        answer = await stage.answer("/imagine prompt:one prompt2:two prompt3:three")
        assert answer.is_ephemeral
        assert answer.text == (
            "You ask for 3 jobs and have 0 unfinished; 2 is the limit for one person. "
            "Ask for fewer, or wait until some are done."
        )
        assert stage.job_ids == []


async def test_a_follow_up_that_discord_refuses_costs_its_own_job_alone(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise refusal(403, 50001)

    async with open_stage() as stage:
        monkeypatch.setattr(discord.Webhook, "send", refuse)
        await stage.begin("/imagine prompt:one prompt2:two")
        assert (await stage.job(JobState.DELIVERED, index=0)).prompt == "one"
        assert (await stage.job(JobState.FAILED, index=1)).error == "Discord did not take the answer to the command."


async def test_after_fifteen_minutes_a_follow_up_is_delivered_too(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin("/imagine prompt:one images:1 prompt2:two")
        await stage.job(JobState.RUNNING, index=0)
        await stage.sandbox.advance_clock(16 * 60)
        gate.open()
        jobs = [await stage.job(JobState.DELIVERED, index=index) for index in (0, 1)]
        delivered = [exchange for exchange in edits(stage.sandbox.requests, BY_BOT) if exchange.files]
    assert {exchange.answer["id"] for exchange in delivered} == {str(job.message_id) for job in jobs}


@pytest.mark.parametrize("is_tried_again", [False, True], ids=["no confirmation", "tried again by the library"])
async def test_an_answer_that_discord_took_without_confirming_it_is_the_jobs_message(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, is_tried_again: bool
) -> None:
    send: Callable[..., Awaitable[object]] = discord.InteractionResponse.send_message
    seen: list[BaseException | None] = []

    async def unconfirmed(self: discord.InteractionResponse[discord.Client], *args: object, **options: object) -> None:
        await send(self, *args, **options)
        self._response_type = None
        seen.append(None)
        if is_tried_again:
            await send(self, *args, **options)
        raise TimeoutError

    monkeypatch.setattr(discord.InteractionResponse, "send_message", unconfirmed)
    async with open_stage() as stage:
        _, acknowledged, *_, done = await stage.play("/imagine prompt:a red circle images:1 prompt2:a green star")
        first, second = [await stage.job(JobState.DELIVERED, index=index) for index in (0, 1)]
    assert seen == [None]
    assert acknowledged.text == "a red circle\nQueued, place 1.\n[Cancel]"
    assert str(first.message_id) == acknowledged.message_id
    assert second.message_id != first.message_id
    assert done.files


async def test_an_answer_that_discord_did_not_take_is_not_looked_for_in_vain(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object, **__: object) -> None:
        raise TimeoutError

    async with open_stage() as stage:
        with monkeypatch.context() as patched:
            patched.setattr(discord.InteractionResponse, "send_message", lost)
            _, *answers = await stage.sandbox.play("/imagine prompt:a red circle", timeout_s=TIMEOUT_S)
            job = await stage.job(JobState.FAILED)
    assert [answer.kind for answer in answers] == [EventKind.FAILURE]
    assert job.error == "Discord did not take the answer to the command."
