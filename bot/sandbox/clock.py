"""The sandbox's time and its ids. Used by everything on the sandbox's event loop; not for other threads.

Time runs with the wall clock and can be moved forward, so that rules counted in minutes are testable in milliseconds.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

DISCORD_EPOCH_S = 1_420_070_400


class Clock:
    """Seconds since 1970 that can be advanced. `source` gives the unshifted time. shift_s: how far it was advanced."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.shift_s = 0.0
        self._moved = asyncio.Event()

    def now(self) -> float:
        return self._source() + self.shift_s

    def advance(self, seconds: float) -> None:
        """Moves time forward and wakes every sleeper. Raises ValueError for a negative step."""
        if not seconds >= 0:
            raise ValueError(f"the clock only moves forward, not by {seconds}")
        self.shift_s += seconds
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep_until(self, moment: float) -> None:
        """Returns once `now()` has reached `moment`, by waiting or by `advance`."""
        while (left := moment - self.now()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._moved.wait()


def iso(moment: float) -> str:
    """`moment` (seconds since 1970) as Discord writes it: ISO 8601 with microseconds and offset."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")


class Snowflakes:
    """Discord ids: 42 bits of milliseconds since 2015, then 22 bits that keep ids of one millisecond apart. last: the
    newest that was given."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.last = 0

    def new(self) -> str:
        """A fresh id, greater than all before."""
        self.last = max(self.last + 1, int((self._clock.now() - DISCORD_EPOCH_S) * 1000) << 22)
        return str(self.last)

    def later(self) -> str:
        """A fresh id of a later millisecond than all before: by that, guilds belong to shards."""
        self.last = ((self.last >> 22) + 1) << 22
        return self.new()
