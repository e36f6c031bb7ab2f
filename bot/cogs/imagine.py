"""/imagine and /again: options in, checked requests to the job desk. Called by discord.py."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.cogs.admission import Admission
from bot.cogs.elsewhere import home_guild_id
from bot.cogs.job_desk import JobDesk
from bot.cogs.job_requests import request_of
from bot.cogs.picture_source import check_codes
from bot.cogs.style_book import StyleBook
from bot.cogs.styles import style_choices
from bot.cogs.variant_questions import VariantQuestions
from bot.errors import JobEndedError, StoreError
from bot.executor.base import Executor
from bot.moderation.parameters import check_sampling, num_images
from bot.requests import (
    MAX_IMAGES,
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    SAMPLING_BOUNDS,
    GenerationRequest,
    SamplingOverrides,
    check_prompt,
    new_seed,
)
from bot.store import JobRecord, JobStore, Style
from bot.store.styles import MAX_NAME_CHARACTERS
from bot.variants import expand_all

STORE_TIMEOUT_S: Final = 0.5  # there is more to do within Discord's 3 seconds

NO_OVERRIDES: Final = SamplingOverrides()

_SCALE = SAMPLING_BOUNDS["condition_scale"]
_TOP_K = SAMPLING_BOUNDS["top_k"]
_TOP_P = SAMPLING_BOUNDS["top_p"]
_TEMPERATURE = SAMPLING_BOUNDS["temperature"]

Prompt = Range[str, 1, MAX_PROMPT_CHARACTERS]
Images = Range[int, 1, MAX_IMAGES]
Seed = Range[int, 0, MAX_SEED]
StyleName = Range[str, 1, MAX_NAME_CHARACTERS]
ConditionScale = Range[float, _SCALE.low, _SCALE.high]
TopK = Range[int, int(_TOP_K.low), int(_TOP_K.high)]
TopP = Range[float, _TOP_P.low, _TOP_P.high]
Temperature = Range[float, _TEMPERATURE.low, _TEMPERATURE.high]

_Callback = TypeVar("_Callback", bound=Callable[..., Any])


def _with_options(callback: _Callback) -> _Callback:
    """Names and describes what both commands take."""
    callback = app_commands.rename(
        prompt=locale_str("prompt"),
        images=locale_str("images"),
        style=locale_str("style"),
        negative=locale_str("negative"),
        seed=locale_str("seed"),
        private=locale_str("private"),
    )(callback)
    return app_commands.describe(
        images=locale_str("How many pictures to draw; the best come first"),
        style=locale_str("A style of this server; /style list shows them"),
        negative=locale_str("What the pictures should keep away from"),
        seed=locale_str("The same seed and settings give the same pictures; random if left out"),
        condition_scale=locale_str("How closely to follow the prompt; 1 switches the guidance off"),
        top_k=locale_str("Draw from the k likeliest image tokens only; 0 takes all"),
        top_p=locale_str("Draw from the likeliest image tokens of this total probability; 1 takes all"),
        temperature=locale_str("Below 1 plainer pictures, above 1 wilder ones"),
        private=locale_str("Whether only you can see the pictures"),
    )(callback)


class ImagineCog(commands.Cog):
    """The commands."""

    def __init__(
        self,
        desk: JobDesk,
        *,
        store: JobStore,
        questions: VariantQuestions,
        styles: StyleBook,
        admission: Admission,
        executor: Executor,
    ) -> None:
        self._desk = desk
        self._store = store
        self._questions = questions
        self._styles = styles
        self._admission = admission
        self._executor = executor

    async def suggest_styles(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        """Choices for the option `style`."""
        return await style_choices(self._styles, interaction, typed)

    @app_commands.command(
        name=locale_str("imagine"), description=locale_str("Draw pictures of a prompt, ranked best first")
    )
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.rename(prompt2=locale_str("prompt2"), prompt3=locale_str("prompt3"), prompt4=locale_str("prompt4"))
    @app_commands.describe(
        prompt=locale_str("What the pictures should show, in a few words; {a|b} draws both"),
        prompt2=locale_str("A second prompt, with a message of its own"),
        prompt3=locale_str("A third prompt"),
        prompt4=locale_str("A fourth prompt"),
    )
    @app_commands.autocomplete(style=suggest_styles)
    @_with_options
    async def imagine(
        self,
        interaction: discord.Interaction,
        prompt: Prompt,
        images: Images | None = None,
        style: StyleName | None = None,
        negative: Prompt | None = None,
        prompt2: Prompt | None = None,
        prompt3: Prompt | None = None,
        prompt4: Prompt | None = None,
        seed: Seed | None = None,
        condition_scale: ConditionScale | None = None,
        top_k: TopK | None = None,
        top_p: TopP | None = None,
        temperature: Temperature | None = None,
        private: bool | None = None,
    ) -> None:
        """Accepts a job for each prompt; discord.py calls it."""
        await self.draw(
            interaction,
            [text for text in (prompt, prompt2, prompt3, prompt4) if text is not None],
            images=images,
            style=style,
            negative=negative,
            seed=seed,
            sampling=SamplingOverrides(condition_scale, top_k, top_p, temperature),
            is_private=bool(private),
        )

    async def draw(
        self,
        interaction: discord.Interaction,
        given: Sequence[str],
        *,
        images: int | None = None,
        style: str | None = None,
        negative: str | None = None,
        seed: int | None = None,
        sampling: SamplingOverrides = NO_OVERRIDES,
        is_private: bool = False,
    ) -> None:
        """What /imagine does with its options; `given` are its prompts."""
        prompts = expand_all(given)
        requests = await self._requests(
            interaction,
            prompts,
            images=images,
            style=style,
            negative=negative,
            seed=seed,
            sampling=sampling,
        )

        async def accept(answered: discord.Interaction) -> None:
            await self._desk.accept(answered, *requests, is_private=is_private)

        if len(prompts) > len(given):
            await self._desk.check(interaction, *requests)
            await self._questions.ask(interaction, requests, accept)
        else:
            await accept(interaction)

    @app_commands.command(name=locale_str("again"), description=locale_str("Repeat your last job here, with changes"))
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.describe(prompt=locale_str("Another prompt instead of the last one"))
    @app_commands.autocomplete(style=suggest_styles)
    @_with_options
    async def again(
        self,
        interaction: discord.Interaction,
        prompt: Prompt | None = None,
        images: Images | None = None,
        style: StyleName | None = None,
        negative: Prompt | None = None,
        seed: Seed | None = None,
        condition_scale: ConditionScale | None = None,
        top_k: TopK | None = None,
        top_p: TopP | None = None,
        temperature: Temperature | None = None,
        private: bool | None = None,
    ) -> None:
        """Accepts a job like the user's last one in this guild; discord.py calls it."""
        last = await self._last_job(interaction)
        if prompt is None and last.hidden_at is not None:
            raise JobEndedError(
                "Members have reported your last result, so it can't be repeated. Use /imagine for something else."
            )
        prompts = [last.prompt] if prompt is None else expand_all([prompt])
        requests = await self._requests(
            interaction,
            prompts,
            images=images,
            style=style,
            negative=negative,
            seed=seed,
            sampling=SamplingOverrides(condition_scale, top_k, top_p, temperature),
            last=last,
        )
        is_private = last.is_private if private is None else private

        async def accept(answered: discord.Interaction) -> None:
            await self._desk.accept(answered, *requests, kind="again", parent=last, is_private=is_private)

        if len(prompts) > 1:
            await self._desk.check(interaction, *requests)
            await self._questions.ask(interaction, requests, accept)
        else:
            await accept(interaction)

    async def _requests(
        self,
        interaction: discord.Interaction,
        prompts: Sequence[str],
        *,
        images: int | None,
        style: str | None,
        negative: str | None,
        seed: int | None,
        sampling: SamplingOverrides,
        last: JobRecord | None = None,
    ) -> list[GenerationRequest]:
        """One for each prompt. last: the job that says what they don't.

        Raises InvalidPromptError or InvalidParameterError, StoreError if the guild's settings or a style can't be
        looked up, and JobEndedError if the model is another one now than that of the image tokens.
        """
        settings, chosen = await asyncio.gather(
            self._admission.settings(interaction.guild_id), self._style(home_guild_id(interaction), style)
        )
        check_sampling(settings, sampling)
        last_images = None if last is None else last.num_images
        number = num_images(settings, self._admission.images, given=images, last=last_images)
        if last is not None:
            sampling = sampling.or_else(request_of(last).sampling)
        if negative is None and chosen is not None:
            negative = chosen.negative
        if negative is None and last is not None:
            negative = last.negative_prompt
        requests = [
            GenerationRequest(
                prompt=prompt if chosen is None else chosen.on(check_prompt(prompt)),
                num_images=number,
                seed=new_seed() if seed is None else seed,
                requester=str(interaction.user.id),
                guild=str(interaction.guild_id),
                sampling=sampling,
                negative_prompt=negative,
                image_tokens=() if last is None else last.image_tokens,
                codes_of=None if last is None else request_of(last).codes_of,
            )
            for prompt in prompts
        ]
        for request in requests:
            check_codes(self._executor, request)
        return requests

    async def _style(self, guild_id: int | None, name: str | None) -> Style | None:
        return None if name is None else await self._styles.named(guild_id, name)

    async def _last_job(self, interaction: discord.Interaction) -> JobRecord:
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                jobs = await self._store.latest_of(interaction.user.id, 1, guild_id=interaction.guild_id)
        except TimeoutError as error:
            raise StoreError("The last job could not be read in time.") from error
        if not jobs and interaction.guild_id is None:
            raise JobEndedError("You have asked for nothing yet that could be repeated: use /imagine first.")
        if not jobs:
            raise JobEndedError("You have asked for nothing in this server that could be repeated: use /imagine first.")
        return jobs[0]
