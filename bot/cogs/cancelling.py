"""Ending a job by button: what is too late for it, and the press of the button on the job's message.

Called on the event loop by the presses of controls, which have asked whether the one who pressed may. A job of
another process is cancelled in the store, where that process sees it (cancel_watch.py).
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, assert_never

import discord

from bot.catalogues import Languages
from bot.cogs.delivery import Deliveries
from bot.cogs.job_message import JobMessage
from bot.errors import JobEndedError, StoreError
from bot.render import cancelled_text, render_closed
from bot.store import AuditAction, AuditRecord, AuditStore, JobRecord, JobState, JobStore
from bot.views.custom_id import CustomId

STORE_TIMEOUT_S: Final = 1.0
CANCEL_TIMEOUT_S: Final = 1.0


class Cancelling:
    """Cancels jobs for people. on_withdrawn: called when moderators needn't decide about one any more."""

    def __init__(
        self,
        client: discord.Client,
        *,
        store: JobStore,
        audit: AuditStore,
        deliveries: Deliveries,
        languages: Languages,
        on_withdrawn: Callable[[], None],
    ) -> None:
        self._on_withdrawn = on_withdrawn
        self._client = client
        self._store = store
        self._audit = audit
        self._deliveries = deliveries
        self._languages = languages

    async def press(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """The button on the job's message, which then says who pressed it. Raises as `cancel` does."""
        await self.cancel(interaction, pressed.job_id)
        await interaction.response.defer()

    async def cancel(self, interaction: discord.Interaction[Any], job_id: str) -> JobRecord:
        """Ends a job in the name of the interaction's user and returns its record from before.

        Raises JobEndedError if it is too late or there is no such job, ExecutorClosedError if the bot is closing,
        StoreError.
        """
        job = await self._load(job_id)
        _check_unfinished(job)
        async with asyncio.timeout(CANCEL_TIMEOUT_S):
            is_under_way = await self._deliveries.cancel(job_id, interaction.user.id)
        if not is_under_way:
            with self._deliveries.moving(job_id):
                await self._cancel_in_store(job, interaction.user.id)
        if job.state is JobState.IN_REVIEW:
            self._on_withdrawn()
        if job.guild_id is not None and job.user_id != interaction.user.id:
            await self._record(job, job.guild_id, interaction.user.id)
        return job

    async def _record(self, job: JobRecord, guild_id: int, actor_id: int) -> None:
        record = AuditRecord(
            guild_id=guild_id,
            action=AuditAction.JOB_CANCELLED,
            actor_id=actor_id,
            user_id=job.user_id,
            job_id=job.id,
        )
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await self._audit.add(record)
        except TimeoutError as error:
            raise StoreError(f"That user {actor_id} cancelled job {job.id} could not be recorded in time.") from error

    async def _load(self, job_id: str) -> JobRecord:
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                job = await self._store.get(job_id)
        except TimeoutError as error:
            raise StoreError(f"Job {job_id} could not be read in time.") from error
        if job is None:
            raise JobEndedError("This job is not known any more.")
        return job

    async def _cancel_in_store(self, job: JobRecord, user_id: int) -> None:
        """For a job that waits for another start of the bot, that another process has, or that has just ended."""
        language = self._languages.of(job.locale)
        sentence = language.tell(cancelled_text(user_id))
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await self._store.move(job.id, JobState.CANCELLED, error=sentence)
        except StoreError:
            _check_unfinished(await self._load(job.id))
            raise
        except TimeoutError as error:
            raise StoreError(f"Job {job.id} could not be moved in time.") from error
        # An answer that only its interaction's token reached is out of reach by now.
        if job.message_id is not None and not job.is_short_lived:
            partial = self._client.get_partial_messageable(job.channel_id).get_partial_message(job.message_id)
            message = JobMessage(partial, job.id, language)
            self._deliveries.show(job.id, message, render_closed(shown_prompt(job), sentence))


def shown_prompt(job: JobRecord) -> str | None:
    """A job's prompt; None while moderators have not let others see it: then it has not been drawn either."""
    return None if job.state is JobState.IN_REVIEW and job.result is None else job.prompt


def _check_unfinished(job: JobRecord) -> None:
    """Raises JobEndedError, with what became of it, if a job can't be cancelled any more."""
    match job.state:
        case JobState.RECEIVED | JobState.ACKNOWLEDGED | JobState.QUEUED | JobState.RUNNING | JobState.IN_REVIEW:
            return
        case JobState.DELIVERING:
            raise JobEndedError("It is too late to cancel this job: its pictures are on their way.")
        case JobState.DELIVERED:
            raise JobEndedError("It is too late to cancel this job: its pictures are there.")
        case JobState.CANCELLED:
            raise JobEndedError("This job was cancelled already.")
        case JobState.FAILED | JobState.EXPIRED:
            raise JobEndedError("This job has ended already, without pictures.")
        case never:
            assert_never(never)
