"""The C library's heaps, in a process of their own: what is asked of them holds until its end."""

import ctypes
import os
import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from bot import c_heap

THREADS = 12
# Each thread takes memory while all others are there; malloc_info then lists the heaps.
PROGRAM = f"""
import ctypes, sys, threading
from bot.c_heap import share_freed_memory
share_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier({THREADS})
def take():
    libc.malloc(50_000)
    together.wait(60)
threads = [threading.Thread(target=take) for _ in range({THREADS})]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""

with_glibc = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_info"), reason="the C library is not glibc"
)


def num_heaps(**variables: str) -> int:
    environ = {name: value for name, value in os.environ.items() if name not in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environ | variables, capture_output=True, text=True, check=True
    )
    return done.stdout.count("<heap nr=")


@with_glibc
def test_threads_share_few_heaps() -> None:
    assert num_heaps() == 2


@with_glibc
def test_who_runs_the_bot_may_choose_otherwise() -> None:
    assert num_heaps(MALLOC_ARENA_MAX="5") == 5


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_elsewhere_nothing_is_asked_of_the_c_library(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in c_heap._CHOSEN_BY_USER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("bot.c_heap.sys", SimpleNamespace(platform=platform))
    # Windows has no library without a name.
    monkeypatch.setattr("bot.c_heap.ctypes", Mock(CDLL=Mock(side_effect=TypeError)))
    c_heap.share_freed_memory()
    c_heap.keep_freed_memory()
