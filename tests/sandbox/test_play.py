"""`dalle-bot sandbox`: the real client here, the stand-in in a process of its own."""

import asyncio
import io
from pathlib import Path

import pytest

from bot.collage import read_metadata
from bot.config import Settings
from bot.engine.fake import FakeEngine
from bot.errors import ConfigError
from bot.sandbox import Event, EventKind, LineError
from bot.sandbox.play import play, stay_up

TIMEOUT_S = 60.0


async def test_the_transcript_and_the_picture_of_one_line(settings: Settings, tmp_path: Path) -> None:
    seen: list[Event] = []
    transcript = await play(
        ["/imagine prompt:a red circle images:2"],
        settings=settings,
        engine_factory=FakeEngine,
        out=tmp_path / "out",
        on_event=seen.append,
    )
    assert transcript == seen
    assert [event.kind for event in transcript[:2]] == [EventKind.SAY, EventKind.ACK]
    (name,) = transcript[-1].files
    assert read_metadata((tmp_path / "out" / name).read_bytes())["prompt"] == "a red circle"
    assert not settings.data_dir.exists(), "a real bot's jobs stay out of the sandbox"


async def test_a_job_that_was_begun_is_cancelled(settings: Settings, tmp_path: Path) -> None:
    transcript = await play(
        ["begin /imagine prompt:a red circle images:2", "/queue", "click Cancel", "/queue"],
        settings=settings,
        engine_factory=lambda: FakeEngine(image_length=640, delay_s=0.5),
    )
    said = [number for number, event in enumerate(transcript) if event.kind is EventKind.SAY]
    begun, listed, cancelled, empty = (
        transcript[start + 1 : end] for start, end in zip(said, [*said[1:], len(transcript)], strict=True)
    )
    assert [event.kind for event in begun] == [EventKind.ACK]
    assert [event.is_ephemeral for event in listed] == [True]
    assert "a red circle" in listed[0].text
    assert cancelled[-1].text == "a red circle\nCancelled by @user."
    assert empty[-1].text.startswith("You have no unfinished jobs.")


async def test_the_conversation_as_a_page(settings: Settings, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    await play(["/help"], settings=settings, engine_factory=FakeEngine, page=page)
    assert "Draw pictures of a prompt, ranked best first" in page.read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match=r"--page: .* can't be written"):
        await play(["wait 0"], settings=settings, engine_factory=FakeEngine, page=tmp_path / "absent" / "page.html")


async def test_a_given_folder_keeps_the_store(settings: Settings, tmp_path: Path) -> None:
    await play(["wait 0"], settings=settings, engine_factory=FakeEngine, data_dir=tmp_path / "kept")
    assert (tmp_path / "kept" / "dalle-bot.sqlite3").exists()


async def test_a_line_without_a_meaning_keeps_all_from_starting(settings: Settings) -> None:
    built: list[FakeEngine] = []

    def build() -> FakeEngine:
        built.append(FakeEngine())
        return built[-1]

    seen: list[Event] = []
    with pytest.raises(LineError, match="dance"):
        await play(["as alice", "dance"], settings=settings, engine_factory=build, on_event=seen.append)
    assert (built, seen) == ([], [])


async def test_a_line_that_turns_out_to_be_impossible_ends_the_play(settings: Settings) -> None:
    seen: list[Event] = []
    with pytest.raises(LineError, match="'Nowhere'"):
        await play(
            ["as alice", "click Nowhere", "as bob"],
            settings=settings,
            engine_factory=FakeEngine,
            on_event=seen.append,
        )
    assert [event.kind for event in seen] == [EventKind.SAY, EventKind.NOTE, EventKind.SAY, EventKind.NOTE]
    assert "no button 'Nowhere'" in seen[-1].text


async def test_staying_up_plays_what_is_typed_to_the_end_of_the_input(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("dance\n\nas alice\n"))
    addresses: list[str] = []
    seen: list[Event] = []
    async with asyncio.timeout(TIMEOUT_S):
        await stay_up(
            settings=settings,
            engine_factory=FakeEngine,
            on_event=seen.append,
            on_ready=lambda online: addresses.append(online.sandbox.address),
        )
    assert [event.kind for event in seen] == [EventKind.SAY, EventKind.NOTE, EventKind.SAY, EventKind.NOTE]
    assert "Can't play the line 'dance'" in seen[1].text
    assert seen[3].text == "now playing as alice"
    assert addresses[0].startswith("http://127.0.0.1:")


async def test_staying_up_without_any_input(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    ready = asyncio.Event()
    staying = asyncio.create_task(
        stay_up(
            settings=settings,
            engine_factory=FakeEngine,
            on_event=lambda event: None,
            on_ready=lambda online: ready.set(),
        )
    )
    async with asyncio.timeout(TIMEOUT_S):
        await ready.wait()
    assert not (await asyncio.wait({staying}, timeout=0.5))[0]
    staying.cancel()
    await asyncio.gather(staying, return_exceptions=True)
