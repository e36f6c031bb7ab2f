"""Shows on a job's message how far it is, until its result is there. Used by the deliveries, on the event loop.

The message is edited at most once in an interval, more rarely while the start is far off, never twice with the same
text, and always by the one task that delivers the result afterwards: so no preview can come behind it.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from bot.cogs.job_message import JobMessage, Shown
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.previews import PreviewEncoder
from bot.cogs.standing import Standing
from bot.cogs.updates import UpdateReader
from bot.errors import JobCancelledError
from bot.executor.base import EngineState, Executor
from bot.guild_settings import ResultFormat
from bot.image_rule import ImageRule
from bot.language import Language, Text
from bot.render import render_update
from bot.requests import Finished, GenerationRequest, Queued, Result, Update
from bot.store import JobState

REFRESH_S: Final = 30.0
WAITING_SHARE: Final = 0.2  # of the time until the start: the forecast is no better, and no finer told


@dataclass(frozen=True, slots=True)
class AcceptedJob:
    """A job whose message exists.

    first: the update that the message shows. language: that of whoever asked. stored: the job's state in the store.
    max_bytes: Discord's limit for an attachment. resumed: it was taken up again, after a restart or a fault.
    origin: which job it comes from, if from one. result_format: of its collage. guild_id: None in direct messages.
    image_rules: that its pictures are held against. is_reviewed: moderators have let its pictures be shown.
    redrawn_after: the number of the case in which they let others be shown, which were lost before anybody saw them.
    is_spoiler: behind a click. is_kept: its pictures are on disk already. warning: for whoever asked.
    """

    request: GenerationRequest
    user_id: int
    message: JobMessage
    updates: UpdateReader
    first: Update
    language: Language
    stored: JobState
    max_bytes: int
    resumed: bool = False
    origin: Text | None = None
    result_format: ResultFormat = "png"
    guild_id: int | None = None
    image_rules: tuple[ImageRule, ...] = ()
    is_reviewed: bool = False
    redrawn_after: int | None = None
    is_spoiler: bool = False
    is_kept: bool = False
    warning: Text | None = None


class Follower:
    """Follows one job.

    closing: done once the bot closes. record: stores a state, or raises JobCancelledError. tell: told how far the job
    is whenever that changes. threads: for previews. clock: seconds. edit_interval_s: between two edits.
    """

    def __init__(
        self,
        job: AcceptedJob,
        *,
        executor: Executor,
        closing: asyncio.Future[None],
        record: Callable[[JobState], Awaitable[None]],
        tell: Callable[[Standing], None],
        threads: PictureThreads,
        clock: Callable[[], float],
        edit_interval_s: float,
    ) -> None:
        self._job = job
        self._executor = executor
        self._closing = closing
        self._record = record
        self._tell = tell
        self._clock = clock
        self._edit_interval_s = edit_interval_s
        self._previews = PreviewEncoder(job.request, job.language, threads)

    async def follow(self) -> Result | None:
        """Shows the updates until the result is there. None: the bot closes before. Raises the stream's JobErrors."""
        try:
            return await self._follow()
        finally:
            self._previews.close()

    async def _follow(self) -> Result | None:
        job = self._job
        if job.is_kept and isinstance(job.first, Finished):
            return job.first.result
        standing, changed = Standing(job.first), job.resumed
        has_started = False
        shown_s = -math.inf if job.resumed else self._clock()
        if job.stored is not JobState.QUEUED:
            await self._record(JobState.QUEUED)
        while True:
            self._tell(standing)
            if not has_started and not isinstance(standing.update, Queued):
                await self._record(JobState.RUNNING)
                has_started = True
            if isinstance(standing.update, Finished):
                return standing.update.result
            if self._closing.done():
                # What is drawn already is delivered.
                following = await job.updates.next(0.0)
                if following is None:
                    return None
                standing = standing.after(following)
                continue
            pause_s = self._pause_s(standing.update)
            if changed and self._clock() >= shown_s + pause_s:
                self._previews.offer(standing.pictures)
                if not self._previews.under_way:
                    await self._show(standing.update)
                    changed, shown_s = False, self._clock()
            is_waiting = changed and not self._previews.under_way
            timeout_s = max(0.0, shown_s + pause_s - self._clock()) if is_waiting else REFRESH_S
            following = await job.updates.next(timeout_s, self._closing, *self._previews.under_way)
            # Nothing new also asks for an edit: the model may have become ready. It costs nothing if no word changed.
            changed = True
            if following is not None:
                standing = standing.after(following)

    def _pause_s(self, update: Update) -> float:
        """Between two edits. A start that is far off is not worth an edit every few seconds, by dozens of jobs."""
        if isinstance(update, Queued) and update.expected_start_s is not None:
            return max(self._edit_interval_s, min(REFRESH_S, WAITING_SHARE * update.expected_start_s))
        return self._edit_interval_s

    async def _show(self, update: Update) -> None:
        loading = self._executor.status.state is EngineState.LOADING
        job = self._job
        text = render_update(job.request, update, language=job.language, loading=loading, resumed=job.resumed)
        rendered = replace(text, picture=self._previews.take())
        shown = await job.message.show(rendered)
        if shown in (Shown.REFUSED, Shown.FORBIDDEN, Shown.TOO_LARGE) and rendered.picture is not None:
            self._previews.refuse()
        if shown is Shown.GONE:
            await self._executor.cancel(job.request.job_id)
            raise JobCancelledError("Its message was deleted.")
