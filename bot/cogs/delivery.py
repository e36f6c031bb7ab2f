"""Jobs under way: one task each, from the acknowledged message to the one that shows the result.

The job desk starts deliveries, their buttons cancel them, the client closes them; all on the event loop. Rendering goes
to the threads for pictures.

A delivery records its job's state, has a Follower show how far it is, keeps the result on disk and ends with pictures
or with one sentence. A store that fails meanwhile delays the record, not the pictures.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

from bot.cogs.follower import AcceptedJob, Follower
from bot.cogs.job_message import JobMessage, Shown
from bot.cogs.job_recorder import RETRY_PAUSES_S as RECORD_PAUSES_S
from bot.cogs.job_recorder import JobRecorder
from bot.cogs.permissions import required_permissions
from bot.cogs.picture_check import Held, Passed, PictureCheck
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.result_keeper import ResultKeeper
from bot.cogs.standing import Standing
from bot.error_handler import explain
from bot.errors import ExecutorClosedError, JobCancelledError, JobEndedError, JobFailedError, QueueFullError
from bot.executor.base import Executor
from bot.language import Language, Text
from bot.log_context import bound
from bot.moderation.cases import CaseKind
from bot.render import Rendered, cancelled_text, render_failure, render_interrupted, render_result, render_waiting
from bot.requests import Result
from bot.store import JobState, JobStore

EDIT_INTERVAL_S: Final = 3.0
RENDER_TIMEOUT_S: Final = 60.0
CLOSE_TIMEOUT_S: Final = 10.0
MIN_BYTES: Final = 1024  # of a collage that is made smaller until Discord takes it
RETRY_PAUSES_S: Final = (2.0, 10.0, 30.0, 60.0, 120.0, 240.0, 300.0, 300.0)  # about 18 minutes

_GOING_OFFLINE: Final = Text("The bot is going offline. Try again when it is back.")

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _UnderWay:
    """A job between its acceptance and its end. standing: None until its delivery has begun. cancelled_by: who did.
    num_bytes: of its finished pictures, in memory."""

    has_started: bool = False
    num_bytes: int = 0
    standing: Standing | None = None
    cancelled_by: int | None = None


class Deliveries:
    """The deliveries under way. New ones are refused from `max_deliveries` on, and while finished pictures take more
    than `max_picture_bytes` of memory (None: no matter how much). Make it on the running event loop.

    threads: to render on. check: whether a result is shown; None shows all. clock: seconds, as time.monotonic.
    retry_pauses_s: waits between attempts to show a finished job while Discord can't be reached. record_pauses_s:
    between attempts to record the end of a job while the store can't.
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
        retry_pauses_s: tuple[float, ...] = RETRY_PAUSES_S,
        record_pauses_s: tuple[float, ...] = RECORD_PAUSES_S,
    ) -> None:
        self._store = store
        self._executor = executor
        self._keeper = keeper
        self._threads = threads
        self._max_deliveries = max_deliveries
        self._max_picture_bytes = max_picture_bytes
        self._check = check
        self._clock = clock
        self._edit_interval_s = edit_interval_s
        self._retry_pauses_s = retry_pauses_s
        self._record_pauses_s = record_pauses_s
        self._tasks: set[asyncio.Task[Any]] = set()
        self._under_way: dict[str, _UnderWay] = {}
        self._closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @contextmanager
    def accepting(self, *job_ids: str, accepted_before: bool = False) -> Iterator[None]:
        """Around everything from the decision to accept jobs to their start; closing waits for it. Inside, they can be
        cancelled already.

        accepted_before: a job of a previous run, which `max_deliveries` doesn't refuse. Raises QueueFullError or
        ExecutorClosedError if no further delivery may start.
        """
        if self._closing.done():
            raise ExecutorClosedError(_GOING_OFFLINE)
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
        entries = {job_id: _UnderWay() for job_id in job_ids}
        self._under_way |= entries
        try:
            yield
        finally:
            self._tasks.discard(task)
            for job_id, entry in entries.items():
                if not entry.has_started:
                    del self._under_way[job_id]

    def _has_too_many_bytes(self) -> bool:
        if self._max_picture_bytes is None:
            return False
        return sum(entry.num_bytes for entry in self._under_way.values()) > self._max_picture_bytes

    def start(self, job: AcceptedJob) -> None:
        """Takes over an accepted job, its reader included."""
        entry = self._under_way.setdefault(job.request.job_id, _UnderWay())
        entry.has_started, entry.standing = True, Standing(job.first)
        self._track(self._deliver(job), job.request.job_id)

    def standing(self, job_id: str) -> Standing | None:
        """How far a job is; None if it isn't under way here."""
        entry = self._under_way.get(job_id)
        return None if entry is None else entry.standing

    async def cancel(self, job_id: str, user_id: int) -> bool:
        """Ends a job in the name of a user, which its message then says. False if it isn't under way here.

        Raises JobEndedError if somebody was faster or its pictures are finished, ExecutorClosedError if the bot is
        closing.
        """
        if self._closing.done():
            raise ExecutorClosedError(_GOING_OFFLINE)
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
        if not is_cancelled:
            raise JobEndedError("It is too late to cancel this job: its pictures are on their way.")
        return True

    def reject(
        self, job_id: str, prompt: str, state: JobState, sentence: str, *, message: JobMessage | None = None
    ) -> None:
        """Ends a stored job that gets no delivery, in the background: tells its message, if it has one, why."""
        recorder = self._recorder(job_id, None)
        self._track(self._give_up(recorder, prompt, state, sentence, message), job_id)

    async def hold(self, job_id: str, message: tuple[int, int], timeout_s: float) -> None:
        """Records that moderators see a job first, whose message exists, by channel and message id. What takes longer
        goes on in the background."""
        recorder = self._recorder(job_id, JobState.RECEIVED, message)
        task = self._track(recorder.record(JobState.IN_REVIEW, is_final=True), job_id)
        await asyncio.wait({task}, timeout=timeout_s)

    def show(self, job_id: str, message: JobMessage, rendered: Rendered) -> None:
        """Edits the message of a job that isn't under way, in the background."""
        self._track(self._show_in_the_end(message, rendered), job_id)

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
        task.add_done_callback(self._tasks.discard)
        return task

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
        recorder = self._recorder(request.job_id, job.stored, job.message.ids)
        try:
            result = await self._follower(job, entry, recorder).follow()
            if result is None and entry.cancelled_by is not None:
                raise JobCancelledError("The job was cancelled.")
            if result is None:
                await self._interrupt(job, recorder)
            else:
                entry.num_bytes = sum(image.pixels.nbytes for image in result.images)
                await self._hand_over(job, result, recorder)
        except JobCancelledError as error:
            if entry.cancelled_by is None:
                sentence = job.language.tell(error)
                await self._give_up(recorder, request.prompt, JobState.CANCELLED, sentence, job.message)
            else:
                # Here the record comes first: what somebody cancelled must not come back with a restart.
                sentence = job.language.tell(cancelled_text(entry.cancelled_by))
                await recorder.record(JobState.CANCELLED, error=sentence, is_final=False)
                await self._show_in_the_end(job.message, render_failure(request.prompt, sentence))
                await recorder.record(JobState.CANCELLED)
        except ExecutorClosedError:
            # The engine is lost and the program about to end: the job stays in the store for the next start.
            await self._interrupt(job, recorder)
        except Exception as error:
            await self._executor.cancel(request.job_id)
            sentence = explain(error, doing=f"job {request.job_id}", language=job.language)
            await self._give_up(recorder, request.prompt, JobState.FAILED, sentence, job.message)
        finally:
            del self._under_way[request.job_id]
            await job.updates.aclose()

    async def _interrupt(self, job: AcceptedJob, recorder: JobRecorder) -> None:
        """Says that the job goes on after the next start. A message that the store doesn't know keeps its controls, by
        which that start finds it."""
        if await recorder.catch_up():
            await job.message.show(render_interrupted(job.request.prompt, language=job.language))

    def _follower(self, job: AcceptedJob, entry: _UnderWay, recorder: JobRecorder) -> Follower:
        def tell(standing: Standing) -> None:
            entry.standing = standing

        return Follower(
            job,
            executor=self._executor,
            closing=self._closing,
            record=recorder.record,
            tell=tell,
            threads=self._threads,
            clock=self._clock,
            edit_interval_s=self._edit_interval_s,
        )

    async def _hand_over(self, job: AcceptedJob, result: Result, recorder: JobRecorder) -> None:
        passed = Passed() if self._check is None else await self._check.check(job, result)
        if isinstance(passed, Held):
            await self._hold(job, result, passed, recorder)
            return
        # On disk before the state says so: a stop from here on costs nobody the pictures.
        is_kept = job.is_kept or await self._keeper.keep(result)
        await recorder.record(
            JobState.DELIVERING,
            result=_summary(result, passed.warning, job.language),
            is_spoiler=passed.is_spoiler,
        )
        shown, max_bytes = Shown.TOO_LARGE, job.max_bytes
        while shown is Shown.TOO_LARGE and max_bytes >= MIN_BYTES:
            rendered = await self._rendered(job, result, passed, is_kept=is_kept, max_bytes=max_bytes)
            shown = await self._show_in_the_end(job.message, rendered)
            # What Discord says that it takes is not always what it takes.
            max_bytes = len(rendered.picture.data) // 2 if rendered.picture is not None else 0
        if shown is Shown.DONE:
            await recorder.record(JobState.DELIVERED)
        elif shown is Shown.UNREACHED:
            # It stays DELIVERING, so the next start shows the same pictures.
            _log.error("job %s: Discord can't be reached, the result waits for the next start", job.request.job_id)
        else:
            await self._keeper.drop(job.request.job_id)
            await self._undelivered(job, shown, recorder)

    async def _undelivered(self, job: AcceptedJob, shown: Shown, recorder: JobRecorder) -> None:
        """Ends a job whose pictures its message will never show."""
        match shown:
            case Shown.GONE:
                await recorder.record(JobState.FAILED, error=job.language.text("Its message was deleted."))
            case Shown.CLOSED:
                sentence = job.language.text(
                    "The private answer could not be edited any more, and its user takes no direct messages."
                )
                _log.warning("job %s: undelivered, as its user takes no direct messages", job.request.job_id)
                await recorder.record(JobState.EXPIRED, error=sentence)
            case Shown.FORBIDDEN:
                sentence = job.language.text(
                    "I may not write here any more. I need {permissions}: ask a moderator, then use /again.",
                    permissions=tuple(required_permissions(None).values()),
                )
                await self._give_up(recorder, job.request.prompt, JobState.FAILED, sentence, job.message)
            case _:
                sentence = job.language.text(
                    "Discord did not take the pictures. Tell the bot's owner: the bot's log says why."
                )
                await self._give_up(recorder, job.request.prompt, JobState.FAILED, sentence, job.message)

    async def _hold(self, job: AcceptedJob, result: Result, held: Held, recorder: JobRecorder) -> None:
        """Keeps the pictures for moderators and says so. What can't be kept or recorded is not shown either."""
        assert self._check is not None
        if not await self._keeper.keep(result):
            raise JobFailedError(
                "The pictures have to wait for moderators, and I could not keep them. Ask again later."
            )
        case = await self._check.open(CaseKind.HELD_PICTURES, job, held.details)
        await recorder.record(JobState.IN_REVIEW, result=_summary(result, None, job.language), is_final=True)
        self._check.opened()
        waiting = render_waiting(case.number, language=job.language, user_id=job.user_id, prompt=job.request.prompt)
        await self._show_in_the_end(job.message, waiting)

    async def _rendered(
        self, job: AcceptedJob, result: Result, passed: Passed, *, is_kept: bool, max_bytes: int
    ) -> Rendered:
        return await self._threads.run(
            RENDER_TIMEOUT_S,
            render_result,
            result,
            language=job.language,
            user_id=job.user_id,
            max_bytes=max_bytes,
            origin=job.origin,
            is_kept=is_kept,
            result_format=job.result_format,
            is_spoiler=passed.is_spoiler,
            warning=passed.warning,
        )

    async def _show_in_the_end(self, message: JobMessage, rendered: Rendered) -> Shown:
        """Tries again for a while if Discord can't be reached."""
        shown = await message.show(rendered)
        for pause_s in self._retry_pauses_s:
            if shown is not Shown.UNREACHED:
                break
            await asyncio.wait({self._closing}, timeout=pause_s)
            if self._closing.done():
                break
            shown = await message.show(rendered)
        return shown

    async def _give_up(
        self, recorder: JobRecorder, prompt: str, state: JobState, sentence: str, message: JobMessage | None
    ) -> None:
        # First the user, then the record: if the program dies in between, the restart finds the job unfinished.
        shown = Shown.DONE
        if message is not None:
            shown = await self._show_in_the_end(message, render_failure(prompt, sentence))
        if shown is Shown.UNREACHED:
            _log.error(
                "job %s: Discord can't be reached, so the next start takes it up again: %s", recorder.job_id, sentence
            )
            return
        await recorder.record(state, error=sentence)


def _summary(result: Result, warning: Text | None, language: Language) -> dict[str, Any]:
    """What the store keeps of a result: JSON without pictures. Sentences are in the language of whoever asked."""
    told: dict[str, Any] = {"notices": [language.tell(notice) for notice in result.notices]} if result.notices else {}
    if warning is not None:
        told["warning"] = language.tell(warning)
    return told | {
        "order": [image.index for image in result.images],
        "scores": [image.score for image in result.images],
        "seconds": result.seconds,
        "model": result.model,
        "sampling": asdict(result.sampling),
    }
