"""The C library's heaps, in a process of their own: what is asked of them holds until its end."""

import ctypes
import os
import subprocess
import sys

import pytest

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

pytestmark = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="the C library is not glibc")


def num_heaps(**variables: str) -> int:
    environ = {name: value for name, value in os.environ.items() if name not in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environ | variables, capture_output=True, text=True, check=True
    )
    return done.stdout.count("<heap nr=")


def test_threads_share_few_heaps() -> None:
    assert num_heaps() == 2


def test_who_runs_the_bot_may_choose_otherwise() -> None:
    assert num_heaps(MALLOC_ARENA_MAX="5") == 5
