"""Engines of a bench on cores of their own."""

import os
import threading
from pathlib import Path

import pytest

from bot.bench.own_core import on_own_core
from bot.engine.fake import FakeEngine


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system gives threads no cores")
def test_each_engine_has_a_core_until_there_are_no_more(tmp_path: Path) -> None:
    every = os.sched_getaffinity(0)
    seen: list[set[int]] = []

    def build() -> None:
        on_own_core(FakeEngine, tmp_path)()
        seen.append(os.sched_getaffinity(0))

    for _ in range(len(every) + 1):
        thread = threading.Thread(target=build)
        thread.start()
        thread.join(10.0)
    *own, last = seen
    assert [len(cores) for cores in own] == [1] * len(every)
    assert set[int]().union(*own) == last == every
    assert os.sched_getaffinity(0) == every
