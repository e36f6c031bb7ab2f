"""How long an event loop did not run, and what it did instead. Used by benches in the process of the watched loop.

The loop itself beats: a timer that is due every BEAT_S notes when it ran. The time between two beats is the longest
that anything else on that loop had to wait, whatever the cause: a callback that computes, a collection of garbage, a
thread that holds the lock of Python, or a computer that runs other programs instead. So it is an upper bound, by at
most BEAT_S.

A thread looks at the beats. While one is overdue, it notes where all threads are, which names the culprit. On Linux the
kernel tells how long the loop's thread computed and how long it waited for a processor meanwhile.
"""

import asyncio
import contextlib
import gc
import os
import sys
import threading
import time
from dataclasses import asdict, dataclass
from types import FrameType, TracebackType
from typing import Any, Final, Self

BEAT_S: Final = 0.005
NOTED_S: Final = 0.02
MAX_NOTED: Final = 10_000
_LOOK_S: Final = 0.005
_OVERDUE_S: Final = 0.015
_DEPTH: Final = 3
# What a thread is in that waits for work.
_IDLE: Final = frozenset({"wait", "_worker", "_wait_for_tstate_lock", "read", "_connection_worker_thread"})


@dataclass(frozen=True, slots=True)
class Block:
    """A time between two beats. at_s: its end, by `time.monotonic`.

    computed_s: how long the loop's own thread computed. starved_s: how long it waited for a processor; None where the
    kernel doesn't tell. What is left, it waited for a lock, which most often is Python's, or for its next beat.
    collected_s: how long garbage was collected meanwhile, on whatever thread; all others wait for that.
    doing: where the loop was, then the other threads that were not idle, innermost call first; "" if nobody looked in
    time.
    """

    at_s: float
    seconds: float
    computed_s: float
    starved_s: float | None
    collected_s: float
    doing: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class LoopWatch:
    """`async with LoopWatch() as watch` on the loop to watch. beat_s: see the module."""

    def __init__(self, beat_s: float = BEAT_S) -> None:
        self._beat_s = beat_s
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._schedstat = _open_schedstat()
        self._timer: asyncio.TimerHandle | None = None
        self._last_s = 0.0
        self._last_cpu = (0.0, 0.0)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="loop watch", daemon=True)
        self._sighting: tuple[float, str] = (0.0, "")
        self._collection_began_s: float | None = None
        self._collected_s = 0.0
        self._blocks: list[Block] = []
        self._longest: Block | None = None

    async def __aenter__(self) -> Self:
        self.restart()
        gc.callbacks.append(self._on_collection)
        self._thread.start()
        self._timer = self._loop.call_later(self._beat_s, self._beat)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._timer is not None
        self._timer.cancel()
        gc.callbacks.remove(self._on_collection)
        self._is_over.set()
        await asyncio.to_thread(self._thread.join, 1.0)
        if self._schedstat is not None:
            os.close(self._schedstat)

    def restart(self) -> None:
        """Forgets what was; on the loop."""
        self._last_s, self._last_cpu, self._collected_s = time.monotonic(), self._cpu(), 0.0
        self._blocks.clear()
        self._longest = None

    def longest(self) -> Block | None:
        """The longest time between two beats since the (re)start; None before the first beat."""
        return self._longest

    def blocks(self) -> list[Block]:
        """All of at least NOTED_S, in order, MAX_NOTED at most."""
        return list(self._blocks)

    def _beat(self) -> None:
        now_s, cpu = time.monotonic(), self._cpu()
        seconds = now_s - self._last_s
        if self._collection_began_s is not None:
            # The loop is let in before the collecting thread hears of the end.
            self._collected_s += now_s - self._collection_began_s
            self._collection_began_s = now_s
        if self._longest is None or seconds > min(self._longest.seconds, NOTED_S):
            since_s, doing = self._sighting
            block = Block(
                at_s=now_s,
                seconds=seconds,
                computed_s=cpu[0] - self._last_cpu[0],
                starved_s=None if self._schedstat is None else cpu[1] - self._last_cpu[1],
                collected_s=self._collected_s,
                doing=doing if since_s == self._last_s else "",
            )
            if self._longest is None or seconds > self._longest.seconds:
                self._longest = block
            if seconds >= NOTED_S and len(self._blocks) < MAX_NOTED:
                self._blocks.append(block)
        self._last_s, self._last_cpu, self._collected_s = now_s, cpu, 0.0
        self._timer = self._loop.call_later(self._beat_s, self._beat)

    def _on_collection(self, phase: str, _: dict[str, int]) -> None:
        """Whatever thread; two never overlap."""
        if phase == "start":
            self._collection_began_s = time.monotonic()
        elif self._collection_began_s is not None:
            self._collected_s += time.monotonic() - self._collection_began_s
            self._collection_began_s = None

    def _cpu(self) -> tuple[float, float]:
        """Seconds that this thread has computed, and waited for a processor."""
        if self._schedstat is None:
            return time.thread_time(), 0.0
        computed_ns, starved_ns, _ = os.pread(self._schedstat, 64, 0).split()
        return int(computed_ns) / 1e9, int(starved_ns) / 1e9

    def _look(self) -> None:
        while not self._is_over.wait(_LOOK_S):
            last_s = self._last_s
            if time.monotonic() - last_s < _OVERDUE_S or self._sighting[0] == last_s:
                continue
            self._sighting = (last_s, self._doing())

    def _doing(self) -> str:
        """Where the threads are. Reads no source: it holds Python's lock."""
        frames = sys._current_frames()
        loop = frames.pop(self._loop_thread, None)
        frames.pop(threading.get_ident(), None)
        others = [
            f"{thread.name}: {_calls(frame)}"
            for thread in threading.enumerate()
            if (frame := frames.get(thread.ident or 0)) is not None and frame.f_code.co_name not in _IDLE
        ]
        return "; ".join(["" if loop is None else _calls(loop), *others])


def _calls(frame: FrameType) -> str:
    calls: list[str] = []
    inner: FrameType | None = frame
    while inner is not None and len(calls) < _DEPTH:
        calls.append(f"{os.path.basename(inner.f_code.co_filename)}:{inner.f_lineno} {inner.f_code.co_name}")
        inner = inner.f_back
    return " < ".join(calls)


def _open_schedstat() -> int | None:
    """Of the calling thread; None where there is none."""
    with contextlib.suppress(OSError):
        return os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
    return None
