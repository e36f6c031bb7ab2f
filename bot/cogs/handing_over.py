"""From a finished result to a message that shows it: judged, kept on disk, rendered, delivered. Used by the deliveries,
on the event loop; rendering goes to the threads for pictures.

A store that fails meanwhile delays what depends on it and costs no job: whether pictures may be shown is asked until it
answers, and records are made later. Where no room is left for pictures that moderators should see, waiting would not
help: those are refused. Where other processes may cancel a job in the store, its pictures wait until the store has them
as on their way, after which nobody can. The message says that pictures wait for the database.
"""

import logging
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from bot.cogs.final_words import FinalWords
from bot.cogs.follower import AcceptedJob
from bot.cogs.job_message import Shown
from bot.cogs.job_recorder import JobRecorder
from bot.cogs.permissions import required_permissions
from bot.cogs.picture_check import Held, Passed, PictureCheck
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.result_keeper import ResultKeeper
from bot.cogs.store_patience import StorePatience
from bot.errors import JobFailedError, NoRoomError
from bot.language import Language, Text
from bot.moderation.cases import CaseKind
from bot.render import Rendered, render_delayed, render_result, render_waiting
from bot.requests import Result
from bot.store import JobState

RENDER_TIMEOUT_S: Final = 60.0
MIN_BYTES: Final = 1024  # of a collage that is made smaller until Discord takes it

NO_ROOM: Final = Text(
    "This would have to wait for moderators, and the bot has no room left for its pictures. Tell the bot's owner: the "
    "bot's log says why."
)

_log = logging.getLogger(__name__)


class HandingOver:
    """check: whether a result is shown; None shows all. threads: to render on. is_shared: as for Deliveries."""

    def __init__(
        self,
        *,
        check: PictureCheck | None,
        keeper: ResultKeeper,
        threads: PictureThreads,
        words: FinalWords,
        patience: StorePatience,
        is_shared: bool,
    ) -> None:
        self._check = check
        self._keeper = keeper
        self._threads = threads
        self._words = words
        self._patience = patience
        self._is_shared = is_shared

    async def hand_over(self, job: AcceptedJob, result: Result, recorder: JobRecorder) -> None:
        """Raises JobFailedError if it may not be shown, JobCancelledError if another process was faster,
        ExecutorClosedError if the bot closes before anybody can say. The job stays unfinished where Discord can't be
        reached."""
        passed = await self._passed(job, result)
        if isinstance(passed, Held):
            await self._hold(job, result, passed, recorder)
            return
        # On disk before the state says so: a stop from here on costs nobody the pictures.
        is_kept = job.is_kept or await self._keeper.keep(result)
        await recorder.record(
            JobState.DELIVERING,
            result=_summary(result, passed.warning, job.language),
            is_spoiler=passed.is_spoiler,
            is_final=self._is_shared,
            on_fault=partial(self._tell_delay, job),
        )
        await self._stop_if_cancelled(recorder)
        shown, max_bytes = Shown.TOO_LARGE, job.max_bytes
        while shown is Shown.TOO_LARGE and max_bytes >= MIN_BYTES:
            rendered = await self._rendered(job, result, passed, is_kept=is_kept, max_bytes=max_bytes)
            # What came from disk need not wait in memory.
            shown = await self._words.show(job.message, rendered, is_brief=job.is_kept)
            # What Discord says that it takes is not always what it takes.
            max_bytes = len(rendered.picture.data) // 2 if rendered.picture is not None else 0
        if shown is Shown.DONE:
            await recorder.record(JobState.DELIVERED)
        elif shown is Shown.UNREACHED:
            # It stays DELIVERING, so the same pictures are shown later.
            _log.error("job %s: Discord can't be reached, so the result is delivered later", job.request.job_id)
        else:
            await self._keeper.drop(job.request.job_id)
            await self._undelivered(job, shown, recorder)

    async def _passed(self, job: AcceptedJob, result: Result) -> Passed | Held:
        if self._check is None:
            return Passed()
        return await self._patience.wait_for(
            partial(self._check.check, job, result),
            name=f"job {job.request.job_id}",
            on_fault=partial(self._tell_delay, job),
        )

    async def _stop_if_cancelled(self, recorder: JobRecorder) -> None:
        """Raises JobCancelledError if another process was faster, and keeps none of the pictures then;
        ExecutorClosedError if the bot closes before anybody can say."""
        if recorder.cancellation is not None:
            await self._keeper.drop(recorder.job_id)
        recorder.check(is_stored=self._is_shared)

    async def _tell_delay(self, job: AcceptedJob) -> None:
        await job.message.show(render_delayed(job.request.prompt, language=job.language))

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
                await self._words.give_up(recorder, job.request.prompt, JobState.FAILED, sentence, job.message)
            case _:
                sentence = job.language.text(
                    "Discord did not take the pictures. Tell the bot's owner: the bot's log says why."
                )
                await self._words.give_up(recorder, job.request.prompt, JobState.FAILED, sentence, job.message)

    async def _hold(self, job: AcceptedJob, result: Result, held: Held, recorder: JobRecorder) -> None:
        """Keeps the pictures for moderators and says so. What is not kept and recorded yet is not shown either."""
        check = self._check
        assert check is not None

        async def begin() -> int:
            try:
                await self._keeper.save(result)
            except NoRoomError as error:
                _log.error("job %s: its pictures can't be held: %s", job.request.job_id, error)
                raise JobFailedError(NO_ROOM) from error
            return (await check.open(CaseKind.HELD_PICTURES, job, held.details)).number

        number = await self._patience.wait_for(
            begin, name=f"job {job.request.job_id}", on_fault=partial(self._tell_delay, job)
        )
        await recorder.record(
            JobState.IN_REVIEW,
            result=_summary(result, None, job.language),
            is_final=True,
            on_fault=partial(self._tell_delay, job),
        )
        await self._stop_if_cancelled(recorder)
        check.opened()
        waiting = render_waiting(number, language=job.language, user_id=job.user_id, prompt=job.request.prompt)
        await self._words.show(job.message, waiting)

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
