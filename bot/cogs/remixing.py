"""Remix: a form with a result's prompt and main parameters, and the new job that comes of it. Event loop.

The new job is drawn from its text alone, also where the first one was a variation. What comes from a private job is
private.
"""

from dataclasses import replace
from typing import Any, Final

import discord

from bot.catalogues import Languages
from bot.cogs.admission import Admission
from bot.cogs.job_desk import JobDesk
from bot.cogs.job_requests import request_of
from bot.cogs.permissions import check_app_permissions
from bot.cogs.results import Results
from bot.errors import InvalidParameterError
from bot.language import Language, Text
from bot.moderation.parameters import check_sampling, num_images
from bot.requests import (
    MAX_IMAGES,
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    SAMPLING_BOUNDS,
    GenerationRequest,
    SamplingOverrides,
    check_number,
    check_whole,
    new_job_id,
    new_seed,
)
from bot.store import JobRecord
from bot.views.custom_id import Action, CustomId
from bot.views.forms import Field, form_values, make_form

MAX_NUMBER_CHARACTERS: Final = 12

_NUMBER_LABEL: Final = Text("Number of pictures")
_SEED_LABEL: Final = Text("Seed")

_PROMPT, _NEGATIVE, _IMAGES, _SEED, _SCALE = "prompt", "negative", "images", "seed", "condition_scale"


class Remixing:
    """Methods raise as Results and JobDesk.accept do."""

    def __init__(self, results: Results, desk: JobDesk, admission: Admission, languages: Languages) -> None:
        self._results = results
        self._desk = desk
        self._admission = admission
        self._languages = languages

    async def ask(self, interaction: discord.Interaction[Any], message_id: int) -> None:
        """Answers with the form of the result that a message shows, if what it asks for could be delivered."""
        check_app_permissions(interaction)
        job = await self._results.of_message(interaction, message_id)
        settings = await self._admission.settings(interaction.guild_id)
        number = num_images(settings, self._admission.images, given=None, last=job.num_images)
        language = self._languages.of(str(interaction.locale))
        form = make_form(language.text("Remix"), CustomId(Action.REMIX, job.id), _fields(job, number, language))
        await interaction.response.send_modal(form)

    async def submitted(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Makes the job that a submitted form describes. Raises InvalidPromptError or InvalidParameterError too."""
        job = await self._results.job(interaction, pressed.job_id)
        request = _request(interaction, job, form_values(interaction))
        settings = await self._admission.settings(interaction.guild_id)
        num_images(settings, self._admission.images, given=request.num_images, name=_NUMBER_LABEL)
        check_sampling(settings, SamplingOverrides(condition_scale=request.sampling.condition_scale))
        await self._desk.accept(interaction, request, kind="remix", parent=job, is_private=job.is_private)


def _fields(job: JobRecord, number: int, language: Language) -> list[Field]:
    scale = "" if job.condition_scale is None else language.show(job.condition_scale, "g")
    return [
        Field(
            _PROMPT,
            language.text("The prompt"),
            MAX_PROMPT_CHARACTERS,
            value=job.prompt,
            is_required=True,
            is_long=True,
        ),
        Field(
            _NEGATIVE,
            language.text("The negative prompt"),
            MAX_PROMPT_CHARACTERS,
            value=job.negative_prompt or "",
            is_long=True,
        ),
        Field(
            _IMAGES,
            language.tell(_NUMBER_LABEL),
            MAX_NUMBER_CHARACTERS,
            value=str(number),
            is_required=True,
        ),
        Field(
            _SEED,
            language.tell(_SEED_LABEL),
            MAX_NUMBER_CHARACTERS,
            hint=language.text("random; it was {seed}", seed=str(job.seed)),
        ),
        Field(_SCALE, "condition_scale", MAX_NUMBER_CHARACTERS, value=scale, hint=language.text("the model's own")),
    ]


def _request(interaction: discord.Interaction[Any], job: JobRecord, given: dict[str, str]) -> GenerationRequest:
    before = request_of(job)
    bounds = SAMPLING_BOUNDS["condition_scale"]
    scale = given.get(_SCALE) or None
    return replace(
        before,
        prompt=given.get(_PROMPT, ""),
        negative_prompt=given.get(_NEGATIVE) or None,
        num_images=_whole(_NUMBER_LABEL, given.get(_IMAGES, ""), 1, MAX_IMAGES),
        seed=_whole(_SEED_LABEL, given[_SEED], 0, MAX_SEED) if given.get(_SEED) else new_seed(),
        sampling=replace(
            before.sampling,
            condition_scale=None if scale is None else _decimal("condition_scale", scale, bounds.low, bounds.high),
        ),
        image_tokens=(),
        codes_of=None,
        requester=str(interaction.user.id),
        guild=str(interaction.guild_id),
        job_id=new_job_id(),
    )


def _whole(name: Text, text: str, low: int, high: int) -> int:
    value: Any = int(text) if text.isascii() and text.isdecimal() else text
    check_whole(name, value, low, high)
    return int(value)


def _decimal(name: str, text: str, low: float, high: float) -> float:
    """With a point or, as some languages have it, a comma."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        raise InvalidParameterError(
            "{name} must be a number between {low:.10g} and {high:.10g}, not {text:.40}.",
            name=name,
            low=low,
            high=high,
            text=text,
        ) from None
    check_number(name, value, low, high)
    return value
