"""Ending jobs by button, as members meet it: the real client in a sandbox."""

import asyncio
import threading
from typing import Any
from unittest.mock import AsyncMock

import discord
import pytest

from bot.cogs.delivery import Deliveries
from bot.engine.fake import FakeEngine, Faults, Gate
from bot.errors import StoreError
from bot.render import Rendered, render_result
from bot.sandbox import Event, EventKind, LineError
from bot.store import JobState, JobStore
from tests.conftest import TIMEOUT_S, OpenStage, Stage, eventually


async def begin_held(stage: Stage, prompt: str = "a red circle", *, player: str = "requester") -> Event:
    """A job of the member `user`, from its acknowledgement on."""
    return await stage.begin(f"/imagine prompt:{prompt} images:2", player=player)


async def post_button(stage: Stage, custom_id: str, *, channel: str = "general") -> None:
    """A message with a button "Forged", as a stale or a forged one would look to the bot."""
    await eventually(lambda: bool(stage.app.bot.guilds))
    (guild,) = stage.app.bot.guilds
    button: discord.ui.Button[discord.ui.View] = discord.ui.Button(label="Forged", custom_id=custom_id)
    view = discord.ui.View(timeout=None)
    view.add_item(button)
    view.stop()  # or discord.py would take presses itself
    target = next(c for c in guild.text_channels if c.name == channel)
    await target.send("a button", view=view)


async def answer_alone(stage: Stage, line: str) -> str:
    """The one sentence that a line is answered with, for the player alone."""
    answer = await stage.answer(line)
    assert answer.is_ephemeral
    assert answer.kind is EventKind.ACK
    return answer.text


async def test_the_requester_cancels_a_running_job(open_stage: OpenStage) -> None:
    gate = Gate()
    engine = FakeEngine(gate=gate)
    async with open_stage(lambda: engine) as stage:
        acknowledged = await begin_held(stage)
        await stage.job(JobState.RUNNING)
        seen = await stage.play("click Cancel")
        job = await stage.job(JobState.CANCELLED)
        gate.open()
        await eventually(lambda: engine.num_occupied == 0)
    assert seen[-1].message_id == acknowledged.message_id
    assert seen[-1].text == "a red circle\nCancelled by @user."
    assert job.error == f"Cancelled by <@{job.user_id}>."


async def test_a_waiting_job_is_cancelled_and_the_next_one_moves_up(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(num_slots=2, gate=gate)) as stage:
        await begin_held(stage, "first")
        await stage.job(JobState.RUNNING)
        await begin_held(stage, "second", player="other")
        assert (await stage.play("click Cancel"))[-1].text == "second\nCancelled by @user."
        await stage.job(JobState.CANCELLED, index=1)
        assert stage.app.executor.status.num_queued == 0
        gate.open()
        await stage.job(JobState.DELIVERED, index=0)


async def test_a_moderator_may_cancel_and_others_may_not(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await begin_held(stage)
        await stage.job(JobState.RUNNING)
        await stage.play("as alice")
        said = await answer_alone(stage, "click Cancel")
        assert said == "Only whoever asked for it can do this, or a moderator."
        await stage.job(JobState.RUNNING)
        await stage.play("as moderator")
        assert (await stage.play("click Cancel"))[-1].text == "a red circle\nCancelled by @moderator."
        await stage.job(JobState.CANCELLED)
        gate.open()


async def test_two_who_press_at_once_are_told_who_was_faster(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await begin_held(stage)
        await stage.job(JobState.RUNNING)
        both = asyncio.Barrier(2)
        cancel = Deliveries.cancel

        async def together(deliveries: Deliveries, job_id: str, user_id: int) -> bool:
            await both.wait()
            return await cancel(deliveries, job_id, user_id)

        monkeypatch.setattr(Deliveries, "cancel", together)
        await stage.sandbox.play("as moderator", player="second")
        first, second = await asyncio.gather(
            stage.play("click Cancel"), stage.sandbox.play("click Cancel", TIMEOUT_S, "second")
        )
        await stage.job(JobState.CANCELLED)
        gate.open()
    told = [event.text for event in (*first, *second) if event.is_ephemeral]
    assert told == ["Somebody has just cancelled this job."]
    ends = {event.text for event in (*first, *second) if "Cancelled by" in event.text}
    assert len(ends) == 1


async def test_a_press_while_the_pictures_are_on_their_way(open_stage: OpenStage) -> None:
    rendering = asyncio.Event()
    release = threading.Event()
    loop = asyncio.get_running_loop()

    def slow_result(*args: Any, **kwargs: Any) -> Rendered:
        loop.call_soon_threadsafe(rendering.set)
        release.wait(TIMEOUT_S)
        return render_result(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("bot.cogs.handing_over.render_result", slow_result)
        async with open_stage() as stage:
            await begin_held(stage)
            async with asyncio.timeout(TIMEOUT_S):
                await rendering.wait()
            said = await answer_alone(stage, "click Cancel")
            release.set()
            await stage.job(JobState.DELIVERED)
    assert said == "It is too late to cancel this job: its pictures are on their way."


async def test_a_press_that_the_delivery_hears_of_too_late(open_stage: OpenStage) -> None:
    """The store says that it is being drawn, and the executor has just finished."""
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await begin_held(stage)
        await stage.job(JobState.RUNNING)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(stage.app.executor, "cancel", AsyncMock(return_value=False))
            said = await answer_alone(stage, "click Cancel")
        gate.open()
        await stage.job(JobState.DELIVERED)
    assert said == "It is too late to cancel this job: its pictures are on their way."


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (JobState.DELIVERED, "It is too late to cancel this job: its pictures are there."),
        (JobState.CANCELLED, "This job was cancelled already."),
        (JobState.FAILED, "This job has ended already, without pictures."),
    ],
)
async def test_a_press_after_the_end(open_stage: OpenStage, state: JobState, sentence: str) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate, faults=Faults(refused_prompts={"failed"}))) as stage:
        await begin_held(stage, str(state))
        if state is JobState.CANCELLED:
            await stage.job(JobState.RUNNING)
            await stage.play("click Cancel")
        gate.open()
        job = await stage.job(state)
        await post_button(stage, f"1:cancel:{job.id}")
        assert await answer_alone(stage, "click Forged") == sentence
        assert await stage.app.store.jobs.get(job.id) == job


