"""Deletes what a sweep means, result by result, in the background. Begun by /mod sweep; event loop.

The store knows how far each sweep is, so a restart goes on with it. One message after the other keeps to Discord's
limits, which discord.py honours.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

import discord

from bot.catalogues import Languages
from bot.cogs.background import BackgroundLoop
from bot.cogs.message_removal import MessageRemoval
from bot.cogs.progress_note import ProgressNote, write_to
from bot.cogs.result_removal import ResultRemoval
from bot.cogs.sweep_page import end_text, progress_text
from bot.cogs.sweep_search import SweepSearch
from bot.errors import StoreError
from bot.language import Language
from bot.pictures import PictureFolder
from bot.store import AuditAction, AuditRecord, CaseRecord, JobRecord, Store, SweepRecord, SweepState
from bot.views.custom_id import Action, CustomId
from bot.views.job_control import make_button, make_view

INTERVAL_S: Final = 5 * 60.0

_log = logging.getLogger(__name__)


class Sweeper:
    """Sweeps come one after the other. on_kept: as for ResultRemoval. Close it before the client."""

    def __init__(
        self,
        client: discord.Client,
        *,
        store: Store,
        pictures: PictureFolder,
        removal: MessageRemoval,
        search: SweepSearch,
        languages: Languages,
        on_kept: Callable[[CaseRecord], Awaitable[None]],
    ) -> None:
        self._client = client
        self._store = store
        self._results = ResultRemoval(store, pictures, removal, on_kept)
        self._search = search
        self._languages = languages
        self._notes: dict[str, ProgressNote] = {}
        self._loop = BackgroundLoop("sweeps", self._work, interval_s=INTERVAL_S)

    def start(self) -> None:
        """Goes on with what the last run has left."""
        self._loop.start()

    async def aclose(self) -> None:
        """Stops; the next run goes on."""
        await self._loop.aclose()

    def begin(self, sweep_id: str, note: ProgressNote) -> None:
        """Goes about what is running in the store, and shows `note` how far this one is."""
        self._notes[sweep_id] = note
        self._loop.wake()

    async def _work(self) -> None:
        for sweep in await self._store.sweeps.running():
            try:
                await self._sweep(sweep)
            except (StoreError, TimeoutError) as error:
                _log.warning("sweep %s could not go on: %s", sweep.id, str(error) or type(error).__name__)

    async def _sweep(self, sweep: SweepRecord) -> None:
        language = self._languages.of(sweep.locale)
        cursor = None if sweep.cursor_at is None or sweep.cursor_id is None else (sweep.cursor_at, sweep.cursor_id)
        async for step in self._search.steps(sweep.guild_id, sweep.criteria, sweep.asked_at, cursor):
            for job in step.meant:
                if not await self._delete(sweep, job):
                    await self._end(sweep, language)
                    return
                await self._tell(sweep, language)
            if not await self._store.sweeps.advance(sweep.id, step.seen[-1], is_deleted=False):
                break
        await self._end(sweep, language)

    async def _delete(self, sweep: SweepRecord, job: JobRecord) -> bool:
        """False if the sweep was stopped meanwhile."""
        record = AuditRecord(
            guild_id=sweep.guild_id,
            action=AuditAction.RESULT_SWEPT,
            actor_id=sweep.actor_id,
            user_id=job.user_id,
            job_id=job.id,
            details={"sweep": sweep.id},
        )
        left = await self._results.remove(job, record)
        links = tuple(each.link for each in left)
        return await self._store.sweeps.advance(sweep.id, job, is_deleted=True, refused=links)

    async def _tell(self, sweep: SweepRecord, language: Language) -> None:
        note = self._notes.get(sweep.id)
        if note is None or not note.is_due:
            return
        now = await self._store.sweeps.get(sweep.id)
        if now is not None:
            stop = make_button(language.text("Stop"), CustomId(Action.SWEEP_STOP, sweep.id))
            await note.tell(progress_text(now, language), make_view([stop]))

    async def _end(self, sweep: SweepRecord, language: Language) -> None:
        ended = await self._store.sweeps.get(sweep.id)
        assert ended is not None
        record = AuditRecord(
            guild_id=sweep.guild_id,
            action=AuditAction.SWEEP_DONE,
            actor_id=sweep.actor_id,
            user_id=sweep.criteria.user_id,
            details={
                "sweep": sweep.id,
                "deleted": ended.num_deleted,
                "messages_left": ended.num_refused,
                "criteria": sweep.criteria.to_json() | {"hashes": len(sweep.criteria.hashes)},
            },
        )
        if await self._store.sweeps.move(sweep.id, SweepState.RUNNING, SweepState.DONE, record):
            ended = replace(ended, state=SweepState.DONE)
        text = end_text(ended, language)
        note = self._notes.pop(sweep.id, None)
        if note is None or not await note.end(text):
            await write_to(self._client, sweep.actor_id, text)
