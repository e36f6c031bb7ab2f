"""`dalle-bot sandbox`, told to stop while it draws, as `dalle-bot run` is (tests/test_app.py)."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.config import Settings
from bot.engine.fake import FakeEngine, Gate
from bot.sandbox import Event, EventKind
from bot.sandbox.errors import StoppedError
from bot.sandbox.performance import Performance
from bot.sandbox.play import Online, play, stay_up
from tests.conftest import TIMEOUT_S

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGTERM")

DRAW = "/imagine prompt:a red circle images:1"


async def stopped(
    settings: Settings,
    gate: Gate,
    number: int,
    on_stopping: Callable[[], None],
    page: Path | None = None,
    data_dir: Path | None = None,
) -> str:
    """Sends a signal once something is drawn; gives what was seen after the line."""
    seen: list[Event] = []

    def on_event(event: Event) -> None:
        seen.append(event)
        if event.kind is EventKind.NOTE:
            on_stopping()
        if "going offline" in event.text:
            gate.open()

    async def signal_once_drawing() -> None:
        await asyncio.to_thread(gate.await_arrivals, 1)
        os.kill(os.getpid(), number)

    signalling = asyncio.create_task(signal_once_drawing())
    with pytest.raises(StoppedError) as told:
        await asyncio.wait_for(
            play(
                [DRAW, "as alice"],
                settings=settings,
                engine_factory=lambda: FakeEngine(gate=gate),
                on_event=on_event,
                page=page,
                data_dir=data_dir,
            ),
            TIMEOUT_S,
        )
    await signalling
    assert told.value.number == number
    assert "as alice" not in [event.text for event in seen], "no further line is played"
    return "\n".join(event.text for event in seen[1:])


async def test_what_is_being_drawn_has_its_time_to_end_and_is_seen(settings: Settings, tmp_path: Path) -> None:
    gate, page = Gate(), tmp_path / "page.html"
    seen = await stopped(settings, gate, signal.SIGTERM, gate.open, page=page)
    assert "stopping: what is being drawn has 20 s to end; a second signal ends it at once" in seen
    assert "1 image for @user" in seen
    assert "going offline" not in seen
    assert "1 image for" in page.read_text(encoding="utf-8")


async def test_what_a_second_signal_interrupts_is_waited_for_by_the_next_sandbox(
    settings: Settings, tmp_path: Path
) -> None:
    gate, kept = Gate(), tmp_path / "kept"
    patient = settings.model_copy(update={"queue": settings.queue.model_copy(update={"drain_s": 100 * TIMEOUT_S})})
    seen = await stopped(patient, gate, signal.SIGINT, lambda: os.kill(os.getpid(), signal.SIGTERM), data_dir=kept)
    assert seen.endswith("The bot is going offline. This job goes on when it is back.")
    _, left, *resumed = await play([], settings=settings, engine_factory=FakeEngine, data_dir=kept)
    assert "going offline" in left.text
    assert {event.message_id for event in resumed} == {left.message_id}
    assert "1 image for @user" in resumed[-1].text


async def test_a_sandbox_without_typed_lines_drains_with_its_connection(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    was_connected: list[bool] = []

    async def drain(_: object, __: float, ___: object, connection: asyncio.Task[None]) -> None:
        was_connected.append(not connection.done())

    async def nothing(_: Performance) -> bool:
        return False

    def signal_soon(_: Online) -> None:
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("bot.sandbox.play.drain", drain)
    monkeypatch.setattr(Performance, "play_typed", nothing)
    with pytest.raises(StoppedError):
        await asyncio.wait_for(
            stay_up(
                settings=settings,
                engine_factory=FakeEngine,
                on_event=lambda _: None,
                on_ready=signal_soon,
            ),
            TIMEOUT_S,
        )
    assert was_connected == [True]
