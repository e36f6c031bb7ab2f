"""SIGTERM as a second Ctrl+C, for commands that have something to put away and nothing to bring to an end, as the bot
has (bot/stopping.py). Called by the command line, main thread.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def termination_interrupts() -> Iterator[None]:
    """Inside, SIGTERM does what SIGINT does: `asyncio.run` cancels its task and then raises KeyboardInterrupt, which
    leaves as SystemExit with SIGTERM's own exit code.

    A shell makes what a script starts with `&` ignore SIGINT, and SIGTERM would be lost with it: inside, both count.
    """

    is_terminated = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal is_terminated
        is_terminated = True
        signal.raise_signal(signal.SIGINT)

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, interrupt)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        if is_terminated:
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
