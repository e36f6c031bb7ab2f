"""Finished jobs for whoever presses a control: what is still there and whether they may see it. Event loop.

What a custom_id claims decides nothing. The store says what there is, and Discord who may look into its channel.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import discord

from bot.cogs.permissions import may_see
from bot.errors import JobEndedError, StoreError, UnknownControlError
from bot.store import FINAL_STATES, JobRecord, JobState, Store, StoredImage

STORE_TIMEOUT_S: Final = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class KeptResult:
    """images: by rank, at least one."""

    job: JobRecord
    images: tuple[StoredImage, ...]

    def image(self, rank: int) -> StoredImage:
        """Raises JobEndedError if there is none of that rank."""
        for image in self.images:
            if image.rank == rank:
                return image
        raise JobEndedError("This job has no picture {rank}.", rank=rank)


class Results:
    """What presses find, within STORE_TIMEOUT_S. Raises JobEndedError, with what became of it, and StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def any_job(self, interaction: discord.Interaction[Any], job_id: str) -> JobRecord:
        """A job that has or had pictures, if the interaction's user may see them."""
        async with _in_time(job_id):
            return await self._any_job(interaction, job_id)

    async def job(self, interaction: discord.Interaction[Any], job_id: str) -> JobRecord:
        """The same, unless they were deleted."""
        async with _in_time(job_id):
            return await self._job(interaction, job_id)

    async def result(self, interaction: discord.Interaction[Any], job_id: str) -> KeptResult:
        """The same with its pictures."""
        async with _in_time(job_id):
            job = await self._job(interaction, job_id)
            images = await self._store.images.of(job_id)
        if not images:
            raise JobEndedError("The pictures of this job are not kept any more.")
        return KeptResult(job, tuple(images))

    async def of_message(self, interaction: discord.Interaction[Any], message_id: int) -> JobRecord:
        """The job whose result a message shows, as `job` gives it. Raises JobEndedError if it shows none."""
        async with _in_time(f"of message {message_id}"):
            job_id = await self._store.jobs.id_of_message(message_id)
            if job_id is None:
                job_id = await self._store.showings.job_of(message_id)
            if job_id is None:
                raise JobEndedError("This message shows no result of mine.")
            return await self._job(interaction, job_id)

    async def _job(self, interaction: discord.Interaction[Any], job_id: str) -> JobRecord:
        job = await self._any_job(interaction, job_id)
        if job.deleted_at is not None:
            raise JobEndedError("The pictures of this job were deleted.")
        if job.hidden_at is not None:
            raise JobEndedError("Members have reported this result: it is hidden until moderators have decided.")
        return job

    async def _any_job(self, interaction: discord.Interaction[Any], job_id: str) -> JobRecord:
        job = await self._store.jobs.get(job_id)
        # Whoever may not see it learns nothing of it.
        if job is None or not (may_see(interaction, job) or await self._is_shown_here(interaction, job)):
            raise JobEndedError("This job is not known any more.")
        if job.state not in FINAL_STATES | {JobState.DELIVERING}:
            raise JobEndedError("This job is not finished yet.")
        if job.state in FINAL_STATES - {JobState.DELIVERED}:
            raise JobEndedError("This job has ended already, without pictures.")
        return job

    async def _is_shown_here(self, interaction: discord.Interaction[Any], job: JobRecord) -> bool:
        """Whether somebody who may see it has shown it in the interaction's channel."""
        if interaction.channel_id is None or interaction.guild_id != job.guild_id:
            return False
        return await self._store.showings.is_shown_in(job.id, interaction.channel_id)


@asynccontextmanager
async def _in_time(job_id: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            yield
    except TimeoutError as error:
        raise StoreError(f"Job {job_id} could not be read in time.") from error


def parse_rank(text: str) -> int:
    """The rank in a custom_id or a select's value. Raises UnknownControlError if it is none."""
    if len(text) != 1 or text not in "123456789":
        raise UnknownControlError
    return int(text)
