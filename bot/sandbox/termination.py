"""SIGTERM as a second Ctrl+C, for commands that have something to put away. Called by the command line, main thread."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def termination_interrupts() -> Iterator[None]:
    """Inside, SIGTERM does what SIGINT does: `asyncio.run` cancels its task and then raises KeyboardInterrupt."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