async def test_a_job_that_is_not_in_the_store_any_more(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await post_button(stage, "1:cancel:0123456789ab")
        assert await answer_alone(stage, "click Forged") == "This job is not known any more."


@pytest.mark.parametrize("custom_id", ["1:cancel:nonsense", "2:cancel:0123456789ab", "1:explode:0123456789ab", "1:"])
async def test_forged_and_foreign_custom_ids_are_refused(open_stage: OpenStage, custom_id: str) -> None:
    async with open_stage() as stage:
        await post_button(stage, custom_id)
        said = await answer_alone(stage, "click Forged")
    assert said == "This control is not from this version of the bot. Use the command again."


async def test_a_moderator_cancels_from_another_channel(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await begin_held(stage)
        job = await stage.job(JobState.RUNNING)
        await post_button(stage, f"1:cancel:{job.id}", channel="gallery")
        await stage.play("as alice")
        await stage.play("in gallery")
        assert await answer_alone(stage, "click Forged") == "Only whoever asked for it can do this, or a moderator."
        await stage.play("as moderator")
        await stage.play("in gallery")
        await stage.play("click Forged")
        await stage.job(JobState.CANCELLED)
        gate.open()


async def test_a_job_that_a_restart_has_resumed(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        acknowledged = await begin_held(stage)
        await stage.job(JobState.RUNNING)
        await stage.app.bot.close()
        with pytest.raises(LineError, match="no button 'Cancel'"):
            await stage.play("click Cancel")  # nobody is there to hear it
        gate.open()
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.job(JobState.RUNNING)
        await eventually(lambda: resumed_edits(stage) == 1)
        seen = await stage.play("click Cancel")
        await stage.job(JobState.CANCELLED)
        gate.open()
    assert seen[-1].text == "a red circle\nCancelled by @user."
    assert seen[-1].message_id == acknowledged.message_id


def resumed_edits(stage: Stage) -> int:
    return sum("Resumed" in str(e.payload) for e in stage.sandbox.requests if e.method == "PATCH")


async def test_a_job_that_was_finished_before_the_restart(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("/imagine prompt:a red circle images:2")
        job = await stage.job(JobState.DELIVERED)
    async with open_stage() as stage:
        await post_button(stage, f"1:cancel:{job.id}")
        said = await answer_alone(stage, "click Forged")
    assert said == "It is too late to cancel this job: its pictures are there."


async def test_a_job_that_the_restart_could_not_take_up(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await begin_held(stage)
        await stage.job(JobState.RUNNING)
        await stage.app.bot.close()
        gate.open()
    with monkeypatch.context() as patched:
        patched.setattr(JobStore, "unfinished", AsyncMock(side_effect=StoreError("It is locked.")))
        async with open_stage() as stage:
            job = await stage.job(JobState.RUNNING)
            await post_button(stage, f"1:cancel:{job.id}")
            await stage.play("click Forged")
            assert (await stage.job(JobState.CANCELLED)).error == f"Cancelled by <@{job.user_id}>."
            await eventually(lambda: any("Cancelled by" in str(e.payload) for e in stage.sandbox.requests))
    async with open_stage() as stage:
        assert await stage.app.store.jobs.unfinished() == []


async def test_a_bot_that_is_closing_says_so(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await begin_held(stage)
        job = await stage.job(JobState.RUNNING)
        await post_button(stage, f"1:cancel:{job.id}")
        await stage.app.bot.services.deliveries.aclose()
        assert await answer_alone(stage, "click Forged") == "The bot is going offline. Try again when it is back."
        assert (await stage.app.store.jobs.unfinished())[0].id == job.id
        gate.open()


async def test_a_store_that_is_down_is_one_sentence_with_an_id(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await begin_held(stage)
        await stage.job(JobState.RUNNING)
        with monkeypatch.context() as patched:
            patched.setattr(JobStore, "get", AsyncMock(side_effect=StoreError("It is locked.")))
            said = await answer_alone(stage, "click Cancel")
        gate.open()
        await stage.job(JobState.DELIVERED)
    assert said.startswith("The bot's database has a problem (id ")
