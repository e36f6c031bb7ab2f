"""Stages of a start, and what a log shows of them."""

import gc
import logging

import pytest

from bot.errors import StartCancelledError
from bot.startup import LogListener, StartUp, format_amount, spare_collections


class Recorder:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        self.told.append(("begin", stage, total, unit))

    def advance(self, done: int) -> None:
        self.told.append(("advance", done))

    def end(self, stage: str, seconds: float) -> None:
        self.told.append(("end", stage))

    def note(self, text: str) -> None:
        self.told.append(("note", text))


def test_stages_are_told_and_timed() -> None:
    recorder = Recorder()
    start_up = StartUp(recorder)
    with start_up.stage("reading", total=5, unit="bytes") as advance:
        advance(2)
        advance(3)
    start_up.note("a plan")
    assert recorder.told == [
        ("begin", "reading", 5, "bytes"),
        ("advance", 2),
        ("advance", 5),
        ("end", "reading"),
        ("note", "a plan"),
    ]
    assert list(start_up.seconds) == ["reading"]
    assert start_up.seconds["reading"] >= 0


def test_a_stage_that_fails_ends_too() -> None:
    recorder = Recorder()
    start_up = StartUp(recorder)
    with pytest.raises(ValueError, match="broken"), start_up.stage("reading"):
        raise ValueError("broken")
    assert recorder.told[-1] == ("end", "reading")


def test_the_log_shows_progress_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    caplog.set_level(logging.INFO, "bot.startup")
    start_up = StartUp(LogListener(clock=lambda: now))
    with start_up.stage("reading", total=4_000_000_000, unit="bytes") as advance:
        advance(1_000_000_000)
        now = 11.0
        advance(1_000_000_000)
        advance(1_000_000_000)
    start_up.note("one\ntwo")
    progress, end, *note = caplog.messages
    assert progress == "reading: 2 GB of 4 GB"
    assert end.startswith("reading: done in 0.")
    assert note == ["one", "two"]


@pytest.mark.parametrize(
    ("count", "unit", "text"),
    [(0, "bytes", "0 B"), (999, "bytes", "999 B"), (5_190_000_000, "bytes", "5.19 GB"), (3, "programs", "3 programs")],
)
def test_amounts(count: int, unit: str, text: str) -> None:
    assert format_amount(count, unit) == text


def test_a_cancelled_start_ends_at_its_next_step() -> None:
    start_up = StartUp(Recorder())
    with start_up.stage("reading") as advance:
        advance(1)
        start_up.cancel()
        with pytest.raises(StartCancelledError):
            advance(1)
    with pytest.raises(StartCancelledError), start_up.stage("compiling"):
        raise AssertionError("this stage must not begin")
    with pytest.raises(StartCancelledError):
        start_up.pause(60)
    assert list(start_up.seconds) == ["reading"]


def test_every_step_of_a_start_is_a_sign_of_life() -> None:
    now = 0.0
    start_up = StartUp(Recorder(), clock=lambda: now)
    steps = [0.0]
    now = 5.0
    steps.append(start_up.silent_s)
    with start_up.stage("reading") as advance:
        steps.append(start_up.silent_s)
        now = 11.0
        steps.append(start_up.silent_s)
        advance(1)
        steps.append(start_up.silent_s)
        now = 12.0
    steps.append(start_up.silent_s)
    now = 14.0
    start_up.pause(0)
    steps.append(start_up.silent_s)
    assert steps == [0.0, 5.0, 0.0, 6.0, 0.0, 0.0, 0.0]


def test_a_start_that_begins_late_has_not_been_silent_before() -> None:
    now = 0.0
    start_up = StartUp(Recorder(), clock=lambda: now)
    now = 1000.0
    start_up.begin()
    now = 1003.0
    assert start_up.silent_s == 3.0


def test_what_the_start_has_made_is_spared_by_collections() -> None:
    ring: list[object] = []
    ring.append(ring)
    try:
        spare_collections()
        assert gc.get_freeze_count() > 10_000
        assert not any(one is ring for one in gc.get_objects())
    finally:
        gc.unfreeze()
    assert any(one is ring for one in gc.get_objects())
