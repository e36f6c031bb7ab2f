"""How long jobs take, and which ones an earlier run of the bot had begun: from the states that the store commits.

Told by the store, on the event loop.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bot.telemetry.metrics import Metrics

MAX_JOBS: Final = 10_000
_FINAL: Final = frozenset({"delivered", "cancelled", "failed", "expired"})


@dataclass(slots=True)
class _Times:
    """received_s: None if another run accepted it. was_reviewed: moderators took their time."""

    received_s: float | None = None
    delivering_s: float | None = None
    was_reviewed: bool = False


class JobTimes:
    """Remembers the newest MAX_JOBS unfinished jobs. clock: seconds, as time.monotonic."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._times: OrderedDict[str, _Times] = OrderedDict()

    def moved(self, job_id: str, state: str) -> None:
        """A job is in `state` from now on."""
        self._metrics.job_transitions.labels(state).inc()
        now_s = self._clock()
        if state in _FINAL:
            times = self._times.pop(job_id, None)
            if times is not None and state == "delivered":
                self._delivered(times, now_s)
            return
        times = self._times.get(job_id) or self._begin(job_id, state, now_s)
        if state == "in_review":
            times.was_reviewed = True
        elif state == "delivering":
            times.delivering_s = now_s

    def _begin(self, job_id: str, state: str, now_s: float) -> _Times:
        if state != "received":
            self._metrics.resumed_jobs.inc()
        self._times[job_id] = _Times(now_s if state == "received" else None)
        if len(self._times) > MAX_JOBS:
            self._times.popitem(last=False)
        return self._times[job_id]

    def _delivered(self, times: _Times, now_s: float) -> None:
        if times.delivering_s is not None:
            self._metrics.delivery.observe(now_s - times.delivering_s)
        if times.received_s is not None and not times.was_reviewed:
            self._metrics.job.observe(now_s - times.received_s)
