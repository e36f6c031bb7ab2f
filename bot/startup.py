"""What happens between process start and the first picture: stages, their progress and how long each took.

Whoever opens an engine passes a StartUp down; every stage is reported to one listener, from the thread that it runs on.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from bot.errors import StartCancelledError

_LOG_EVERY_S: Final = 10.0

_log = logging.getLogger(__name__)

Advance = Callable[[int], None]
"""Tells that so many more units of the stage are done."""


class Listener(Protocol):
    """Shows a start to somebody. Methods are called on the thread that starts the engine, one stage at a time."""

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        """total: how many units there are, None if nobody knows. unit: "bytes", "programs", or "" for none."""

    def advance(self, done: int) -> None:
        """done: units of the current stage so far."""

    def end(self, stage: str, seconds: float) -> None: ...

    def note(self, text: str) -> None:
        """Something to read that belongs to the start, such as the memory plan; may have several lines."""


class LogListener:
    """Writes to the log: a line when a stage begins that may take long, now and then its progress, and its end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage, self._unit = "", ""
        self._total: int | None = None
        self._next = 0.0

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        self._stage, self._total, self._unit = stage, total, unit
        self._next = self._clock() + _LOG_EVERY_S

    def advance(self, done: int) -> None:
        if self._clock() < self._next:
            return
        self._next = self._clock() + _LOG_EVERY_S
        of = f" of {format_amount(self._total, self._unit)}" if self._total else ""
        _log.info("%s: %s%s", self._stage, format_amount(done, self._unit), of)

    def end(self, stage: str, seconds: float) -> None:
        _log.info("%s: done in %.1f s", stage, seconds)

    def note(self, text: str) -> None:
        for line in text.splitlines():
            _log.info("%s", line)


class StartUp:
    """One start. seconds: how long each stage took, by its name, in the order in which they ended. clock: seconds.

    All methods but `begin` and `cancel` are called on the thread that starts the engine; `silent_s` may be read on any.
    """

    def __init__(self, listener: Listener | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._listener = listener or LogListener()
        self._clock = clock
        self._heard_s = clock()
        self._cancelled = threading.Event()
        self._began = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def begin(self) -> None:
        """Notes that the start begins only now, however long ago this was made. Called before that thread has it."""
        self._heard_s = self._clock()
        self._began = time.perf_counter()

    @contextmanager
    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> Iterator[Advance]:
        """Times the block. The function that it gives advances the stage's progress. Stages don't nest.

        Entering, and every advance, raises StartCancelledError once `cancel` was called.
        """
        done = 0
        self.pause(0)

        def advance(more: int) -> None:
            nonlocal done
            self.pause(0)
            done += more
            self._listener.advance(done)

        self._listener.begin(name, total, unit)
        began = time.perf_counter()
        try:
            yield advance
        finally:
            self._heard_s = self._clock()
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
            self._listener.end(name, self.seconds[name])

    def cancel(self) -> None:
        """Ends the start at its next step, with StartCancelledError. May be called on any thread."""
        self._cancelled.set()

    def pause(self, seconds: float) -> None:
        """Sleeps. Raises StartCancelledError as soon as `cancel` is called."""
        self._heard_s = self._clock()
        if self._cancelled.wait(seconds):
            raise StartCancelledError("The start was cancelled.")

    @property
    def silent_s(self) -> float:
        """Seconds since a stage began, made progress or ended, or since somebody meant to wait."""
        return self._clock() - self._heard_s

    def note(self, text: str) -> None:
        """See Listener.note."""
        self._listener.note(text)

    def ready(self) -> None:
        """Notes that the start is over, and what it was spent on."""
        stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
        self.note(f"Ready after {time.perf_counter() - self._began:.1f} s: {stages}.")

    def rounded(self) -> dict[str, float]:
        """`seconds`, to milliseconds."""
        return {name: round(seconds, 3) for name, seconds in self.seconds.items()}


def spare_collections() -> None:
    """At the end of a start: exempts what it has made from all collections of garbage to come.

    That lives as long as the program: some hundred thousand objects of JAX and other libraries. Each full collection
    would look at all of them, and every thread, the event loop's too, would stand still for some tenths of a second.
    The last such one is here, while the model is still loading; what is garbage now would otherwise be kept for ever.
    """
    gc.collect()
    gc.freeze()


def format_amount(count: int, unit: str) -> str:
    """`format_amount(5_190_000_000, "bytes")` is "5.19 GB"; other units are counted: "3 programs"."""
    if unit != "bytes":
        return f"{count} {unit}".rstrip()
    for size, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= size:
            return f"{count / size:.3g} {name}"
    return f"{count} B"
