"""Threads for work on pictures: collages, encoding and files. Made by the client, used by the deliveries; event loop.

They are few, since each competes with the event loop for processors and for Python's lock. And they are their own: the
loop's other threads look up Discord's address and read a guild's settings, for which somebody waits who has just sent a
command.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class PictureThreads:
    """num_threads: how many functions run at once; None is half the processors, two at least. Close it."""

    def __init__(self, num_threads: int | None = None) -> None:
        num_threads = num_threads or max(2, (os.cpu_count() or 2) // 2)
        self._places = asyncio.Semaphore(num_threads)
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="pictures")

    async def run(self, timeout_s: float, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What `function` returns or raises, first come, first served.

        Raises TimeoutError if it takes longer than `timeout_s` once it is its turn; the thread then ends by itself.
        """
        async with self._places, asyncio.timeout(timeout_s):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, partial(function, *args, **kwargs))

    def close(self) -> None:
        """Waits for nothing; what has not begun is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
