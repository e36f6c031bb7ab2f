"""/queue as its users meet it: the real client in a sandbox."""

import asyncio
import re

import pytest

from bot.engine.fake import FakeEngine, Gate
from bot.errors import StoreError
from bot.sandbox import EventKind
from bot.store import JobState, JobStore
from tests.conftest import TIMEOUT_S, OpenStage


async def test_ones_own_jobs_are_listed_and_cancelled_from_the_list(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(num_slots=2, gate=gate)) as stage:
        await stage.begin_running("/imagine prompt:first images:2", player="one")
        await stage.begin("/imagine prompt:second images:2", player="two")
        await stage.sandbox.play("as alice", player="alice")
        await stage.begin("/imagine prompt:hers images:2", player="alice")
        await stage.job(JobState.QUEUED)
        page = await stage.answer("/queue")
        lines = page.text.splitlines()
        assert page.is_ephemeral
        assert re.fullmatch(r"1\. first https://discord\.com/channels/\d+/\d+/\d+", lines[0])
        assert lines[1].strip().startswith("Drawing 2 images")
        assert lines[2].startswith("2. second https://")
        assert lines[3].strip().startswith("Queued, place ")
        assert lines[4:] == ["Everybody's jobs: 2 waiting, 1 being drawn.", "[Cancel 1] [Cancel 2]"]
        _, shown = await stage.play("click Cancel 2")
        assert (shown.kind, shown.message_id) == (EventKind.ACK, page.message_id)
        lines = shown.text.splitlines()
        assert lines[0] == "Cancelled: second"
        assert lines[1].startswith("1. first ")
        assert lines[3:] == ["Everybody's jobs: 1 waiting, 1 being drawn.", "[Cancel 1]"]
        await stage.job(JobState.CANCELLED, index=1)
        assert "hers" not in page.text
        gate.open()
        await stage.job(JobState.DELIVERED, index=2)


async def test_a_button_of_an_old_list_says_what_became_of_the_job(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin_running("/imagine prompt:a red circle images:2", player="one")
        await stage.play("/queue")
        gate.open()
        await stage.job(JobState.DELIVERED)
        answer = await stage.answer("click Cancel 1")
    assert answer.is_ephemeral
    assert answer.text == "It is too late to cancel this job: its pictures are there."


async def test_a_member_without_jobs(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        answer = await stage.answer("/queue")
    assert answer.is_ephemeral
    assert answer.text == "You have no unfinished jobs.\nEverybody's jobs: 0 waiting, 0 being drawn."


@pytest.mark.true_limits
@pytest.mark.parametrize("how", ["refuses", "hangs"])
async def test_a_store_that_is_down(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    async def down(*_: object) -> None:
        if how == "hangs":
            await asyncio.sleep(TIMEOUT_S)
        raise StoreError("It is locked.")

    monkeypatch.setattr(JobStore, "latest_of", down)
    async with open_stage() as stage:
        answer = await stage.answer("/queue")
    assert answer.is_ephemeral
    assert answer.text.startswith("The bot's database has a problem (id ")


async def test_the_list_in_german(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.play("as anna in de")
        await stage.sandbox.play("as anna in de", player="one")
        await stage.begin_running("/zeichne beschreibung:ein Kreis bilder:2", player="one")
        assert (await stage.answer("/warteschlange")).text.endswith("[1 abbrechen]")
        assert (await stage.play("click Abbrechen"))[-1].text == "ein Kreis\nAbgebrochen von @anna."
        gate.open()
