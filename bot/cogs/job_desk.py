"""The one way from an interaction to a delivery. Used by every command and button that makes a job; event loop.

The order is the contract: check the bot's permissions, the guild's settings and the limits, the rules for prompts,
commit the jobs to the store, submit them, answer with a real message for each (acknowledging.py). Everything after
that is the delivery's. Each wait before the answer is short, so that the sum stays well below Discord's 3 seconds; what
fails before it is raised, for the one sentence that its user gets.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Final

import aiohttp
import discord

from bot.catalogues import Languages
from bot.cogs.acknowledging import STORE_TIMEOUT_S, Acknowledging, Held, Look, Submitted
from bot.cogs.admission import Admission
from bot.cogs.authority import role_ids
from bot.cogs.delivery import Deliveries
from bot.cogs.edit_window import check_wait, is_short_lived
from bot.cogs.elsewhere import check_elsewhere, is_shown_alone
from bot.cogs.image_gate import ImageGate
from bot.cogs.origin import origin_text
from bot.cogs.permissions import check_app_permissions
from bot.cogs.picture_check import PictureCheck
from bot.cogs.previews import preview_interval_s
from bot.cogs.prompt_check import PromptCheck, review_details, to_review
from bot.cogs.updates import submit_job
from bot.errors import JobError, NotAdmittedError, RequestError, StoreError, WaitTooLongError
from bot.executor.base import Executor
from bot.guild_settings import GuildSettings
from bot.language import Text
from bot.moderation.cases import CaseKind
from bot.moderation.places import Places
from bot.moderation.prompt_rules import Verdict
from bot.requests import GenerationRequest, Queued
from bot.shards import Shards
from bot.store import CaseRecord, JobKind, JobRecord, JobState, JobStore, NewCase, NewJob

WARN_TIMEOUT_S: Final = 10.0

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
        admission: Admission,
        prompts: PromptCheck,
        gate: ImageGate,
        review: PictureCheck,
        places: Places,
        shards: Shards,
        languages: Languages,
    ) -> None:
        self._store = store
        self._shards = shards
        self._executor = executor
        self._deliveries = deliveries
        self._admission = admission
        self._prompts = prompts
        self._gate = gate
        self._review = review
        self._places = places
        self._languages = languages
        self._acknowledging = Acknowledging(
            client, store=store, executor=executor, deliveries=deliveries, languages=languages
        )

    async def check(self, interaction: discord.Interaction, *requests: GenerationRequest) -> None:
        """Raises what `accept` would refuse these with now; it stores nothing and keeps no place."""
        self._check_where(interaction, len(requests))
        check_app_permissions(interaction)
        async with self._admission.admitted(interaction, requests) as admitted:
            screened = await self._prompts.screen(interaction, requests)
            to_review(screened, admitted.settings, is_trusted=_is_trusted(interaction, admitted.settings))
            await self._executor.check_room(str(interaction.user.id), len(requests), guild=_guild(interaction))

    async def accept(
        self,
        interaction: discord.Interaction,
        *requests: GenerationRequest,
        kind: JobKind = "imagine",
        parent: JobRecord | None = None,
        parent_rank: int | None = None,
        is_private: bool = False,
    ) -> None:
        """Makes each request a job of the interaction's user, in its channel: the first one's message answers the
        interaction, the others' follow it. Either all become jobs or none.

        kind: as NewJob has it. parent, parent_rank: the job, and which of its pictures, that these come from; their
        messages name them. is_private: for the user's eyes alone.
        The guild's settings add to the requests what they don't say, and make less of what is too much.

        Raises MissingPermissionError, NotAdmittedError, StoreError, QueueFullError, UserLimitError, WaitTooLongError or
        ExecutorClosedError, and what Discord refuses a message with; then there is no job, or it is failed in the
        store.
        """
        self._check_where(interaction, len(requests))
        channel_id = check_app_permissions(interaction)
        is_private = is_private or is_shown_alone(interaction)
        short_lived = is_short_lived(interaction, is_private=is_private)
        with self._deliveries.accepting(*(request.job_id for request in requests)):
            async with self._admission.admitted(interaction, requests) as admitted:
                settings = admitted.settings
                is_trusted = _is_trusted(interaction, settings)
                screened = await self._prompts.screen(interaction, requests)
                held = to_review(screened, settings, is_trusted=is_trusted)
                rules = self._gate.rules(settings, is_trusted=is_trusted)
                are_kept_from_sight = await self._gate.keeps_from_sight(interaction.guild_id, rules)
                requests = tuple(
                    replace(
                        request,
                        preview_interval_s=preview_interval_s(
                            settings, request.num_images, are_kept_from_sight=are_kept_from_sight
                        ),
                        labels=self._gate.labels(rules),
                    )
                    for request in admitted.requests
                )
                locale = str(interaction.locale) if is_private else settings.language or str(interaction.locale)
                num_jobs = len(requests) - len(held)
                await self._executor.check_room(str(interaction.user.id), num_jobs, guild=_guild(interaction))
                new_cases = await self._new_cases(interaction, requests, held, settings)
                await self._commit(
                    [
                        NewJob(
                            id=request.job_id,
                            prompt=request.prompt,
                            negative_prompt=request.negative_prompt,
                            num_images=request.num_images,
                            seed=request.seed,
                            **asdict(request.sampling),
                            user_id=interaction.user.id,
                            guild_id=interaction.guild_id,
                            channel_id=channel_id,
                            interaction_id=interaction.id,
                            interaction_part=part,
                            locale=locale,
                            kind=kind,
                            parent_id=None if parent is None else parent.id,
                            parent_rank=parent_rank,
                            image_tokens=request.image_tokens,
                            model=request.codes_of,
                            is_private=is_private,
                            is_short_lived=short_lived,
                            weight=request.weight,
                            is_trusted=is_trusted,
                            answer_token=interaction.token,
                        )
                        for part, request in enumerate(requests)
                    ],
                    num_to_draw=num_jobs,
                )
            look = Look(
                language=self._languages.of(locale),
                is_private=is_private,
                is_short_lived=short_lived,
                result_format=settings.result_format,
                origin=None if parent is None else origin_text(kind, parent, parent_rank),
                image_rules=rules,
            )
            try:
                cases = await self._open_cases(new_cases)
                submitted = await self._submit([r for r in requests if r.job_id not in cases], look)
            except Exception as error:
                self._reject(interaction, requests, error)
                raise
            accepted = {job.request.job_id: job for job in submitted}
            jobs = [accepted.get(r.job_id) or Held(r, cases[r.job_id]) for r in requests]
            await self._acknowledging.acknowledge_all(interaction, channel_id, jobs, look)
        if cases:
            self._review.opened()
        if screened.warned is not None:
            await self._warn(interaction, await self._prompts.note_warning(interaction, screened.warned))

    def _check_where(self, interaction: discord.Interaction, num_jobs: int) -> None:
        """Raises NotAdmittedError where the bot makes no jobs, and where another process would take them for its own:
        of a server without the bot nobody knows for certain which process Discord tells."""
        check_elsewhere(interaction, self._places, num_jobs)
        if not self._shards.serves(interaction.guild_id):
            raise NotAdmittedError("I can't draw in this server. Ask in one that I am a member of.")

    async def _new_cases(
        self,
        interaction: discord.Interaction,
        requests: Sequence[GenerationRequest],
        held: Mapping[int, Verdict],
        settings: GuildSettings,
    ) -> list[NewCase]:
        """For the prompts that moderators should see first. Raises JobFailedError if too many wait, and StoreError."""
        if not held or interaction.guild_id is None:
            return []
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                return [
                    await self._review.new_case(
                        CaseKind.HELD_PROMPT,
                        interaction.guild_id,
                        interaction.user.id,
                        requests[number].job_id,
                        settings,
                        review_details(verdict, requests[number]),
                    )
                    for number, verdict in held.items()
                ]
        except TimeoutError as error:
            raise StoreError("Whether a review is possible could not be found out in time.") from error

    async def _open_cases(self, new_cases: Sequence[NewCase]) -> dict[str, CaseRecord]:
        """By job id. Before anything is answered: a prompt that should be held is never taken for one that may be
        drawn, wherever the bot stops."""
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                return {case.job_id: await self._review.open_case(case) for case in new_cases}
        except TimeoutError as error:
            raise StoreError("The case could not be stored in time. Try again in a minute.") from error

    async def _warn(self, interaction: discord.Interaction, warning: Text) -> None:
        """Tells whoever asked, and nobody else."""
        sentence = self._languages.of(str(interaction.locale)).tell(warning)
        try:
            async with asyncio.timeout(WARN_TIMEOUT_S):
                await interaction.followup.send(
                    sentence, ephemeral=True, allowed_mentions=discord.AllowedMentions.none()
                )
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.info("user %d could not be warned: %s", interaction.user.id, str(error) or type(error).__name__)

    async def _commit(self, jobs: Sequence[NewJob], *, num_to_draw: int) -> None:
        def check(num_drawn: int) -> None:
            if num_to_draw:
                self._executor.check_user(num_drawn, num_to_draw)

        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await self._store.create(*jobs, check=check)
        except TimeoutError as error:
            raise StoreError("The job could not be stored in time. Try again in a minute.") from error

    def _reject(
        self, interaction: discord.Interaction, requests: Sequence[GenerationRequest], error: Exception
    ) -> None:
        """Ends stored jobs that nobody has an answer about, and will not have."""
        language = self._languages.of(str(interaction.locale))
        if isinstance(error, RequestError | JobError):
            sentence = language.tell(error)
        else:
            sentence = language.text("Something went wrong before it could begin.")
        for request in requests:
            self._deliveries.reject(request.job_id, request.prompt, JobState.FAILED, sentence)

    async def _submit(self, requests: Sequence[GenerationRequest], look: Look) -> list[Submitted]:
        """All or none of them."""
        outcomes = await asyncio.gather(
            *(submit_job(self._executor, request) for request in requests), return_exceptions=True
        )
        submitted = [
            Submitted(request, *outcome)
            for request, outcome in zip(requests, outcomes, strict=True)
            if not isinstance(outcome, BaseException)
        ]
        refusal = next((outcome for outcome in outcomes if isinstance(outcome, BaseException)), None)
        if refusal is None:
            try:
                for job in submitted if look.is_short_lived else ():
                    check_wait(self._expected_end_s(job), is_private=look.is_private)
            except WaitTooLongError as error:
                refusal = error
            else:
                return submitted
        for job in submitted:
            await self._acknowledging.withdraw(job)
        raise refusal

    def _expected_end_s(self, job: Submitted) -> float | None:
        """At the earliest; None while nothing is measured."""
        start_s = job.first.expected_start_s if isinstance(job.first, Queued) else None
        drawing_s = self._executor.drawing_s(job.request)
        return None if drawing_s is None else (start_s or 0.0) + drawing_s


def _guild(interaction: discord.Interaction) -> str | None:
    """As requests name it; None in a direct message."""
    return None if interaction.guild_id is None else str(interaction.guild_id)


def _is_trusted(interaction: discord.Interaction, settings: GuildSettings) -> bool:
    return not role_ids(interaction.user).isdisjoint(settings.trusted_roles)
