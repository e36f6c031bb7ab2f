"""A guild's settings as its members meet them: the real client in a sandbox."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.collage import read_metadata
from bot.engine.fake import FakeEngine, Gate
from bot.errors import StoreError
from bot.guild_settings import QuietHours
from bot.store import JobState
from bot.store.guilds import GuildStore
from tests.conftest import TIMEOUT_S, OpenStage, Stage

DRAW = "/imagine prompt:a red circle images:1"


async def guild_id(stage: Stage) -> int:
    await asyncio.wait_for(stage.app.bot.wait_until_ready(), TIMEOUT_S)
    (guild,) = stage.app.bot.guilds
    return guild.id


async def change(stage: Stage, **values: Any) -> None:
    await stage.app.store.guilds.change(await guild_id(stage), 1, **values)


async def channel_id(stage: Stage, name: str) -> int:
    await guild_id(stage)
    (channel,) = (channel for channel in stage.app.bot.guilds[0].channels if channel.name == name)
    return channel.id


async def refused(stage: Stage, line: str = DRAW) -> str:
    """The sentence of a refusal, before anything was stored."""
    known = list(stage.job_ids)
    answer = await stage.answer(line)
    assert answer.is_ephemeral
    assert stage.job_ids == known
    return answer.text


async def test_paused_and_resumed(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play(DRAW)
        await change(stage, is_paused=True)
        for line in (DRAW, "/again", "click Reroll", "/imagine prompt:for me private:true"):
            assert (await refused(stage, line)).startswith("This server has paused drawing.")
        await stage.play("choose 1")
        assert (await refused(stage, "click Vary")).startswith("This server has paused drawing.")
        await stage.play("as moderator")
        assert (await refused(stage)).startswith("This server has paused drawing.")
        await change(stage, is_paused=False)
        assert (await stage.play(DRAW))[-1].files


async def test_a_question_that_is_answered_in_a_pause_can_be_answered_later(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.answer("/imagine prompt:a {red|blue} star images:1")
        await change(stage, is_paused=True)
        assert (await refused(stage, "click Draw 2 jobs")).startswith("This server has paused drawing.")
        await change(stage, is_paused=False)
        await stage.play("click Draw 2 jobs")
        await stage.job(JobState.DELIVERED, index=1)


async def test_quiet_hours(open_stage: OpenStage) -> None:
    now = datetime.now(UTC)
    later = (now + timedelta(hours=2)).time().replace(second=0, microsecond=0)
    earlier = (now - timedelta(hours=2)).time().replace(second=0, microsecond=0)
    async with open_stage() as stage:
        await change(stage, quiet_hours=await asyncio.to_thread(QuietHours, earlier, later, "UTC"))
        sentence = await refused(stage)
        assert sentence.startswith(f"This server has quiet hours from {earlier:%H:%M} to {later:%H:%M} (UTC). I draw")
        assert sentence.endswith(f"({later:%H:%M}).")
        await change(stage, quiet_hours=await asyncio.to_thread(QuietHours, later, earlier, "UTC"))
        assert (await stage.play(DRAW))[-1].files


async def test_channels(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await change(stage, allowed_channels=(await channel_id(stage, "gallery"), 99))
        assert await refused(stage) == ("In this server I draw in certain channels only: #gallery. Ask again there.")
        await stage.play("in gallery")
        assert (await stage.play(DRAW))[-1].files
        await change(stage, allowed_channels=(99,))
        assert (await refused(stage)).startswith("The channels in which I may draw in this server don't exist any")


async def test_roles(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await guild_id(stage)
        (role,) = (role for role in stage.app.bot.guilds[0].roles if role.name == "Moderator")
        await change(stage, allowed_roles=(role.id,))
        assert (await refused(stage)).startswith(
            "In this server only members with certain roles may draw: @Moderator. Whoever"
        )
        await stage.play("as moderator")
        assert (await stage.play(DRAW))[-1].files
        await change(stage, allowed_roles=(await guild_id(stage),))
        await stage.play("as user")
        assert (await stage.play(DRAW))[-1].files, "everybody has the role @everyone"


async def test_unfinished_jobs(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await change(stage, max_jobs_per_user=1)
        assert await refused(stage, f"{DRAW} prompt2:a blue star") == (
            "In this server each member may have 1 unfinished job, and this makes 2: ask for fewer."
        )
        await stage.begin(DRAW)
        assert (await refused(stage)).startswith(
            "In this server each member may have 1 unfinished job, and you have 1. Ask again when one is done"
        )
        await stage.play("as other")
        await stage.begin(DRAW)
        gate.open()
        await stage.job(JobState.DELIVERED)


async def test_cooldown(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_stage() as stage:
        await change(stage, cooldown_s=300)
        await stage.play(DRAW)
        for line in (DRAW, "/again", "click Reroll"):
            assert (await refused(stage, line)).startswith(
                "In this server each member may ask once in 5 minutes. You can ask again in "
            )
        await stage.play("as other")
        assert (await stage.play(DRAW))[-1].files
        await change(stage, cooldown_s=1)
        await asyncio.sleep(1)
        assert (await stage.play(DRAW))[-1].files


async def test_two_requests_at_the_same_moment_find_room_for_one(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await change(stage, cooldown_s=300)
        events = await asyncio.gather(*(stage.begin(DRAW, player=name) for name in ("one", "two", "three")))
        assert len(stage.job_ids) == 1
        assert sorted(event.is_ephemeral for event in events) == [False, True, True]


async def test_daily_quota(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await change(stage, daily_images=3)
        await stage.play("/imagine prompt:a red circle images:2")
        rule = "In this server each member may ask for 3 pictures within 24 hours"
        sentence = await refused(stage, "/again")
        assert sentence.startswith(f"{rule}, and you have asked for 2. There is room for 2 more in 1 day (")
        assert await refused(stage, f"{DRAW} images:4".replace("images:1 ", "")) == (
            f"{rule}, and this makes 4: ask for fewer."
        )
        assert (await stage.play(DRAW))[-1].files


async def test_defaults_and_maxima(open_stage: OpenStage, tmp_path: Path) -> None:
    async with open_stage() as stage:
        await stage.play("/imagine prompt:a red circle images:4 temperature:4")
        await change(stage, max_images=3, default_images=2, default_top_k=64, max_temperature=2.0)
        assert await refused(stage, "/imagine prompt:x images:4") == "images may be 3 at most in this server, not 4."
        assert await refused(stage, "/imagine prompt:x temperature:3") == (
            "temperature may be 2 at most in this server, not 3."
        )
        done = (await stage.play("/imagine prompt:a blue star"))[-1]
        assert "2 images for" in done.text
        assert "top_k 64" in done.text
        await stage.play("as user")
        for line in ("/again prompt:a red circle images:3 temperature:2", "click Reroll"):
            await stage.play(line)
        job = await stage.job(JobState.DELIVERED)
        assert (job.num_images, job.temperature, job.top_k) == (3, 2.0, 64)


async def test_what_was_asked_before_a_maximum_is_made_less(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("/imagine prompt:a red circle images:4 temperature:4")
        await change(stage, max_images=3, max_temperature=2.0, max_condition_scale=0.5)
        for index, line in enumerate(("/again", "click Reroll"), 1):
            await stage.play(line)
            job = await stage.job(JobState.DELIVERED, index=index)
            assert (job.num_images, job.temperature) == (3, 2.0)
            assert job.result is not None
            assert job.result["sampling"]["condition_scale"] == 0.5, "the model's own is 1"


async def test_the_format_of_results(open_stage: OpenStage, tmp_path: Path) -> None:
    async with open_stage() as stage:
        await change(stage, result_format="webp")
        (name,) = (await stage.play(DRAW))[-1].files
        assert name.endswith(".webp")
        assert read_metadata((tmp_path / "out" / name).read_bytes())["prompt"] == "a red circle"


async def test_the_language_of_public_messages(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await change(stage, language="de")
        _, acknowledged, *_, done = await stage.play(DRAW)
        assert "In der Warteschlange, Platz 1" in acknowledged.text
        assert "Bild für @user" in done.text
        assert (await stage.job(JobState.DELIVERED)).locale == "de"
        assert "image for @user" in (await stage.play(f"{DRAW} private:true"))[-1].text, "their user's own"
        await change(stage, is_paused=True)
        assert (await refused(stage)).startswith("This server has paused drawing")


async def test_without_previews_there_is_progress(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cogs.previews.ROUND_S", 0.2)
    engine = FakeEngine(image_length=256, num_rows=16, delay_s=0.25)
    async with open_stage(lambda: engine) as stage:
        await change(stage, previews=False)
        events = await stage.play("/imagine prompt:a red circle images:4")
    progress = [event for event in events if "Drawing 4 images" in event.text]
    assert progress
    assert not any(event.files for event in progress)
    assert engine.calls["preview"] == 0


async def test_a_restart_keeps_to_the_settings(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await change(stage, language="de")
        await stage.leave_running(DRAW, gate)
        await change(stage, result_format="webp", max_condition_scale=0.5)
    async with open_stage() as stage:
        job = await stage.job(JobState.DELIVERED)
        assert job.result is not None
        assert job.result["sampling"]["condition_scale"] == 0.5
        edits = [
            e for e in stage.sandbox.requests if e.method == "PATCH" and (e.path_template or "").startswith("/channels")
        ]
    assert "Bild für" in edits[-1].payload["content"]
    assert edits[-1].payload["attachments"][0]["filename"].endswith(".webp")


@pytest.mark.true_limits
async def test_settings_that_cannot_be_read_let_nobody_in(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: object) -> None:
        raise StoreError("It is locked.")

    async def hangs(*_: object) -> None:
        await asyncio.sleep(TIMEOUT_S)

    async with open_stage() as stage:
        for read in (down, hangs):
            monkeypatch.setattr(GuildStore, "settings", read)
            assert (await refused(stage)).startswith("The bot's database has a problem")
