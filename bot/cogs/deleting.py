"""Deleting a result: message, pictures and files; the job's record stays, marked. Handlers of presses, event loop.

Every step may be done twice, so two who press together disturb nobody, and a press after a failure goes on from there.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import discord

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone
from bot.cogs.message_removal import MessageRemoval
from bot.cogs.results import STORE_TIMEOUT_S, Results
from bot.errors import StoreError
from bot.pictures import PictureFolder
from bot.store import AuditAction, AuditRecord, CaseRecord, JobRecord, Store
from bot.views.custom_id import Action, CustomId
from bot.views.job_control import make_button, make_view

FILES_TIMEOUT_S: Final = 10.0

_log = logging.getLogger(__name__)


class Deleting:
    """Methods raise as Results does. The presses have asked whether whoever pressed may. on_kept: called for a result
    whose pictures stay for moderators, since its reports are before them."""

    def __init__(
        self,
        *,
        results: Results,
        removal: MessageRemoval,
        store: Store,
        pictures: PictureFolder,
        languages: Languages,
        on_kept: Callable[[CaseRecord], Awaitable[None]],
    ) -> None:
        self._on_kept = on_kept
        self._results = results
        self._removal = removal
        self._store = store
        self._pictures = pictures
        self._languages = languages

    async def ask(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Asks whether it is meant; of what is deleted already it clears the rest."""
        job = await self._results.any_job(interaction, pressed.job_id)
        language = self._languages.of(str(interaction.locale))
        if job.deleted_at is not None:
            await interaction.response.defer(ephemeral=True, thinking=True)
            await answer_alone(interaction, await self._delete(interaction, job))
            return
        question = language.plural(
            "Delete the message and its picture for good?",
            "Delete the message and its {n} pictures for good?",
            job.num_images,
        )
        confirm = CustomId(Action.DELETE_CONFIRMED, job.id)
        button = make_button(language.text("Delete for good"), confirm, style=discord.ButtonStyle.danger)
        await answer_alone(interaction, question, view=make_view([button]))

    async def confirmed(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Deletes, and says so in the place of the question."""
        job = await self._results.any_job(interaction, pressed.job_id)
        await interaction.response.defer()
        await interaction.edit_original_response(content=await self._delete(interaction, job), view=None)

    async def _delete(self, interaction: discord.Interaction[Any], job: JobRecord) -> str:
        """What to say of it."""
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                is_first = await self._store.jobs.delete(job.id, record=_record(job, interaction.user.id))
                # After the mark: whoever decides from now on sees it, and deletes the rest.
                reported = await self._store.cases.open_report(job.id)
                if reported is None:
                    await self._store.images.delete(job.id)
            if reported is None:
                async with asyncio.timeout(FILES_TIMEOUT_S):
                    await asyncio.to_thread(self._pictures.delete, job.id)
        except TimeoutError as error:
            raise StoreError(f"Job {job.id} could not be deleted in time.") from error
        language = self._languages.of(str(interaction.locale))
        is_left = bool(await self._removal.remove(job))
        if reported is not None:
            await self._on_kept(reported)
        if is_left:
            return language.text(
                "The pictures are deleted, but Discord did not let me delete the message. Ask a moderator to do it."
            )
        if is_first:
            _log.info("job %s was deleted by user %d", job.id, interaction.user.id)
        if reported is not None:
            return language.text(
                "Deleted for everybody. Members have reported this result, so moderators keep its pictures until they "
                "have decided."
            )
        if is_first:
            return language.text("Deleted.")
        return language.text("The pictures of this job were deleted.")


def _record(job: JobRecord, user_id: int) -> AuditRecord | None:
    """For the audit, if it is somebody else's."""
    if job.guild_id is None or job.user_id == user_id:
        return None
    return AuditRecord(
        guild_id=job.guild_id,
        action=AuditAction.RESULT_DELETED,
        actor_id=user_id,
        user_id=job.user_id,
        job_id=job.id,
    )
