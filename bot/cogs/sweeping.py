"""/mod sweep: past results that should not be there, counted first and then deleted. Called by discord.py.

Who may is asked of the table before each of these; that a sweep is of the moderator's own server is asked here.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import discord
from discord import app_commands
from discord.app_commands import Range, locale_str

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone, answer_in_place, think
from bot.cogs.mod_group import ModCommand, mod_command
from bot.cogs.permissions import guild_of
from bot.cogs.progress_note import ProgressNote
from bot.cogs.show import parse_job
from bot.cogs.sweep_page import dry_run_text, progress_text
from bot.cogs.sweep_search import SweepSearch
from bot.cogs.sweeper import Sweeper
from bot.errors import InvalidParameterError, JobEndedError, NotAdmittedError, StoreError
from bot.moderation.likeness import PictureHash
from bot.moderation.prompt_rules import MAX_RULE_CHARACTERS
from bot.moderation.spans import parse_span
from bot.moderation.sweeping import SweepCriteria
from bot.store import AuditAction, AuditRecord, NewSweep, Store, SweepRecord, SweepState
from bot.views.custom_id import Action, CustomId
from bot.views.job_control import make_button, make_view

STORE_TIMEOUT_S: Final = 1.5
MAX_AGE: Final = timedelta(minutes=15)
"""Of a count: later more or less may be meant than the moderator has seen."""
MAX_RUNNING: Final = 3
"""Of one server."""


class Sweeping:
    """The command and its buttons. now: an aware time."""

    def __init__(
        self,
        store: Store,
        search: SweepSearch,
        sweeper: Sweeper,
        languages: Languages,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._search = search
        self._sweeper = sweeper
        self._languages = languages
        self._now = now
        self._counting: set[int] = set()

    def commands(self) -> list[ModCommand]:
        """For the group."""
        described = locale_str("Find past results and delete them; counts first and asks")
        return [mod_command(locale_str("sweep"), described, self.sweep)]

    @app_commands.rename(
        user=locale_str("user"),
        term=locale_str("term"),
        like=locale_str("like"),
        rejected=locale_str("rejected"),
        since=locale_str("since"),
        until=locale_str("until"),
    )
    @app_commands.describe(
        user=locale_str("Only what this member asked for"),
        term=locale_str("Only prompts with this word, phrase or /pattern/, in any spelling"),
        like=locale_str("Only pictures like those of this job, which are still kept"),
        rejected=locale_str("Only pictures like those that moderators rejected"),
        since=locale_str("Only what is this old or newer, as in 12h or 7d"),
        until=locale_str("Only what is older than this, as in 1h or 2d"),
    )
    async def sweep(
        self,
        interaction: discord.Interaction,
        user: discord.User | None = None,
        term: Range[str, 1, MAX_RULE_CHARACTERS] | None = None,
        like: Range[str, 1, 100] | None = None,
        rejected: bool = False,
        since: str | None = None,
        until: str | None = None,
    ) -> None:
        """Counts what is meant and shows examples to whoever asks alone, with a button that deletes all of it."""
        guild_id, now = guild_of(interaction), self._now()
        if guild_id in self._counting:
            raise NotAdmittedError("Another sweep of this server is being counted. Wait a minute.")
        criteria = SweepCriteria(
            user_id=None if user is None else user.id,
            term=term,
            hashes=() if like is None else await self._hashes(guild_id, like),
            is_blocked=rejected,
            since=None if since is None else now - parse_span(since),
            until=None if until is None else now - parse_span(until),
        )
        await think(interaction)
        self._counting.add(guild_id)
        try:
            found = await self._search.dry_run(guild_id, criteria, now)
        finally:
            self._counting.discard(guild_id)
        language = self._languages.of(str(interaction.locale))
        text = dry_run_text(criteria, found, language)
        if not found.num_jobs:
            await answer_alone(interaction, text)
            return
        sweep = NewSweep(
            guild_id=guild_id,
            actor_id=interaction.user.id,
            locale=str(interaction.locale),
            criteria=criteria,
            num_found=found.num_jobs,
        )
        async with asyncio.timeout(STORE_TIMEOUT_S):
            await self._store.sweeps.add(sweep, now)
        confirm, danger = CustomId(Action.SWEEP_RUN, sweep.id), discord.ButtonStyle.danger
        await answer_alone(
            interaction, text, view=make_view([make_button(language.text("Delete all"), confirm, style=danger)])
        )

    async def press_run(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Begins to delete what was counted. Raises NotAdmittedError and JobEndedError."""
        sweep = await self._find(interaction, pressed)
        if sweep.state is SweepState.ASKED and self._now() > sweep.asked_at + MAX_AGE:
            raise JobEndedError("This was counted too long ago: use /mod sweep again.")
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                if await self._store.sweeps.num_running(sweep.guild_id) >= MAX_RUNNING:
                    raise NotAdmittedError(
                        "{count} sweeps of this server are running: wait for one of them to end.", count=MAX_RUNNING
                    )
                record = self._record(interaction, sweep, AuditAction.SWEEP_STARTED)
                is_first = await self._store.sweeps.move(sweep.id, SweepState.ASKED, SweepState.RUNNING, record)
        except TimeoutError as error:
            raise StoreError("The sweep could not be started in time.") from error
        if not is_first:
            raise JobEndedError("This sweep was started already.")
        language = self._languages.of(str(interaction.locale))
        stop = make_button(language.text("Stop"), CustomId(Action.SWEEP_STOP, sweep.id))
        await answer_in_place(interaction, progress_text(sweep, language), make_view([stop]))
        self._sweeper.begin(sweep.id, ProgressNote(interaction))

    async def press_stop(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Stops it; what is deleted stays deleted. Raises JobEndedError."""
        sweep = await self._find(interaction, pressed)
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                record = self._record(interaction, sweep, AuditAction.SWEEP_STOPPED)
                is_first = await self._store.sweeps.move(sweep.id, SweepState.RUNNING, SweepState.CANCELLED, record)
        except TimeoutError as error:
            raise StoreError("The sweep could not be stopped in time.") from error
        if not is_first:
            raise JobEndedError("This sweep is not running any more.")
        language = self._languages.of(str(interaction.locale))
        await answer_in_place(interaction, language.text("Stopping."))

    async def _find(self, interaction: discord.Interaction[Any], pressed: CustomId) -> SweepRecord:
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                sweep = await self._store.sweeps.get(pressed.job_id)
        except TimeoutError as error:
            raise StoreError("The sweep could not be read in time.") from error
        if sweep is None or sweep.guild_id != guild_of(interaction):
            raise JobEndedError("This sweep is not known.")
        return sweep

    async def _hashes(self, guild_id: int, like: str) -> tuple[PictureHash, ...]:
        job = await self._store.jobs.get(parse_job(like))
        if job is None or job.guild_id != guild_id:
            raise JobEndedError("This job is not known any more.")
        hashes = await self._search.hashes_of(job)
        if not hashes:
            raise InvalidParameterError("That job has no pictures on disk that could be compared.")
        return tuple(hashes)

    def _record(self, interaction: discord.Interaction[Any], sweep: SweepRecord, action: AuditAction) -> AuditRecord:
        criteria = sweep.criteria.to_json() | {"hashes": len(sweep.criteria.hashes)}
        return AuditRecord(
            guild_id=sweep.guild_id,
            action=action,
            actor_id=interaction.user.id,
            user_id=sweep.criteria.user_id,
            details={"sweep": sweep.id, "found": sweep.num_found, "criteria": criteria},
        )
