"""Jobs under way: one task each, from the acknowledged message to the one that shows the result.

The job desk starts deliveries, and so does whatever takes jobs up again; their buttons cancel them, the client closes
them. All on the event loop.

A delivery records its job's state, has a Follower show how far it is, and ends with pictures (handing_over.py) or with
one sentence (final_words.py). A store that fails meanwhile delays the record, not the pictures, unless other processes
may cancel its job there.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from bot.cogs.final_words import PAUSES_S, FinalWords
from bot.cogs.follower import AcceptedJob, Follower
from bot.cogs.handing_over import HandingOver
from bot.cogs.job_message import JobMessage
from bot.cogs.job_recorder import JobRecorder
from bot.cogs.picture_check import PictureCheck
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.result_keeper import ResultKeeper
from bot.cogs.standing import Standing
from bot.cogs.store_patience import GOING_OFFLINE, StorePatience
from bot.cogs.store_patience import PAUSES_S as STORE_PAUSES_S
from bot.cogs.under_way import JobsUnderWay, UnderWay
from bot.error_handler import explain
from bot.errors import ExecutorClosedError, JobCancelledError, JobEndedError
from bot.executor.base import Executor
from bot.language import Text
from bot.render import Rendered, cancelled_text, render_failure, render_interrupted
from bot.store import JobState, JobStore

EDIT_INTERVAL_S: Final = 3.0
LAST_QUESTION_TIMEOUT_S: Final = 2.0  # twice, within the time that closing has

_log = logging.getLogger(__name__)


class Deliveries(JobsUnderWay):
    """The deliveries under way. New ones are refused from `max_deliveries` on, and while finished pictures take more
    than `max_picture_bytes` of memory (None: no matter how much). Make it on the running event loop.

    threads: to render on. check: whether a result is shown; None shows all. clock: seconds, as time.monotonic.
    retry_pauses_s: waits between attempts to show a finished job while Discord can't be reached. record_pauses_s:
    between attempts at what the end of a job needs of the store, while that can't. is_shared: other processes use the
    store, and may cancel a job there before the store knows that its pictures are on their way.
    """

    def __init__(
        self,
        *,
        store: JobStore,
        executor: Executor,
        keeper: ResultKeeper,
        threads: PictureThreads,
        max_deliveries: int,
        max_picture_bytes: int | None = None,
        check: PictureCheck | None = None,
        clock: Callable[[], float] = time.monotonic,
        edit_interval_s: float = EDIT_INTERVAL_S,
        retry_pauses_s: tuple[float, ...] = PAUSES_S,
        record_pauses_s: tuple[float, ...] = STORE_PAUSES_S,
        is_shared: bool = False,
    ) -> None:
        super().__init__(max_deliveries, max_picture_bytes)
        self._store = store
        self._executor = executor
        self._threads = threads
        self._clock = clock
        self._edit_interval_s = edit_interval_s
        self._record_pauses_s = record_pauses_s
        self._is_shared = is_shared
        self.words = FinalWords(self._closing, retry_pauses_s)
        self._handing_over = HandingOver(
            check=check,
            keeper=keeper,
            threads=threads,
            words=self.words,
            patience=StorePatience(self._closing, record_pauses_s),
            is_shared=is_shared,
        )

    def start(self, job: AcceptedJob) -> None:
        """Takes over an accepted job, its reader included."""
        entry = self._under_way.setdefault(job.request.job_id, UnderWay())
        entry.has_started, entry.standing, entry.is_from_disk = True, Standing(job.first), job.is_kept
        self._track(self._deliver(job), job.request.job_id)

    async def cancel(self, job_id: str, user_id: int) -> bool:
        """Ends a job in the name of a user, which its message then says. False if it isn't under way here.

        Raises JobEndedError if somebody was faster, it is just being taken up or its pictures are finished,
        ExecutorClosedError if the bot is closing.
        """
        if self._closing.done():
            raise ExecutorClosedError(GOING_OFFLINE)
        entry = self._under_way.get(job_id)
        if entry is None:
            return False
        if entry.cancelled_by is not None:
            raise JobEndedError("Somebody has just cancelled this job.")
        # Before anything is awaited, so that the delivery knows it when it hears of the end.
        entry.cancelled_by = user_id
        is_cancelled = False
        try:
            is_cancelled = await self._executor.cancel(job_id)
        finally:
            if not is_cancelled:
                entry.cancelled_by = None
        if not is_cancelled and not entry.has_started:
            raise JobEndedError("This job is just being taken up. Try again in a moment.")
        if not is_cancelled:
            raise JobEndedError("It is too late to cancel this job: its pictures are on their way.")
        return True

    async def cancelled_elsewhere(self, job_id: str, sentence: str | None) -> None:
        """Ends a job that another process has cancelled in the store. sentence: what its message says of it, if the
        store knows. Nothing happens if it isn't being delivered here."""
        entry = self._under_way.get(job_id)
        if entry is not None and entry.recorder is not None:
            # Before anything is awaited, so that the delivery knows it when it hears of the end.
            entry.recorder.cancelled_elsewhere(sentence)
            await self._executor.cancel(job_id)
            entry.is_stopped = True

    def reject(
        self, job_id: str, prompt: str, state: JobState, sentence: str, *, message: JobMessage | None = None
    ) -> None:
        """Ends a stored job that gets no delivery, in the background: tells its message, if it has one, why."""
        recorder = self._recorder(job_id, None)
        self._track(self.words.give_up(recorder, prompt, state, sentence, message), job_id)

    async def hold(self, job_id: str, message: tuple[int, int], timeout_s: float) -> None:
        """Records that moderators see a job first, whose message exists, by channel and message id. What takes longer
        goes on in the background."""
        recorder = self._recorder(job_id, JobState.RECEIVED, message)
        task = self._track(recorder.record(JobState.IN_REVIEW, is_final=True), job_id)
        await asyncio.wait({task}, timeout=timeout_s)

    def show(self, job_id: str, message: JobMessage, rendered: Rendered) -> None:
        """Edits the message of a job that isn't under way, in the background."""
        self._track(self.words.show(message, rendered), job_id)

    def _recorder(self, job_id: str, state: JobState | None, message: tuple[int, int] | None = None) -> JobRecorder:
        return JobRecorder(
            self._store,
            job_id,
            state,
            closing=self._closing,
            message=message,
            pauses_s=self._record_pauses_s,
        )

    async def _deliver(self, job: AcceptedJob) -> None:
        request = job.request
        entry = self._under_way[request.job_id]
        recorder = entry.recorder = self._recorder(request.job_id, job.stored, job.message.ids)
        try:
            result = await self._follower(job, entry, recorder).follow()
            if result is None and (entry.cancelled_by, recorder.cancellation) != (None, None):
                raise JobCancelledError("The job was cancelled.")
            if result is None:
                await self._interrupt(job, recorder)
            else:
                entry.num_bytes = sum(image.pixels.nbytes for image in result.images)
                await self._handing_over.hand_over(job, result, recorder)
        except JobCancelledError as error:
            await self._end_cancelled(job, error, entry, recorder)
        except ExecutorClosedError:
            # The engine is lost and the program about to end: the job stays in the store for the next start.
            await self._interrupt(job, recorder)
        except Exception as error:
            await self._executor.cancel(request.job_id)
            sentence = explain(error, doing=f"job {request.job_id}", language=job.language)
            await self.words.give_up(recorder, request.prompt, JobState.FAILED, sentence, job.message)
        finally:
            del self._under_way[request.job_id]
            await job.updates.aclose()

    async def _end_cancelled(
        self, job: AcceptedJob, error: JobCancelledError, entry: UnderWay, recorder: JobRecorder
    ) -> None:
        request = job.request
        if entry.cancelled_by is not None:
            # Here the record comes first: what somebody cancelled must not come back with a restart.
            sentence = job.language.tell(cancelled_text(entry.cancelled_by))
            await recorder.record(JobState.CANCELLED, error=sentence, is_final=False)
            await self.words.show(job.message, render_failure(request.prompt, sentence))
            await recorder.record(JobState.CANCELLED)
        elif recorder.cancellation is not None:
            await self._end_cancelled_elsewhere(job, recorder.cancellation)
        else:
            sentence = job.language.tell(error)
            await self.words.give_up(recorder, request.prompt, JobState.CANCELLED, sentence, job.message)

    async def _end_cancelled_elsewhere(self, job: AcceptedJob, cancellation: Text) -> None:
        await self._executor.cancel(job.request.job_id)
        sentence = job.language.tell(cancellation)
        await self.words.show(job.message, render_failure(job.request.prompt, sentence))

    async def _interrupt(self, job: AcceptedJob, recorder: JobRecorder) -> None:
        """Says that the job goes on after the next start, unless another process has cancelled it or it is reviewed. A
        message that the store doesn't know keeps its controls, by which that start finds it."""
        if await self._is_to_go_on(recorder):
            await job.message.show(render_interrupted(job.request.prompt, language=job.language))
            # Whoever cancelled it meanwhile may have said so before this edit.
            await self._is_to_go_on(recorder)
        if recorder.cancellation is not None:
            await self._end_cancelled_elsewhere(job, recorder.cancellation)

    async def _is_to_go_on(self, recorder: JobRecorder) -> bool:
        """Whether the store has the job as it is here, as no other process has cancelled it and nobody reviews it."""
        try:
            async with asyncio.timeout(LAST_QUESTION_TIMEOUT_S):
                is_known = await recorder.catch_up() and (not self._is_shared or await recorder.ask_for_cancellation())
        except TimeoutError:
            _log.warning("what the store has of job %s could not be found out in time", recorder.job_id)
            return False
        return is_known and recorder.cancellation is None and recorder.state is not JobState.IN_REVIEW

    def _follower(self, job: AcceptedJob, entry: UnderWay, recorder: JobRecorder) -> Follower:
        def tell(standing: Standing) -> None:
            entry.standing = standing

        async def record(state: JobState) -> None:
            await recorder.record(state)
            recorder.check()

        return Follower(
            job,
            executor=self._executor,
            closing=self._closing,
            record=record,
            tell=tell,
            threads=self._threads,
            clock=self._clock,
            edit_interval_s=self._edit_interval_s,
        )
