"""/mod sweep as moderators meet it: the real client in a sandbox."""

import asyncio
import io
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bot.cogs import sweeping
from bot.cogs.result_removal import ResultRemoval
from bot.config import QueueSettings, Settings
from bot.errors import StoreError
from bot.pictures import PictureFolder
from bot.sandbox import Refusal
from bot.store import AuditAction, AuditFilter, JobRecord, SweepState
from tests.cogs.test_cancelling import answer_alone, post_button
from tests.cogs.test_gallery import draw, engine, store_results
from tests.cogs.test_privacy import until_told
from tests.conftest import OpenStage, Stage, eventually

DONE = "The sweep is done: {} deleted."
ONLY_MODERATORS = "Only moderators can do this"
MESSAGE = "/channels/{channel_id}/messages/{message_id}"


async def left(stage: Stage, *jobs: JobRecord) -> list[bool]:
    found = [await stage.app.store.jobs.get(job.id) for job in jobs]
    return [job is not None and job.deleted_at is None for job in found]


async def actions(stage: Stage, guild_id: int | None) -> list[str]:
    """What the audit has, oldest first."""
    assert guild_id is not None
    return [entry.action for entry in (await stage.app.store.audit.page(AuditFilter(guild_id=guild_id), 99))[::-1]]


async def test_it_counts_first_then_deletes_what_one_member_asked_for(
    open_stage: OpenStage, settings: Settings
) -> None:
    async with open_stage(engine) as stage:
        await stage.play("as alice")
        mine = [await draw(stage), await draw(stage, "a blue star")]
        await stage.play("as bob")
        theirs = await draw(stage)
        await stage.play("as moderator")
        shown = (await stage.play("/mod sweep user:alice"))[-1]
        assert shown.is_ephemeral
        assert "2 results of this server are by @alice. Delete their messages, pictures and files?" in shown.text
        assert "a blue star" in shown.text
        assert await left(stage, *mine, theirs) == [True] * 3
        await until_told(stage, "click Delete all", DONE.format("2 results are"))
        assert await left(stage, *mine, theirs) == [False, False, True]
        assert {path.parent.name for path in settings.pictures_dir.glob("*/*/*.png")} == {theirs.id}
        gone = [e.path.rpartition("/")[2] for e in stage.sandbox.requests if e.method == "DELETE"]
        assert gone == [str(job.message_id) for job in mine[::-1]]
        expected = [AuditAction.SWEEP_STARTED, *[AuditAction.RESULT_SWEPT] * 2, AuditAction.SWEEP_DONE]
        assert await actions(stage, theirs.guild_id) == expected


async def test_prompts_of_private_results_are_not_shown(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await stage.play("as alice")
        await stage.play("/imagine prompt:a secret wish images:1 private:true")
        await stage.play("as moderator")
        shown = (await stage.play("/mod sweep user:alice"))[-1].text
        assert "1 result of this server is by @alice." in shown
        assert shown.splitlines()[1].endswith(" · private")
        assert "secret" not in shown


def circle(radius_px: int) -> bytes:
    rows, columns = np.mgrid[:128, :128]
    pixels = np.full((128, 128, 3), 240, np.uint8)
    pixels[(rows - 64) ** 2 + (columns - 64) ** 2 < radius_px**2] = (220, 30, 30)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


async def test_by_word_by_time_and_by_likeness(open_stage: OpenStage, settings: Settings) -> None:
    async with open_stage(engine) as stage:
        first = await draw(stage, "a gr4ss circle")
        second = await draw(stage, "a blue star")
        # The fake engine's pictures are plain, and like nothing.
        for job, radius_px in ((first, 40), (second, 41)):
            await asyncio.to_thread(PictureFolder(settings.pictures_dir, 2**30).save, job.id, [circle(radius_px)])
        await stage.play("as moderator")
        assert "1 result of this server is about “grass”" in (await stage.play("/mod sweep term:grass"))[-1].text
        shown = (await stage.play(f"/mod sweep like:{first.id}"))[-1].text
        assert "2 results of this server are like the pictures of that job" in shown
        shown = (await stage.play(f"/mod sweep like:{first.id} term:circle"))[-1].text
        assert "1 result of this server is about “circle” and like the pictures of that job" in shown
        assert "2 results of this server are since" in (await stage.play("/mod sweep since:1h"))[-1].text
        assert "Nothing here is before" in (await stage.play("/mod sweep until:1h"))[-1].text
        assert "Nothing here is like pictures that" in (await stage.play("/mod sweep rejected:True"))[-1].text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("", "Say what should be deleted"),
        ("since:1h until:2h", "swap them"),
        ("since:soon", "Write a time from 1m to 366d"),
        ("like:0123456789ab", "This job is not known any more."),
        ("like:nothing", "A job's id has 12 characters"),
    ],
)
async def test_wrong_options_are_named(open_stage: OpenStage, options: str, sentence: str) -> None:
    async with open_stage(engine) as stage:
        await stage.play("as moderator")
        assert sentence in await answer_alone(stage, f"/mod sweep {options}")


