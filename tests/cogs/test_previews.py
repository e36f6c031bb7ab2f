"""Unfinished pictures: shown while a job is drawn, and never in the way of its result."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from bot.cogs.picture_threads import PictureThreads
from bot.cogs.previews import ROUND_S, PreviewEncoder, preview_interval_s
from bot.engine.fake import FakeEngine
from bot.engine.fake_pictures import expected_preview
from bot.guild_settings import DEFAULTS, GuildSettings
from bot.language import ENGLISH
from bot.render import Picture, render_preview
from bot.requests import GenerationRequest, PreviewImage
from bot.sandbox import Exchange
from bot.store import JobState
from tests.cogs.desk import TIMEOUT_S, open_desk
from tests.conftest import OpenStage, eventually


def slow_engine() -> FakeEngine:
    """Draws for about a second and a half, a row every six hundredths."""
    return FakeEngine(image_length=96, num_rows=24, delay_s=0.06)


def unfinished(filenames: list[str]) -> list[bool]:
    return ["unfinished" in name for name in filenames]


async def test_previews_come_with_the_bar_and_give_way_to_the_result(tmp_path: Path) -> None:
    async with open_desk(tmp_path, slow_engine, edit_interval_s=0.2) as desk:
        await desk.wait_for(await desk.accept(preview_interval_s=0.1), JobState.DELIVERED)
    *previews, result = unfinished(desk.recorded.filenames)
    assert len(previews) >= 2
    assert all(previews)
    assert result is False
    with_picture = [text for text, n in zip(desk.recorded.contents, desk.recorded.num_files, strict=True) if n]
    assert all("Drawing 2 images, " in text for text in with_picture[:-1])


async def test_edits_with_previews_keep_the_interval(tmp_path: Path) -> None:
    async with open_desk(tmp_path, slow_engine, edit_interval_s=0.5) as desk:
        await desk.wait_for(await desk.accept(preview_interval_s=0.1), JobState.DELIVERED)
    assert 1 <= sum(unfinished(desk.recorded.filenames)) <= len(desk.recorded.contents) - 1 <= 5


async def test_a_preview_that_is_late_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release, encoded = threading.Event(), threading.Event()

    def slow(*args: Any, **kwargs: Any) -> Picture:
        release.wait(TIMEOUT_S)
        picture = render_preview(*args, **kwargs)
        encoded.set()
        return picture

    monkeypatch.setattr("bot.cogs.previews.render_preview", slow)
    async with open_desk(tmp_path, slow_engine) as desk:
        await desk.wait_for(await desk.accept(preview_interval_s=0.1), JobState.DELIVERED)
        release.set()
        await asyncio.to_thread(encoded.wait, TIMEOUT_S)
        await asyncio.sleep(0.05)
        assert unfinished(desk.recorded.filenames) == [False]
        assert desk.recorded.num_files[-1] == 1


async def test_where_discord_takes_no_preview_the_words_and_the_result_still_come(tmp_path: Path) -> None:
    async with open_desk(tmp_path, slow_engine) as desk:
        desk.recorded.refused_name = "unfinished"
        await desk.wait_for(await desk.accept(preview_interval_s=0.1), JobState.DELIVERED)
    assert unfinished(desk.recorded.filenames) == [False]
    assert any("Drawing 2 images, " in text for text in desk.recorded.contents)


async def test_a_preview_that_can_not_be_made_costs_the_previews_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Picture:
        raise ZeroDivisionError("bug")

    monkeypatch.setattr("bot.cogs.previews.render_preview", broken)
    async with open_desk(tmp_path, slow_engine) as desk:
        await desk.wait_for(await desk.accept(preview_interval_s=0.1), JobState.DELIVERED)
    assert unfinished(desk.recorded.filenames) == [False]
    assert caplog.text.count("a preview could not be made") == 1
    assert "ZeroDivisionError: bug" in caplog.text


async def test_a_cancelled_job_loses_its_preview(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cogs.previews.ROUND_S", 0.2)
    async with open_stage(lambda: FakeEngine(image_length=640, num_rows=40, delay_s=0.2)) as stage:
        await stage.begin("/imagine prompt:a red circle images:2", player="requester")

        def patches() -> list[Exchange]:
            return [e for e in stage.sandbox.requests if e.method == "PATCH"]

        await eventually(lambda: any(e.files for e in patches()))
        (attachment,) = patches()[-1].answer["attachments"]
        assert "unfinished" in attachment["filename"]
        assert attachment["description"] == "2 unfinished images of: a red circle"
        await stage.play("click Cancel")
        await stage.job(JobState.CANCELLED)
        assert patches()[-1].answer["attachments"] == []


@pytest.mark.parametrize("is_allowed", [True, False])
async def test_the_decision_is_the_guilds(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, is_allowed: bool
) -> None:
    monkeypatch.setattr("bot.cogs.previews.ROUND_S", 0.2)
    monkeypatch.setattr("bot.cogs.previews.previews_allowed", lambda settings: is_allowed)
    engine = FakeEngine(image_length=96, num_rows=24, delay_s=0.1)
    async with open_stage(lambda: engine) as stage:
        await stage.play("/imagine prompt:a red circle images:2")
    assert (engine.calls["preview"] > 0) is is_allowed


def test_each_image_has_its_turn_within_a_round() -> None:
    assert preview_interval_s(DEFAULTS, 1, are_kept_from_sight=False) == ROUND_S
    assert preview_interval_s(DEFAULTS, 9, are_kept_from_sight=False) == ROUND_S / 9
    assert preview_interval_s(DEFAULTS, 9, are_kept_from_sight=True) is None
    assert preview_interval_s(GuildSettings(previews=False), 1, are_kept_from_sight=False) is None


async def test_one_preview_is_encoded_at_a_time_and_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    calls: list[tuple[PreviewImage, ...]] = []

    def slow(request: GenerationRequest, pictures: tuple[PreviewImage, ...], **_: Any) -> Picture:
        calls.append(pictures)
        release.wait(TIMEOUT_S)
        return Picture(str(len(calls)), b"", "")

    monkeypatch.setattr("bot.cogs.previews.render_preview", slow)
    first, second = ((PreviewImage(0, expected_preview(1, 0, n, num_rows=2, image_size_px=8), n),) for n in (1, 2))
    threads = PictureThreads()
    encoder = PreviewEncoder(GenerationRequest("a red circle", 1, seed=1, requester="1"), ENGLISH, threads)
    encoder.offer(())
    assert encoder.under_way == ()
    encoder.offer(first)
    encoder.offer(second)
    assert encoder.take() is None
    release.set()
    await asyncio.wait(encoder.under_way, timeout=TIMEOUT_S)
    encoder.offer(first)
    taken = encoder.take()
    assert taken is not None
    assert taken.filename == "1"
    assert encoder.take() is None
    encoder.offer(second)
    await asyncio.wait(encoder.under_way, timeout=TIMEOUT_S)
    assert calls == [first, second]
    encoder.close()
