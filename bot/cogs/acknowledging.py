"""Answers an interaction with a real message for each of its accepted jobs, whose delivery starts with it. Used by the
job desk, once the jobs are stored and submitted; event loop.

A job whose message Discord did not take is withdrawn and failed. Where nobody knows whether it took it, the message is
looked for and told.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import discord

from bot.catalogues import Languages
from bot.cogs.delivery import Deliveries
from bot.cogs.follower import AcceptedJob
from bot.cogs.job_answer import UnconfirmedAnswer, UnconfirmedError, send_job_message
from bot.cogs.job_message import JobMessage
from bot.cogs.private_message import PrivateMessage
from bot.cogs.updates import UpdateReader
from bot.errors import StoreError
from bot.executor.base import EngineState, Executor
from bot.guild_settings import ResultFormat
from bot.image_rule import ImageRule
from bot.language import Language, Text
from bot.render import render_update, render_waiting
from bot.requests import GenerationRequest, Update
from bot.store import CaseRecord, JobState, JobStore
from bot.views.job_control import view_of

STORE_TIMEOUT_S: Final = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that the executor has, with its updates and the first of them."""

    request: GenerationRequest
    updates: UpdateReader
    first: Update


@dataclass(frozen=True, slots=True)
class Held:
    """A job that isn't drawn before moderators have seen its prompt."""

    request: GenerationRequest
    case: CaseRecord


@dataclass(frozen=True, slots=True)
class Look:
    """What the messages of an interaction's jobs have in common.

    is_short_lived: they must be done while their answer can be edited.
    """

    language: Language
    is_private: bool
    is_short_lived: bool
    result_format: ResultFormat
    origin: Text | None
    image_rules: tuple[ImageRule, ...]


class Acknowledging:
    """The messages of accepted jobs."""

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

    async def acknowledge_all(
        self,
        interaction: discord.Interaction,
        channel_id: int,
        jobs: Sequence[Submitted | Held],
        look: Look,
    ) -> None:
        """A message for each job, whose delivery starts with it. What went wrong with one is raised at the end."""
        refusal: Exception | None = None
        is_answered = interaction.response.is_done()
        for job in jobs:
            if refusal is not None and not is_answered:
                await self._reject_unanswered(interaction, channel_id, job)
                continue
            try:
                await self._acknowledge(interaction, channel_id, job, look, is_follow_up=is_answered)
                is_answered = True
            except Exception as error:
                refusal = error
                is_uncertain = isinstance(error, UnconfirmedError)
                await self._reject_unanswered(interaction, channel_id, job, is_uncertain=is_uncertain)
        if refusal is not None:
            raise refusal

    async def _reject_unanswered(
        self,
        interaction: discord.Interaction,
        channel_id: int,
        job: Submitted | Held,
        *,
        is_uncertain: bool = False,
    ) -> None:
        """is_uncertain: its message may be there all the same, and is then told."""
        if isinstance(job, Submitted):
            await self.withdraw(job)
        language = self._languages.of(str(interaction.locale))
        sentence = language.text("Discord did not take the answer to the command.")
        message = None
        if is_uncertain:
            unknown = self._client.get_partial_messageable(channel_id).get_partial_message(interaction.id)
            message = UnconfirmedAnswer(unknown, job.request.job_id, language, interaction=interaction)
        self._deliveries.reject(job.request.job_id, job.request.prompt, JobState.FAILED, sentence, message=message)

    async def _acknowledge(
        self,
        interaction: discord.Interaction,
        channel_id: int,
        job: Submitted | Held,
        look: Look,
        *,
        is_follow_up: bool,
    ) -> None:
        request = job.request
        language = look.language
        if isinstance(job, Held):
            number, user_id = job.case.number, interaction.user.id
            rendered = render_waiting(number, language=language, user_id=user_id, prompt=None)
        else:
            loading = self._executor.status.state is EngineState.LOADING
            rendered = render_update(request, job.first, language=language, loading=loading)
        view = view_of(rendered.controls, request.job_id, language)
        message_id = await send_job_message(
            interaction,
            request.job_id,
            rendered.content,
            view,
            is_private=look.is_private,
            is_follow_up=is_follow_up,
        )
        if isinstance(job, Held):
            await self._deliveries.hold(request.job_id, (channel_id, message_id), STORE_TIMEOUT_S)
            return
        stored = JobState.RECEIVED
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await self._store.acknowledge(request.job_id, channel_id, message_id)
                stored = JobState.ACKNOWLEDGED
        except (StoreError, TimeoutError) as error:
            # Its delivery tries again; after a stop before that, Discord is asked for the message.
            reason = str(error) or type(error).__name__
            _log.error("job %s: the message id could not be stored yet: %s", request.job_id, reason)
        discord_message = self._client.get_partial_messageable(channel_id).get_partial_message(message_id)
        make_message: Callable[..., JobMessage] = JobMessage
        if look.is_short_lived:
            make_message = partial(PrivateMessage, self._client, interaction.user.id)
        message = make_message(
            discord_message,
            request.job_id,
            language,
            interaction=interaction,
            is_follow_up=is_follow_up,
            shown=rendered,
        )
        accepted = AcceptedJob(
            request=request,
            user_id=interaction.user.id,
            message=message,
            updates=job.updates,
            first=job.first,
            language=language,
            stored=stored,
            max_bytes=interaction.filesize_limit,
            origin=look.origin,
            result_format=look.result_format,
            guild_id=interaction.guild_id,
            image_rules=look.image_rules,
        )
        self._deliveries.start(accepted)

    async def withdraw(self, job: Submitted) -> None:
        """Takes it back from the executor."""
        await self._executor.cancel(job.request.job_id)
        await job.updates.aclose()