async def test_members_can_neither_ask_nor_forge(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await stage.play("as moderator")
        await stage.play("/mod sweep since:1h")
        sweep_id = await newest_sweep(stage)
        await stage.play("as mallory")
        for action in ("sweep_run", "sweep_stop"):
            await post_button(stage, f"1:{action}:{sweep_id}")
            assert (await answer_alone(stage, "click Forged")).startswith(ONLY_MODERATORS)
        await stage.play("as moderator")
        await post_button(stage, "1:sweep_run:0123456789ab")
        assert await answer_alone(stage, "click Forged") == "This sweep is not known."
        assert await left(stage, job) == [True]


async def newest_sweep(stage: Stage) -> str:
    """Its id, from the button that was sent last."""
    for exchange in reversed(stage.sandbox.requests):
        found = str(exchange.payload).rpartition("1:sweep_run:")
        if found[1]:
            return found[2][:12]
    raise AssertionError("no sweep was offered")


async def test_it_starts_once_and_not_after_long(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_stage(engine) as stage:
        await draw(stage)
        await stage.play("as moderator")
        await stage.play("/mod sweep since:1h")
        sweep_id = await newest_sweep(stage)
        with monkeypatch.context() as patched:
            patched.setattr(sweeping, "MAX_AGE", timedelta(0))
            assert await answer_alone(stage, "click Delete all") == (
                "This was counted too long ago: use /mod sweep again."
            )
        await until_told(stage, "click Delete all", DONE.format("1 result is"))
        await post_button(stage, f"1:sweep_run:{sweep_id}")
        assert await answer_alone(stage, "click Forged") == "This sweep was started already."
        await post_button(stage, f"1:sweep_stop:{sweep_id}")
        assert await answer_alone(stage, "click Forged") == "This sweep is not running any more."


async def test_what_is_gone_counts_and_what_stays_is_named(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        jobs = [await draw(stage), await draw(stage, "a blue star")]
        await stage.sandbox.refuse(Refusal("DELETE", MESSAGE, 404, 10008, "Unknown Message"))
        await stage.sandbox.refuse(Refusal("DELETE", MESSAGE, 403, 50001, "Missing Access"))
        await stage.play("as moderator")
        await stage.play("/mod sweep since:1h")
        seen = await until_told(stage, "click Delete all", DONE.format("2 results are"))
        assert "Discord did not let me delete 1 message" in seen[-1]
        assert f"/{jobs[0].message_id}" in seen[-1]
        assert await left(stage, *jobs) == [False, False]


async def test_a_stop_leaves_what_was_not_reached(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    remove = ResultRemoval.remove

    async def slow(self: ResultRemoval, *args: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await remove(self, *args)

    monkeypatch.setattr(ResultRemoval, "remove", slow)
    async with open_stage(engine) as stage:
        jobs = [await draw(stage), await draw(stage, "a blue star")]
        await stage.play("as moderator")
        await stage.play("/mod sweep since:1h")
        await stage.play("begin click Delete all")
        await asyncio.wait_for(begun.wait(), 10)
        await stage.play("begin click Stop")
        go_on.set()
        await until_told(stage, "wait 0.1", "The sweep was stopped: 1 result is deleted.")
        assert await left(stage, *jobs) == [True, False]
        done = await actions(stage, jobs[0].guild_id)
        assert sorted(done) == sorted([AuditAction.SWEEP_STARTED, AuditAction.SWEEP_STOPPED, AuditAction.RESULT_SWEPT])


async def test_a_restart_goes_on_where_it_was(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    remove, num_calls = ResultRemoval.remove, 0

    async def failing(self: ResultRemoval, *args: Any) -> Any:
        nonlocal num_calls
        num_calls += 1
        if num_calls == 2:
            raise StoreError("The disk has gone.")
        return await remove(self, *args)

    monkeypatch.setattr(ResultRemoval, "remove", failing)
    async with open_stage(engine) as stage:
        jobs = [await draw(stage), await draw(stage, "a blue star")]
        await stage.play("as moderator")
        await stage.play("/mod sweep since:1h")
        sweep_id = await newest_sweep(stage)
        await stage.play("click Delete all")
        assert await left(stage, *jobs) == [True, False]
        later = await draw(stage, "a green square")
    async with open_stage(engine) as stage:
        told = DONE.format("2 results are")
        await eventually(lambda: any(told in str(exchange.payload) for exchange in stage.sandbox.requests))
        assert await left(stage, *jobs, later) == [False, False, True]
        sweep = await stage.app.store.sweeps.get(sweep_id)
        assert sweep is not None
        assert sweep.state is SweepState.DONE


async def test_many_results_in_pages(
    open_stage: OpenStage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.cogs.sweep_search.PAGE_JOBS", 4)
    roomy = settings.model_copy(update={"queue": QueueSettings(max_jobs=3, max_jobs_per_user=2)})
    async with open_stage(engine, settings=roomy) as stage:
        job = await draw(stage)
        await store_results(stage, job, *[f"a circle {number}" for number in range(9)], *["a star"] * 3)
        await stage.play("as moderator")
        assert "10 results of this server are about “circle”" in (await stage.play("/mod sweep term:circle"))[-1].text
        await until_told(stage, "click Delete all", DONE.format("10 results are"))
        assert "Nothing here is about" in (await stage.play("/mod sweep term:circle"))[-1].text
        assert "3 results of this server are about “star”" in (await stage.play("/mod sweep term:star"))[-1].text
