"""What a decision about reports does: the result goes or comes back, and who reported it hears of it. Event loop.

May be called again for the same case: what is deleted is gone, and who was told is not told again.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

import discord

from bot.catalogues import Languages
from bot.cogs.image_gate import ImageGate
from bot.cogs.message_removal import MessageRemoval
from bot.cogs.progress_note import write_to
from bot.cogs.resubmitting import Resubmitting
from bot.cogs.result_hiding import ResultHiding
from bot.cogs.result_removal import ResultRemoval
from bot.language import Text
from bot.moderation.cases import Decision, Outcome, outcome_of
from bot.pictures import PictureFolder
from bot.store import AuditAction, AuditRecord, CaseRecord, JobRecord, Store

STORE_TIMEOUT_S: Final = 10.0
FILES_TIMEOUT_S: Final = 30.0

_ANSWERS: Final[Mapping[Decision, Text]] = {
    Decision.APPROVE: Text(
        "Case {number} in {server}: moderators have looked at the result that you reported, and left it as it is."
    ),
    Decision.APPROVE_SPOILER: Text(
        "Case {number} in {server}: moderators have put the result that you reported behind a click. Thank you."
    ),
    Decision.WITHDRAWN: Text("Case {number} in {server}: the result that you reported is gone."),
}
_GONE: Final = Text(
    "Case {number} in {server}: the result that you reported is gone, and moderators have rejected it. Thank you."
)
_REMOVED: Final = Text("Case {number} in {server}: moderators have removed the result that you reported. Thank you.")

_log = logging.getLogger(__name__)


class ReportedResults:
    """A CaseFollower for reports."""

    def __init__(
        self,
        client: discord.Client,
        *,
        store: Store,
        pictures: PictureFolder,
        removal: MessageRemoval,
        hiding: ResultHiding,
        kept: Resubmitting,
        gate: ImageGate,
        languages: Languages,
    ) -> None:
        self._client = client
        self._store = store
        self._pictures = pictures
        self._results = ResultRemoval(store, pictures, removal)
        self._hiding = hiding
        self._kept = kept
        self._gate = gate
        self._languages = languages

    async def follow(self, case: CaseRecord) -> None:
        """Raises StoreError and TimeoutError."""
        assert case.decision is not None
        outcome = outcome_of(case.decision)
        async with asyncio.timeout(STORE_TIMEOUT_S):
            job = await self._store.jobs.get(case.job_id)
        is_gone = job is None or job.deleted_at is not None
        if job is not None and case.decision is not Decision.WITHDRAWN:
            if outcome.is_shown and is_gone:
                await self._forget(job)
            elif outcome.is_shown:
                await self._hiding.restore(job, case.number, case.decided_by, is_spoiler=outcome.is_spoiler)
            else:
                await self._remove(case, job, outcome)
        await self._tell(case, is_gone=is_gone)

    async def _forget(self, job: JobRecord) -> None:
        """The pictures of a result that was deleted while moderators looked at it."""
        async with asyncio.timeout(STORE_TIMEOUT_S):
            await self._store.images.delete(job.id)
        async with asyncio.timeout(FILES_TIMEOUT_S):
            await asyncio.to_thread(self._pictures.delete, job.id)

    async def _remove(self, case: CaseRecord, job: JobRecord, outcome: Outcome) -> None:
        result = await self._kept.kept(job) if outcome.blocks_likes else None
        if result is not None:
            await self._gate.block(case.guild_id, [image.pixels for image in result.images], case_number=case.number)
        record = AuditRecord(
            guild_id=case.guild_id,
            action=AuditAction.RESULT_DELETED,
            actor_id=case.decided_by,
            user_id=job.user_id,
            job_id=job.id,
            case_number=case.number,
        )
        left = await self._results.remove(job, record)
        if left:
            _log.warning("job %s: %d messages could not be deleted", job.id, len(left))

    async def _tell(self, case: CaseRecord, *, is_gone: bool) -> None:
        """As far as they take direct messages. is_gone: the result was deleted before."""
        assert case.decision is not None
        guild = self._client.get_guild(case.guild_id)
        server = "?" if guild is None else discord.utils.escape_markdown(guild.name)
        said = _ANSWERS.get(case.decision, _REMOVED)
        if is_gone:
            said = _ANSWERS[Decision.WITHDRAWN] if outcome_of(case.decision).is_shown else _GONE
        answer = said.replacing(number=f"#{case.number}", server=server)
        async with asyncio.timeout(STORE_TIMEOUT_S):
            reports = await self._store.reports.untold(case.guild_id, case.number)
        for report in reports:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                # First, so that a stop in between costs an answer instead of repeating one.
                is_first = await self._store.reports.set_told(report)
            if is_first:
                await write_to(self._client, report.reporter_id, self._languages.of(report.locale).tell(answer))
