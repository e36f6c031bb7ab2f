"""`bench overload`: from end to end in its short form, its goals, its picture and what it samples."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot.bench.chat_plan import ChatPlan
from bot.bench.chat_report import ChatReport
from bot.bench.memory_trace import MemoryTrace
from bot.bench.overload import measure_overload
from bot.bench.overload_plot import plot_overload
from bot.bench.overload_report import OverloadReport
from bot.config import QueueSettings, Settings
from bot.startup import StartUp
from tests.bench.chat_samples import bot_report, record

MIB = 2**20


def report(*sizes: int) -> OverloadReport:
    """memory: evenly over the sending."""
    seen = record()
    times = np.linspace(seen.began_s, seen.ended_s, len(sizes)) if sizes else ()
    chat = ChatReport(ChatPlan(1, 1.0, 1.0, 0), seen, bot_report())
    return OverloadReport(chat, 10.0, 2.0, list(zip(map(float, times), sizes, strict=True)))


@pytest.mark.fault
@pytest.mark.slow
async def test_too_much_is_turned_away_and_what_was_accepted_is_delivered(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, queue=QueueSettings(max_jobs=4))
    found = await measure_overload(settings, tmp_path, times=10.0, seconds=6.0, seed=1, start_up=StartUp())
    figures = found.to_json()
    assert figures["sent"] == figures["acknowledged"] + figures["refused"] > 60
    assert figures["delivered"] == figures["acknowledged"] > 0
    assert figures["refused"] > figures["acknowledged"]
    assert [figures[key] for key in ("lost", "doubled", "wrong", "failed", "unanswered", "errors")] == [0] * 6
    assert figures["ack_max_s"] < 3.0
    assert 5 < figures["offered_to_capacity"] < 20
    assert len(figures["memory"]) > 10
    assert 0 < figures["memory_first_bytes"] <= figures["memory_peak_bytes"]


def test_memory_that_stays_and_memory_that_grows() -> None:
    assert report(*[50 * MIB] * 5, *[100 * MIB] * 20).growth == 0.0
    grown = report(*[100 * MIB] * 20, *[110 * MIB] * 5)
    assert grown.growth == pytest.approx(0.1)
    assert "the memory grew by 10.0%; the goal is at most 5%." in grown.misses()
    assert report().growth is None


def test_a_run_without_overload_shows_nothing() -> None:
    assert "no command was turned away, so there was no overload." in report().misses()


def test_a_report_becomes_a_picture(tmp_path: Path) -> None:
    file = tmp_path / "overload.png"
    plot_overload(report(*[100 * MIB] * 20), file)
    with Image.open(file) as picture:
        assert picture.size == (1080, 840)
        blue = (np.asarray(picture.convert("RGB")) == (31, 119, 180)).all(axis=-1)
    assert blue.sum() > 100


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
def test_the_memory_of_a_process_is_sampled_until_it_is_gone() -> None:
    with MemoryTrace(os.getpid(), every_s=0.01) as trace:
        time.sleep(0.1)
    assert len(trace.samples) > 3
    assert all(size > MIB for _, size in trace.samples)
    with MemoryTrace(2**22 + 1, every_s=0.01) as nobody:
        pass
    assert nobody.samples == []


def test_samples_outside_of_the_sending_do_not_count() -> None:
    late = replace(report(), memory=[(record().ended_s + 1.0, MIB)])
    assert late.memory_while_sending == []
