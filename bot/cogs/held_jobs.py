"""What a decision does to the job that waited for it: it is drawn, shown, or ended with a sentence. Event loop.

May be called again for the same case: the job's state says what is left to do. Pictures that are shown go the way of
every delivery, which says so to the requester and records it.
"""

import asyncio
import logging
from typing import Final

from bot.catalogues import Languages
from bot.cogs.delivery import Deliveries
from bot.cogs.follower import AcceptedJob
from bot.cogs.image_gate import ImageGate
from bot.cogs.job_message import JobMessage
from bot.cogs.resubmitting import Resubmitting
from bot.language import Text
from bot.moderation.cases import CaseKind, outcome_of
from bot.pictures import PictureFolder
from bot.render import render_closed
from bot.store import CaseRecord, JobRecord, JobState, Store

STORE_TIMEOUT_S: Final = 10.0
FILES_TIMEOUT_S: Final = 30.0

REJECTED: Final = Text("Case {number}: moderators of this server have rejected this.")
UNDECIDED: Final = Text("Case {number}: this is not shown, since no moderator decided about it in time.")

_log = logging.getLogger(__name__)


class HeldJobs:
    """A CaseFollower for both kinds of held jobs."""

    def __init__(
        self,
        store: Store,
        *,
        pictures: PictureFolder,
        deliveries: Deliveries,
        resubmitting: Resubmitting,
        gate: ImageGate,
        languages: Languages,
    ) -> None:
        self._store = store
        self._pictures = pictures
        self._deliveries = deliveries
        self._resubmitting = resubmitting
        self._gate = gate
        self._languages = languages

    async def follow(self, case: CaseRecord) -> None:
        """Raises StoreError, TimeoutError, and what submitting raises."""
        assert case.decision is not None
        async with asyncio.timeout(STORE_TIMEOUT_S):
            job = await self._store.jobs.get(case.job_id)
        if job is None or job.state is not JobState.IN_REVIEW or self._deliveries.is_under_way(job.id):
            return
        outcome = outcome_of(case.decision)
        message = self._resubmitting.message(job)
        if outcome.is_shown and message is not None and job.deleted_at is None:
            await self._go_on(case, job, message, is_spoiler=outcome.is_spoiler)
            return
        # What nobody has looked at was not rejected by moderators.
        if outcome.blocks_likes and case.decided_by is not None and case.kind is CaseKind.HELD_PICTURES:
            await self._block(case, job)
        await self._end(case, job, message)

    async def _go_on(self, case: CaseRecord, job: JobRecord, message: JobMessage, *, is_spoiler: bool) -> None:
        with self._deliveries.accepting(job.id, accepted_before=True):
            if case.kind is CaseKind.HELD_PROMPT:
                accepted = await self._resubmitting.submit(job, message, is_spoiler=is_spoiler)
            else:
                accepted = await self._approved(case, job, message, is_spoiler=is_spoiler)
            self._deliveries.start(accepted)

    async def _approved(
        self, case: CaseRecord, job: JobRecord, message: JobMessage, *, is_spoiler: bool
    ) -> AcceptedJob:
        """The pictures that moderators have seen; where they are lost, others, which go through the check again."""
        finished = await self._resubmitting.finished(job, message, is_spoiler=is_spoiler)
        if finished is not None:
            return finished
        _log.warning("job %s: its approved pictures are lost or damaged, so it is drawn and looked at again", job.id)
        return await self._resubmitting.submit(job, message, redrawn_after=case.number, is_spoiler=is_spoiler)

    async def _block(self, case: CaseRecord, job: JobRecord) -> None:
        result = await self._resubmitting.kept(job)
        if result is None:
            _log.warning("job %s: its rejected pictures are gone, so none like them is blocked", job.id)
            return
        await self._gate.block(case.guild_id, [image.pixels for image in result.images], case_number=case.number)

    async def _end(self, case: CaseRecord, job: JobRecord, message: JobMessage | None) -> None:
        language = self._languages.of(job.locale)
        text = UNDECIDED if case.decided_by is None else REJECTED
        sentence = language.tell(text.replacing(number=f"#{case.number}"))
        if message is not None:
            prompt = None if case.kind is CaseKind.HELD_PROMPT else job.prompt
            await message.show(render_closed(prompt, sentence))
        async with asyncio.timeout(FILES_TIMEOUT_S):
            await asyncio.to_thread(self._pictures.delete, job.id)
            await self._store.images.delete(job.id)
            await self._store.jobs.move(job.id, JobState.FAILED, error=sentence)
