"""Deletes everything of a person, job by job, in the background. Begun by /privacy delete; event loop.

What is to be done stands in the store, so a restart goes on with it. Each step may be done twice. Of several processes
of a bot each deletes the jobs of its own guilds; the one where it was asked for waits for the others and does the rest.
It comes first in one thing: what others are still to draw it cancels at once (cancel_watch.py).
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Final

import discord

from bot.catalogues import Languages
from bot.cogs.background import BackgroundLoop
from bot.cogs.delivery import Deliveries
from bot.cogs.discord_clock import DiscordClock
from bot.cogs.message_removal import Left, MessageRemoval
from bot.cogs.progress_note import ProgressNote, write_to
from bot.errors import IllegalMoveError, JobEndedError, StoreError
from bot.language import Language
from bot.pictures import PictureFolder
from bot.render import cancelled_text
from bot.store import FINAL_STATES, Erasure, JobRecord, JobState, Kept, Store

INTERVAL_S: Final = 5 * 60.0
INTERVAL_OF_MANY_S: Final = 20.0  # where other processes may be asked
BATCH_JOBS: Final = 50
FILES_TIMEOUT_S: Final = 30.0
UNFINISHED_PAUSE_S: Final = 2.0
MAX_PAUSES: Final = 30  # for jobs whose pictures are on their way; then the others' turn comes first
ASKED_LATELY: Final = timedelta(minutes=15)
"""So long the process that was asked is the one to end it; then it is whichever comes first."""
LONG_AGO: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""Stands for now until Discord has told the time: sanctions that nobody has lifted are kept then, over or not."""

_log = logging.getLogger(__name__)


