"""How a process is told to stop, and what it does then. Used by app.py and the sandbox; event loop, main thread."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from bot.errors import StartCancelledError
from bot.executor.base import Executor

_T = TypeVar("_T")

_STOPPED: Final = "Stopped before it was open."

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Stop:
    """asked: set at the first SIGINT or SIGTERM. at_once: at the second. number: the first's; None before. on_asked:
    called at the first."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: asyncio.Event = field(default_factory=asyncio.Event)
    number: signal.Signals | None = None
    on_asked: Callable[[], object] = lambda: None


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
            stop.on_asked()

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


@contextlib.contextmanager
def cut_short(stop: Stop) -> Iterator[None]:
    """Inside, the first signal ends what this task awaits, however long that would take; StartCancelledError is raised.

    For what is opened before anybody looks at the signals."""
    task = asyncio.current_task()
    assert task is not None
    if stop.asked.is_set():
        raise StartCancelledError(_STOPPED)
    stop.on_asked = task.cancel
    try:
        yield
    except asyncio.CancelledError:
        if not stop.asked.is_set() or task.uncancel() > 0:
            raise
        raise StartCancelledError(_STOPPED) from None
    finally:
        stop.on_asked = lambda: None


@contextlib.asynccontextmanager
async def opened(context: contextlib.AbstractAsyncContextManager[_T], stop: Stop) -> AsyncIterator[_T]:
    """The same, whose opening alone is cut short."""
    async with contextlib.AsyncExitStack() as stack:
        with cut_short(stop):
            value = await stack.enter_async_context(context)
        yield value


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
