"""Whether the engine thread is inside the engine, and since when. It beats, the event loop looks: two threads, one
number, which needs no lock."""

import time
from collections.abc import Callable


class Pulse:
    """clock: seconds, as time.monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since_s: float | None = None

    def beat(self) -> None:
        """Engine thread: a round begins."""
        self._since_s = self._clock()

    def rest(self) -> None:
        """Engine thread: nothing is asked of the engine until the next beat."""
        self._since_s = None

    @property
    def busy_s(self) -> float:
        """Seconds since the last beat; 0.0 while it rests."""
        since_s = self._since_s
        return 0.0 if since_s is None else self._clock() - since_s