class Erasing:
    """Close it before the client. clock: by which sanctions end. unfinished_pause_s: between two looks at jobs whose
    end is near."""

    def __init__(
        self,
        client: discord.Client,
        *,
        store: Store,
        pictures: PictureFolder,
        removal: MessageRemoval,
        deliveries: Deliveries,
        clock: DiscordClock,
        languages: Languages,
        unfinished_pause_s: float = UNFINISHED_PAUSE_S,
    ) -> None:
        self._client = client
        self._store = store
        self._pictures = pictures
        self._removal = removal
        self._deliveries = deliveries
        self._clock = clock
        self._languages = languages
        self._unfinished_pause_s = unfinished_pause_s
        self._notes: dict[int, ProgressNote] = {}
        interval_s = INTERVAL_S if store.shards.are_all else INTERVAL_OF_MANY_S
        self._loop = BackgroundLoop("deleting people's data", self._work, interval_s=interval_s)

    def start(self) -> None:
        """Goes on with what the last run has left."""
        self._loop.start()

    async def aclose(self) -> None:
        """Stops; the next run goes on."""
        await self._loop.aclose()

    async def record(self, user_id: int, locale: str) -> None:
        """Makes sure that a person's data will be deleted, whatever happens. Raises StoreError."""
        await self._store.erasures.begin(user_id, locale)

    def begin(self, user_id: int, note: ProgressNote) -> None:
        """Goes about what is recorded, and shows `note` how far this person's is."""
        self._notes[user_id] = note
        self._loop.wake()

    async def _work(self) -> None:
        # Another process may have ended what was asked for here.
        self._notes = {user_id: note for user_id, note in self._notes.items() if not note.is_over}
        for erasure in await self._store.erasures.under_way():
            try:
                await self._erase(erasure)
            except (StoreError, TimeoutError) as error:
                _log.warning("the data of user %d is not deleted yet: %s", erasure.user_id, error)

    async def _erase(self, erasure: Erasure) -> None:
        language = self._languages.of(erasure.locale or "")
        await self._cancel_elsewhere(erasure)
        total = erasure.num_jobs + await self._store.erasures.count(erasure)
        num_done, num_pauses = erasure.num_jobs, 0
        while jobs := await self._store.erasures.jobs(erasure, BATCH_JOBS):
            unfinished = [job for job in jobs if not await self._erase_job(job, erasure)]
            num_done += len(jobs) - len(unfinished)
            await self._tell(erasure, language.text("Deleting: {done} of {total} results.", done=num_done, total=total))
            if len(unfinished) == len(jobs):
                num_pauses += 1
                if num_pauses > MAX_PAUSES:
                    raise StoreError(f"{len(jobs)} jobs of theirs don't end.")
                await asyncio.sleep(self._unfinished_pause_s)
        if not await self._is_done_everywhere(erasure):
            return
        await self._removal.remove_direct(erasure.user_id)
        now = self._clock.told() or LONG_AGO
        kept = await self._store.erasures.kept(erasure.user_id, now)
        finished = await self._store.erasures.finish(erasure, now)
        if finished is None:
            self._notes.pop(erasure.user_id, None)
        else:
            await self._end(finished, kept, language)

    async def _is_done_everywhere(self, erasure: Erasure) -> bool:
        """Whether no other process has any of their jobs any more, and this is the one to say so."""
        if self._store.shards.are_all:
            return True
        if erasure.user_id not in self._notes and datetime.now(UTC) - erasure.asked_at < ASKED_LATELY:
            return False
        for _ in range(MAX_PAUSES):
            if not await self._store.erasures.count(erasure):
                return True
            await asyncio.sleep(self._unfinished_pause_s)
        return False

    async def _erase_job(self, job: JobRecord, erasure: Erasure) -> bool:
        """False if it is unfinished; then it is being cancelled."""
        if job.state not in FINAL_STATES:
            await self._cancel(job)
            return False
        left = [*await self._removal.remove_in_the_end(job), *await self._remove_case_messages(job)]
        async with asyncio.timeout(FILES_TIMEOUT_S):
            await asyncio.to_thread(self._pictures.delete, job.id)
        links = tuple(each.link for each in left)
        await self._store.erasures.erase_job(job.id, of=erasure, refused=links)
        return True

    async def _remove_case_messages(self, job: JobRecord) -> list[Left]:
        """Where moderators saw it; what they have yet to decide isn't deleted at all."""
        left = [
            await self._removal.remove_message(job, case.channel_id, case.message_id)
            for case in await self._store.cases.of_job(job.id)
            if case.channel_id is not None
        ]
        return [each for each in left if each is not None]

    async def _cancel_elsewhere(self, erasure: Erasure) -> None:
        """Nobody need see pictures that are to be deleted, and other processes come to that only after a while."""
        for job in await self._store.erasures.unfinished_elsewhere(erasure, BATCH_JOBS):
            sentence = self._languages.of(job.locale).tell(cancelled_text(job.user_id))
            try:
                await self._store.jobs.move(job.id, JobState.CANCELLED, error=sentence)
            except IllegalMoveError as error:
                _log.info("job %s can't be cancelled: %s", job.id, error)

    async def _cancel(self, job: JobRecord) -> None:
        try:
            if not await self._deliveries.cancel(job.id, job.user_id):
                with self._deliveries.moving(job.id):
                    await self._store.jobs.move(job.id, JobState.CANCELLED)
        except (JobEndedError, StoreError) as error:
            # Its end is near, or somebody was faster.
            _log.info("job %s can't be cancelled: %s", job.id, error)

    async def _tell(self, erasure: Erasure, text: str) -> None:
        note = self._notes.get(erasure.user_id)
        if note is not None:
            await note.tell(text)

    async def _end(self, erasure: Erasure, kept: Kept, language: Language) -> None:
        _log.info("the data of a user is deleted: %d jobs, %d messages left", erasure.num_jobs, erasure.num_refused)
        text = erased_text(erasure, kept, language)
        note = self._notes.pop(erasure.user_id, None)
        if note is None or not await note.end(text):
            await write_to(self._client, erasure.user_id, text)


def erased_text(erasure: Erasure, kept: Kept, language: Language) -> str:
    """What came of a deletion, and what is left."""
    lines = [
        language.plural(
            "Deleted: {n} result with its messages and pictures, and everything else that I had of you.",
            "Deleted: {n} results with their messages and pictures, and everything else that I had of you.",
            erasure.num_jobs,
        )
    ]
    if erasure.num_refused:
        links = " ".join(f"<{link}>" for link in erasure.refused)
        lines.append(
            language.plural(
                "Discord did not let me delete {n} message. Ask a moderator there to do it: {links}",
                "Discord did not let me delete {n} messages. Ask moderators there to do it: {links}",
                erasure.num_refused,
                links=links,
            )
        )
    if kept.num_cases:
        lines.append(
            language.plural(
                "Kept until moderators have decided: {n} case with its result ({cases}). Use /privacy delete again "
                "then.",
                "Kept until moderators have decided: {n} cases with their results ({cases}). Use /privacy delete again "
                "then.",
                kept.num_cases,
                cases=", ".join(f"#{number}" for _, number in kept.cases),
            )
        )
    if kept.num_sanctions:
        lines.append(
            language.plural(
                "Kept as long as it holds: {n} strike or ban.",
                "Kept as long as they hold: {n} strikes and bans.",
                kept.num_sanctions,
            )
        )
    if kept.num_records:
        lines.append(
            language.plural(
                "Kept for good: {n} record in the logs of moderators, which nobody can change.",
                "Kept for good: {n} records in the logs of moderators, which nobody can change.",
                kept.num_records,
            )
        )
    return "\n".join(lines)
