"""What becomes of one job, for the store: every move in its order, none left out. Used by the deliveries, event loop.

A database that is locked, full or gone for a while costs no move. What it did not take waits here and goes first the
next time; the last move of a job is tried again and again until the bot closes. A stop before that leaves the job
unfinished in the store, where it is found, and delivered to the same message once more.

Where several processes share the database, each of them may cancel a job. Then the store refuses its next move here.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from bot.cogs.store_patience import GOING_OFFLINE, PAUSES_S, repeated
from bot.errors import ExecutorClosedError, IllegalMoveError, JobCancelledError, StoreError
from bot.language import Text
from bot.store import FINAL_STATES, JobRecord, JobState, JobStore

STORE_TIMEOUT_S: Final = 10.0

_log = logging.getLogger(__name__)

_Move = Callable[[], Awaitable[JobRecord]]


class JobRecorder:
    """state: in which the store has the job; None if nobody knows. closing: done once the bot closes, which ends all
    attempts. message: channel and message id, for a job in RECEIVED whose message exists: its first move stores them.
    """

    def __init__(
        self,
        store: JobStore,
        job_id: str,
        state: JobState | None,
        *,
        closing: asyncio.Future[None],
        message: tuple[int, int] | None = None,
        pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:
        self._store = store
        self.job_id = job_id
        self._state = state
        self._closing = closing
        self._pauses_s = pauses_s
        self._missing: deque[tuple[JobState, _Move]] = deque()
        self._cancellation: Text | None = None
        if state is JobState.RECEIVED and message is not None:
            self._add(JobState.ACKNOWLEDGED, partial(store.acknowledge, job_id, *message))

    async def record(
        self,
        state: JobState,
        *,
        error: str | None = None,
        result: dict[str, Any] | None = None,
        is_spoiler: bool | None = None,
        is_final: bool | None = None,
        on_fault: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """Moves the job to a state, unless it is there. Never raises what the store refuses.

        error, result, is_spoiler: as JobStore.move takes them. is_final: it is tried until it is done or the bot
        closes; by default, if the state is final. on_fault: awaited once, before it is tried again.
        """
        if state is not self._state:
            move = partial(self._store.move, self.job_id, state, error=error, result=result, is_spoiler=is_spoiler)
            self._add(state, move)
        if await self.catch_up():
            return
        if not (state in FINAL_STATES if is_final is None else is_final):
            return
        if on_fault is not None:
            await on_fault()
        for pause_s in repeated(self._pauses_s):
            await asyncio.wait({self._closing}, timeout=pause_s)
            if await self.catch_up() or self._closing.done():
                return

    def cancelled_elsewhere(self, sentence: str | None) -> None:
        """The store has the job as cancelled, and not by this process. sentence: what it says there, if anything."""
        self._cancellation = Text("The job was cancelled.") if sentence is None else Text.verbatim(sentence)

    @property
    def cancellation(self) -> Text | None:
        """What is to be said of it; None for a job that no other process has cancelled, as far as this one knows."""
        return self._cancellation

    @property
    def state(self) -> JobState | None:
        """In which the store has the job once it has caught up; None if nobody knows."""
        return self._state

    def check(self, *, is_stored: bool = False) -> None:
        """Raises JobCancelledError if another process has cancelled the job. is_stored: the store must know of every
        move; ExecutorClosedError if the bot closes before that."""
        if self._cancellation is not None:
            raise JobCancelledError(self._cancellation)
        if is_stored and self._missing:
            raise ExecutorClosedError(GOING_OFFLINE)

    async def ask_for_cancellation(self) -> bool:
        """Has the store say whether another process has cancelled the job; False if it does not answer."""
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                cancelled = await self._store.cancelled([self.job_id])
        except (StoreError, TimeoutError) as refusal:
            reason = str(refusal) or type(refusal).__name__
            _log.warning("whether job %s is cancelled could not be read: %s", self.job_id, reason)
            return False
        if self.job_id in cancelled:
            self.cancelled_elsewhere(cancelled[self.job_id])
        return True

    def _add(self, state: JobState, move: _Move) -> None:
        self._missing.append((state, move))
        self._state = state

    async def catch_up(self) -> bool:
        """Tries what the store did not take yet; whether it has every move now."""
        while self._missing:
            state, move = self._missing[0]
            try:
                async with asyncio.timeout(STORE_TIMEOUT_S):
                    await self._make(state, move)
            except (StoreError, TimeoutError) as refusal:
                reason = str(refusal) or type(refusal).__name__
                _log.warning("job %s could not be recorded as %s yet: %s", self.job_id, state, reason)
                return False
            self._missing.popleft()
        return True

    async def _make(self, state: JobState, move: _Move) -> None:
        try:
            await move()
            _log.debug("job %s is %s", self.job_id, state)
        except IllegalMoveError as refusal:
            # It was committed by a call that timed out, or somebody else has moved the job.
            if state not in FINAL_STATES:
                job = await self._store.get(self.job_id)
                if job is None or job.state is JobState.CANCELLED:
                    self.cancelled_elsewhere(None if job is None else job.error)
            _log.warning("job %s could not be recorded as %s: %s", self.job_id, state, refusal)
