"""Notices that the device has stopped answering. Used by the executor, on the event loop.

A thread that waits inside a device's driver can't be ended from outside, and a second engine would wait for the same
device. So nothing is repaired here: the executor fails, the jobs stay in the store, and the process ends, which is what
a supervisor can mend.
"""

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Final

from bot.executor.pulse import Pulse
from bot.startup import StartUp

LOOKS: Final = 10  # in the time that is allowed
LONGEST_LOOK_S: Final = 5.0

logger = logging.getLogger(__name__)


async def until_hung(pulse: Pulse, limit_s: float, thread: threading.Thread) -> None:
    """Returns once a round has taken longer than `limit_s`. The log then says where the engine's thread is."""
    while pulse.busy_s <= limit_s:  # noqa: ASYNC110 - the thread that hangs can't announce it
        await asyncio.sleep(_look_s(limit_s))
    logger.critical("The engine has not answered for %g s; its thread is at\n%s", limit_s, _place_of(thread))


async def stays_silent(
    start_up: StartUp, limit_s: float, thread: threading.Thread, is_under_way: Callable[[], bool]
) -> bool:
    """Whether a start makes no progress for `limit_s` while it is under way; False once it isn't. The log says where
    the engine's thread is."""
    while is_under_way():
        if start_up.silent_s > limit_s:
            logger.critical(
                "The model has not loaded: nothing was heard of it for %g s; the engine's thread is at\n%s",
                *(limit_s, _place_of(thread)),
            )
            return True
        await asyncio.sleep(_look_s(limit_s))
    return False


def _look_s(limit_s: float) -> float:
    return min(limit_s / LOOKS, LONGEST_LOOK_S)


def _place_of(thread: threading.Thread) -> str:
    frame = sys._current_frames().get(thread.ident or 0)
    return "an unknown place" if frame is None else "".join(traceback.format_stack(frame))
