"""/imagine: a prompt in, a job accepted and acknowledged within Discord's 3 seconds. Called by discord.py.

The order is the contract: check the request and the bot's permissions, commit the job to the store, submit it, answer
with a real message, store that message's id. Everything after that is the delivery's. Each wait before the answer is
short, so that the sum stays well below 3 s; whatever fails before it is answered with one sentence for the user alone.
"""

import asyncio
import logging
from typing import Final

import aiohttp
import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.catalogues import Languages
from bot.cogs.delivery import AcceptedJob, Deliveries
from bot.cogs.job_message import JobMessage
from bot.cogs.permissions import check_app_permissions
from bot.cogs.resume import resume_jobs
from bot.cogs.updates import UpdateReader, submit_job
from bot.errors import DalleBotError, StoreError
from bot.executor.base import EngineState, Executor
from bot.language import Text
from bot.render import render_update
from bot.requests import (
    MAX_IMAGES,
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    SAMPLING_BOUNDS,
    GenerationRequest,
    SamplingOverrides,
    Update,
    check_number,
    new_seed,
)
from bot.store import JobState, JobStore, NewJob

STORE_TIMEOUT_S: Final = 1.0
ANSWER_TIMEOUT_S: Final = 10.0

_SCALE = SAMPLING_BOUNDS["condition_scale"]
_TOP_K = SAMPLING_BOUNDS["top_k"]
_TOP_P = SAMPLING_BOUNDS["top_p"]
_TEMPERATURE = SAMPLING_BOUNDS["temperature"]

_log = logging.getLogger(__name__)


class ImagineCog(commands.Cog):
    """The command. default_images, max_images: how many when nobody says, and at most."""

    def __init__(
        self,
        bot: commands.AutoShardedBot,
        *,
        store: JobStore,
        executor: Executor,
        deliveries: Deliveries,
        languages: Languages,
        default_images: int,
        max_images: int,
    ) -> None:
        self._bot = bot
        self._store = store
        self._executor = executor
        self._deliveries = deliveries
        self._languages = languages
        self._default_images = default_images
        self._max_images = max_images

    async def cog_load(self) -> None:
        """Takes up the jobs that a previous run left unfinished, before new ones can arrive."""
        await resume_jobs(
            self._bot,
            store=self._store,
            executor=self._executor,
            deliveries=self._deliveries,
            languages=self._languages,
        )

    @app_commands.command(
        name=locale_str("imagine"), description=locale_str("Draw pictures of a prompt, ranked best first")
    )
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.rename(prompt=locale_str("prompt"), images=locale_str("images"), seed=locale_str("seed"))
    @app_commands.describe(
        prompt=locale_str("What the pictures should show, in a few words"),
        images=locale_str("How many pictures to draw; the best come first"),
        seed=locale_str("The same seed and settings give the same pictures; random if left out"),
        condition_scale=locale_str("How closely to follow the prompt; 1 switches the guidance off"),
        top_k=locale_str("Draw from the k likeliest image tokens only; 0 takes all"),
        top_p=locale_str("Draw from the likeliest image tokens of this total probability; 1 takes all"),
        temperature=locale_str("Below 1 plainer pictures, above 1 wilder ones"),
    )
    async def imagine(
        self,
        interaction: discord.Interaction,
        prompt: app_commands.Range[str, 1, MAX_PROMPT_CHARACTERS],
        images: app_commands.Range[int, 1, MAX_IMAGES] | None = None,
        seed: app_commands.Range[int, 0, MAX_SEED] | None = None,
        condition_scale: app_commands.Range[float, _SCALE.low, _SCALE.high] | None = None,
        top_k: app_commands.Range[int, int(_TOP_K.low), int(_TOP_K.high)] | None = None,
        top_p: app_commands.Range[float, _TOP_P.low, _TOP_P.high] | None = None,
        temperature: app_commands.Range[float, _TEMPERATURE.low, _TEMPERATURE.high] | None = None,
    ) -> None:
        """Accepts a job; discord.py calls it."""
        num_images = self._default_images if images is None else images
        check_number(Text("images"), num_images, 1, self._max_images)
        request = GenerationRequest(
            prompt=prompt,
            num_images=num_images,
            seed=new_seed() if seed is None else seed,
            requester=str(interaction.user.id),
            guild=str(interaction.guild_id),
            sampling=SamplingOverrides(condition_scale, top_k, top_p, temperature),
        )
        channel_id = check_app_permissions(interaction)
        with self._deliveries.accepting():
            await self._commit(interaction, channel_id, request)
            try:
                updates, first = await submit_job(self._executor, request)
            except DalleBotError as error:
                sentence = self._languages.of(str(interaction.locale)).tell(error)
                self._deliveries.reject(request.job_id, request.prompt, JobState.FAILED, sentence)
                raise
            await self._acknowledge(interaction, channel_id, request, updates, first)

    async def _commit(self, interaction: discord.Interaction, channel_id: int, request: GenerationRequest) -> None:
        sampling = request.sampling
        job = NewJob(
            id=request.job_id,
            prompt=request.prompt,
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
        )
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
    ) -> None:
        loading = self._executor.status.state is EngineState.LOADING
        language = self._languages.of(str(interaction.locale))
        content = render_update(request, first, language=language, loading=loading).content
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                mentions = discord.AllowedMentions.none()
                response = await interaction.response.send_message(content, allowed_mentions=mentions)
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
        message = self._bot.get_partial_messageable(channel_id).get_partial_message(message_id)
        job = AcceptedJob(
            request=request,
            user_id=interaction.user.id,
            message=JobMessage(message, interaction=interaction, shown=content),
            updates=updates,
            first=first,
            language=language,
            stored=JobState.ACKNOWLEDGED,
            max_bytes=interaction.filesize_limit,
        )
        self._deliveries.start(job)
