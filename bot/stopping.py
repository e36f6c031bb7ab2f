"""How a process is told to stop, and what it does then. Used by app.py and the sandbox; event loop, main thread."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.executor.base import Executor

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Stop:
    """asked: set at the first SIGINT or SIGTERM. at_once: at the second. number: the first's; None before."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: asyncio.Event = field(default_factory=asyncio.Event)
    number: signal.Signals | None = None


@contextlib.contextmanager
def stop_signals() -> Iterator[Stop]:
    """Inside, SIGINT and SIGTERM set what it gives; a third one has its usual effect.

    A shell makes what a script starts with `&` ignore SIGINT: inside, it counts.
    """
    loop = asyncio.get_running_loop()
    stop = Stop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def forget() -> None:
        for number in signals:
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)

    def on_signal(number: signal.Signals) -> None:
        if stop.asked.is_set():
            stop.at_once.set()
            forget()
        else:
            stop.number = number
            stop.asked.set()

    try:
        for number in signals:
            loop.add_signal_handler(number, on_signal, number)
    except NotImplementedError:
        # Windows: Ctrl+C cancels the main task instead, which closes the same stack.
        _log.debug("this event loop takes no signal handlers")
    try:
        yield stop
    finally:
        forget()


async def drain(executor: Executor, drain_s: float, stop: Stop, *ends: asyncio.Task[None]) -> None:
    """What is being drawn has `drain_s` to end, unless there is a second signal or one of `ends` ends before.

    No new job is taken, and none that waits is begun."""
    drained = asyncio.create_task(executor.drain(), name="drain")
    try:
        await first_of(stop.at_once, drained, *ends, timeout_s=drain_s)
    finally:
        drained.cancel()


async def first_of(event: asyncio.Event, *tasks: asyncio.Task[Any], timeout_s: float | None = None) -> None:
    """Waits until the event or one of the tasks is there, or for `timeout_s`."""
    waiting = asyncio.create_task(event.wait(), name="stop signal")
    try:
        await asyncio.wait({waiting, *tasks}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
