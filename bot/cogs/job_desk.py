"""The one way from an interaction to a delivery. Used by every command and button that makes a job; event loop.

The order is the contract: check the bot's permissions, commit the job to the store, submit it, answer with a real
message, store that message's id. Everything after that is the delivery's. Each wait before the answer is short, so that
the sum stays well below Discord's 3 seconds; what fails before it is raised, for the one sentence that its user gets.
"""

import asyncio
import logging
from dataclasses import replace
from typing import Final

import aiohttp
import discord

from bot.catalogues import Languages
from bot.cogs.delivery import Deliveries
from bot.cogs.follower import AcceptedJob
from bot.cogs.job_message import JobMessage
from bot.cogs.origin import origin_text
from bot.cogs.permissions import check_app_permissions
from bot.cogs.previews import preview_interval_s
from bot.cogs.updates import UpdateReader, submit_job
from bot.errors import DalleBotError, StoreError
from bot.executor.base import EngineState, Executor
from bot.language import Text
from bot.render import render_update
from bot.requests import GenerationRequest, Update
from bot.store import JobKind, JobRecord, JobState, JobStore, NewJob
from bot.views.job_control import view_of

STORE_TIMEOUT_S: Final = 1.0
ANSWER_TIMEOUT_S: Final = 10.0

_log = logging.getLogger(__name__)


class JobDesk:
    """Accepts jobs."""

    def __init__(
        self,
        client: discord.Client,
        *,
        store: JobStore,
        executor: Executor,
        deliveries: Deliveries,
        languages: Languages,
    ) -> None:
        self._client = client
        self._store = store
        self._executor = executor
        self._deliveries = deliveries
        self._languages = languages

    async def accept(
        self,
        interaction: discord.Interaction,
        request: GenerationRequest,
        *,
        kind: JobKind = "imagine",
        parent: JobRecord | None = None,
        parent_rank: int | None = None,
    ) -> None:
        """Makes `request` a job of the interaction's user, in its channel, and answers the interaction with it.

        parent, parent_rank: the job, and which of its pictures, that this one comes from; its message names them.
        Raises MissingPermissionError, StoreError, QueueFullError, UserLimitError or ExecutorClosedError, and what
        Discord refuses the answer with; then there is no job, or it is failed in the store.
        """
        channel_id = check_app_permissions(interaction)
        request = replace(request, preview_interval_s=preview_interval_s(interaction.guild_id, request.num_images))
        with self._deliveries.accepting(request.job_id):
            job = _new_job(interaction, channel_id, request, kind, parent, parent_rank)
            await self._commit(job)
            try:
                updates, first = await submit_job(self._executor, request)
            except DalleBotError as error:
                sentence = self._languages.of(str(interaction.locale)).tell(error)
                self._deliveries.reject(request.job_id, request.prompt, JobState.FAILED, sentence)
                raise
            origin = None if parent is None else origin_text(kind, parent, parent_rank)
            await self._acknowledge(interaction, channel_id, request, updates, first, origin)

    async def _commit(self, job: NewJob) -> None:
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await self._store.create(job)
        except TimeoutError as error:
            raise StoreError("The job could not be stored in time. Try again in a minute.") from error

    async def _acknowledge(
        self,
        interaction: discord.Interaction,
        channel_id: int,
        request: GenerationRequest,
        updates: UpdateReader,
        first: Update,
        origin: Text | None,
    ) -> None:
        loading = self._executor.status.state is EngineState.LOADING
        language = self._languages.of(str(interaction.locale))
        rendered = render_update(request, first, language=language, loading=loading)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                response = await interaction.response.send_message(
                    rendered.content,
                    view=view_of(rendered.controls, request.job_id, language) or discord.utils.MISSING,
                    allowed_mentions=discord.AllowedMentions.none(),
                )
        except (discord.HTTPException, aiohttp.ClientError, OSError):
            await self._executor.cancel(request.job_id)
            await updates.aclose()
            sentence = language.text("Discord did not take the answer to the command.")
            self._deliveries.reject(request.job_id, request.prompt, JobState.FAILED, sentence)
            raise
        message_id = response.message_id
        assert message_id is not None, "Discord names the message when a message was the answer"
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await self._store.acknowledge(request.job_id, channel_id, message_id)
        except (StoreError, TimeoutError) as error:
            # The pictures still come; only a restart in between would lose them.
            _log.error("job %s: the message id could not be stored: %s", request.job_id, error)
        message = self._client.get_partial_messageable(channel_id).get_partial_message(message_id)
        job = AcceptedJob(
            request=request,
            user_id=interaction.user.id,
            message=JobMessage(message, request.job_id, language, interaction=interaction, shown=rendered),
            updates=updates,
            first=first,
            language=language,
            stored=JobState.ACKNOWLEDGED,
            max_bytes=interaction.filesize_limit,
            origin=origin,
        )
        self._deliveries.start(job)


def _new_job(
    interaction: discord.Interaction,
    channel_id: int,
    request: GenerationRequest,
    kind: JobKind,
    parent: JobRecord | None,
    parent_rank: int | None,
) -> NewJob:
    sampling = request.sampling
    return NewJob(
        id=request.job_id,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        num_images=request.num_images,
        seed=request.seed,
        condition_scale=sampling.condition_scale,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        temperature=sampling.temperature,
        user_id=interaction.user.id,
        guild_id=interaction.guild_id,
        channel_id=channel_id,
        interaction_id=interaction.id,
        locale=str(interaction.locale),
        kind=kind,
        parent_id=None if parent is None else parent.id,
        parent_rank=parent_rank,
        image_tokens=request.image_tokens,
    )
