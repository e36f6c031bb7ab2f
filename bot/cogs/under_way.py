"""Which jobs this process does something about, and whether more of them fit. The deliveries build on it; event loop.

A job is entered before it is stored, and stays until the last thing about it is told and recorded. So whoever takes up
what lies in the store can tell what was left there from what is only just coming, or going.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from bot.cogs.job_recorder import JobRecorder
from bot.cogs.standing import Standing
from bot.cogs.store_patience import GOING_OFFLINE
from bot.errors import ExecutorClosedError, QueueFullError
from bot.log_context import bound

CLOSE_TIMEOUT_S: Final = 10.0
MAX_FROM_DISK: Final = 8  # whose pictures are in memory at once


@dataclass(eq=False, slots=True)
class UnderWay:
    """A job between its acceptance and its end.

    standing, recorder: None until its delivery has begun. cancelled_by: who did it. is_stopped: another process did,
    and the executor knows. num_bytes: of its finished pictures, in memory. is_from_disk: they came from there.
    """

    has_started: bool = False
    num_bytes: int = 0
    is_from_disk: bool = False
    standing: Standing | None = None
    recorder: JobRecorder | None = None
    cancelled_by: int | None = None
    is_stopped: bool = False


class JobsUnderWay:
    """Make it on the running event loop. max_deliveries, max_picture_bytes: beyond them no new job is accepted, and
    none is taken up again; None: no matter how much."""

    def __init__(self, max_deliveries: int, max_picture_bytes: int | None) -> None:
        self._max_deliveries = max_deliveries
        self._max_picture_bytes = max_picture_bytes
        self._tasks: set[asyncio.Task[Any]] = set()
        self._under_way: dict[str, UnderWay] = {}
        # How much goes on for each job: its acceptance, its delivery, what is told or recorded beside that.
        self._num_works: Counter[str] = Counter()
        self._closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @contextmanager
    def accepting(self, *job_ids: str, accepted_before: bool = False) -> Iterator[None]:
        """Around everything from the decision to accept jobs, before they are stored, to their start; closing waits for
        it. Inside they are under way, and can be cancelled once the executor has them.

        accepted_before: a job that is taken up again, which `max_deliveries` doesn't refuse; it isn't under way. Raises
        QueueFullError or ExecutorClosedError if no further delivery may start.
        """
        if self._closing.done():
            raise ExecutorClosedError(GOING_OFFLINE)
        num_taken = max(len(self._tasks), len(self._under_way))
        if not accepted_before and num_taken + len(job_ids) > self._max_deliveries:
            raise QueueFullError(
                "{count} jobs are under way, as many as fit. Try again in some minutes.", count=num_taken
            )
        if not accepted_before and self._has_too_many_bytes():
            raise QueueFullError("Discord is slow to take finished pictures. Try again in some minutes.")
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        entries = {job_id: UnderWay() for job_id in job_ids}
        self._under_way |= entries
        try:
            with self.moving(*job_ids):
                yield
        finally:
            self._tasks.discard(task)
            for job_id, entry in entries.items():
                if not entry.has_started:
                    del self._under_way[job_id]

    @contextmanager
    def moving(self, *job_ids: str) -> Iterator[None]:
        """Around what somebody does about jobs by themselves: inside nobody takes them up."""
        self._num_works.update(job_ids)
        try:
            yield
        finally:
            self._end_work(*job_ids)

    def _end_work(self, *job_ids: str) -> None:
        self._num_works.subtract(job_ids)
        for job_id in job_ids:
            if not self._num_works[job_id]:
                del self._num_works[job_id]

    def is_under_way(self, job_id: str) -> bool:
        """Whether this process does anything about a job now: accepts it, delivers it, or tells or records its end."""
        return job_id in self._num_works

    def has_room(self, *, is_on_disk: bool) -> bool:
        """Whether one more job should be taken up again now. is_on_disk: with pictures that are loaded from there."""
        if max(len(self._tasks), len(self._under_way)) >= self._max_deliveries or self._has_too_many_bytes():
            return False
        num_from_disk = sum(entry.is_from_disk for entry in self._under_way.values())
        return not is_on_disk or num_from_disk < MAX_FROM_DISK

    async def wait_for_end(self, timeout_s: float) -> None:
        """Returns once something of what is under way has ended, or after `timeout_s`."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)

    def _has_too_many_bytes(self) -> bool:
        if self._max_picture_bytes is None:
            return False
        return sum(entry.num_bytes for entry in self._under_way.values()) > self._max_picture_bytes

    def standing(self, job_id: str) -> Standing | None:
        """How far a job is; None if it isn't under way here."""
        entry = self._under_way.get(job_id)
        return None if entry is None else entry.standing

    @property
    def followed(self) -> list[str]:
        """The ids of jobs that are being delivered and that nobody has ended, as far as this process knows."""
        return [
            job_id
            for job_id, entry in self._under_way.items()
            if entry.cancelled_by is None and entry.recorder is not None and not entry.is_stopped
        ]

    async def aclose(self) -> None:
        """Lets finished jobs reach their messages and tells the others that they wait for the restart; bounded.

        The jobs stay unfinished in the store, which is how a restart finds them.
        """
        if not self._closing.done():
            self._closing.set_result(None)
        loop = asyncio.get_running_loop()
        end = loop.time() + CLOSE_TIMEOUT_S
        while self._tasks and loop.time() < end:
            await asyncio.wait(self._tasks, timeout=end - loop.time())
        late = list(self._tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _track(self, work: Coroutine[Any, Any, object], job_id: str) -> asyncio.Task[object]:
        with bound(job_id=job_id):
            task = asyncio.create_task(work, name=f"delivery {job_id}")
        self._tasks.add(task)
        self._num_works[job_id] += 1

        def end(task: asyncio.Task[object]) -> None:
            self._tasks.discard(task)
            self._end_work(job_id)

        task.add_done_callback(end)
        return task
