"""What waiting jobs are told: their position and when they can expect to start. Event loop only, nothing blocks.

A new position is told at once. An expected start is told again once it is off by a fifth or by two seconds, and a
second has passed since the last time.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bot.executor.backlog import Backlog
from bot.executor.forecast import EngineLoad, drawing_s, expected_starts, next_picture_s
from bot.executor.scheduler import Job, Lineup
from bot.requests import GenerationRequest, Queued

NEWS_SHARE: Final = 0.2
NEWS_S: Final = 2.0
QUIET_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Told:
    queued: Queued
    at_s: float


class Places:
    """Makes Queued updates. tell: hands one to the job's reader. clock: seconds, the engine thread's.

    refresh_interval_s: with thousands of jobs, looking at them all for each change would keep the loop busy.
    """

    def __init__(
        self,
        backlog: Backlog,
        *,
        tell: Callable[[Job, Queued], None],
        clock: Callable[[], float],
        refresh_interval_s: float = 0.05,
    ) -> None:
        self._backlog = backlog
        self._tell = tell
        self._clock = clock
        self._told: dict[Job, _Told] = {}
        self._load: EngineLoad | None = None
        self._refresh_timer: asyncio.TimerHandle | None = None
        self._refresh_interval_s = refresh_interval_s
        self._refreshed_s = -refresh_interval_s

    def welcome(self, job: Job, position: int) -> None:
        """Tells a job that was just accepted at `position`."""
        # It may have started by now: then its start was no further off than this.
        is_measured = self._load is not None and self._load.pace is not None
        start_s = self._starts(self._backlog.lineup()).get(job, 0.0) if is_measured else None
        self._push(job, Queued(position, start_s))
        self.refresh()

    def observe(self, load: EngineLoad) -> None:
        """The engine has dispatched a chunk."""
        self._load = load
        self.refresh()

    def refresh(self) -> None:
        """Tells whoever has something new to know, soon."""
        if self._refresh_timer is not None:
            return
        loop = asyncio.get_running_loop()
        wait_s = self._refreshed_s + self._refresh_interval_s - loop.time()
        if wait_s > 0:
            self._refresh_timer = loop.call_later(wait_s, self._refresh)
        else:
            self._refresh()

    def drawing_s(self, request: GenerationRequest) -> float | None:
        """Seconds from a job's start to its end; None while nothing is measured."""
        return None if self._load is None else drawing_s(self._load, request)

    def room_s(self) -> float | None:
        """Seconds until the next picture is done; None while nothing is measured or drawn."""
        if self._load is None:
            return None
        end_s = next_picture_s(self._load)
        return None if end_s is None else max(0.0, end_s - (self._clock() - self._load.at_s))

    def close(self) -> None:
        """Tells nobody any more."""
        self._told.clear()
        if self._refresh_timer is not None:
            self._refresh_timer.cancel()
            self._refresh_timer = None

    def _refresh(self) -> None:
        self._refresh_timer = None
        self._refreshed_s = asyncio.get_running_loop().time()
        lineup = self._backlog.lineup()
        self._told = {job: told for job in lineup.waiting if (told := self._told.get(job)) is not None}
        now_s = self._clock()
        starts: Mapping[Job, float] | None = None
        for position, job in enumerate(lineup.waiting, start=1):
            told = self._told.get(job)
            if told is None:
                continue  # `welcome` follows
            is_quiet = now_s - told.at_s < QUIET_S
            if position == told.queued.position and is_quiet:
                continue
            if starts is None:
                starts = self._starts(lineup)
            queued = Queued(position, starts.get(job))
            if position != told.queued.position or is_news(told.queued.expected_start_s, queued.expected_start_s):
                self._push(job, queued)

    def _starts(self, lineup: Lineup) -> dict[Job, float]:
        """Waiting job → seconds from now until it starts."""
        if self._load is None:
            return {}
        elapsed_s = self._clock() - self._load.at_s
        starts = expected_starts(self._load, lineup)
        return {job: max(0.0, start_s - elapsed_s) for job, start_s in starts.items()}

    def _push(self, job: Job, queued: Queued) -> None:
        self._told[job] = _Told(queued, self._clock())
        self._tell(job, queued)


def is_news(told_s: float | None, expected_s: float | None) -> bool:
    """Whether an expected start differs enough from the one that was told."""
    if told_s is None or expected_s is None:
        return told_s is not expected_s
    change_s = abs(expected_s - told_s)
    return change_s > NEWS_S or change_s > NEWS_SHARE * told_s
