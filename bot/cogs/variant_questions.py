"""Asks before one prompt becomes many jobs: how many, with two buttons, for the requester alone. Event loop.

A question lives as long as its interaction's token, in memory: after a restart its buttons say that it is too old.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import discord

from bot.catalogues import Languages
from bot.cogs.job_message import TOKEN_LIFE_S
from bot.errors import JobEndedError, RequestError
from bot.language import Language
from bot.message_text import escape_shortened
from bot.requests import GenerationRequest, new_job_id
from bot.views.custom_id import Action, CustomId
from bot.views.job_control import make_button, make_view

MAX_QUESTIONS: Final = 1000
MAX_PROMPT_UNITS: Final = 150
REMOVE_TIMEOUT_S: Final = 10.0

_log = logging.getLogger(__name__)


Accept = Callable[[discord.Interaction], Awaitable[None]]
"""Makes the jobs of a question, with the press of its button as their interaction."""


@dataclass(frozen=True, slots=True)
class _Question:
    interaction: discord.Interaction
    accept: Accept
    asked_s: float


class VariantQuestions:
    """The questions that nobody has answered; the oldest is forgotten from MAX_QUESTIONS on. clock: seconds."""

    def __init__(self, languages: Languages, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._languages = languages
        self._clock = clock
        self._open: dict[str, _Question] = {}

    async def ask(
        self, interaction: discord.Interaction, requests: Sequence[GenerationRequest], accept: Accept
    ) -> None:
        """Answers the interaction with the question; nothing is stored before its button is pressed.

        accept: makes jobs of `requests`; ask only if it would be let in now.
        """
        language = self._languages.of(str(interaction.locale))
        question_id = new_job_id()
        draw = language.text("Draw {count} jobs", count=len(requests))
        buttons = [
            make_button(draw, CustomId(Action.DRAW_VARIANTS, question_id), style=discord.ButtonStyle.primary),
            make_button(language.text("Never mind"), CustomId(Action.FORGET_VARIANTS, question_id)),
        ]
        while len(self._open) >= MAX_QUESTIONS:
            del self._open[next(iter(self._open))]
        self._open[question_id] = _Question(interaction, accept, self._clock())
        await interaction.response.send_message(
            _question_text(requests, language),
            view=make_view(buttons),
            ephemeral=True,
            allowed_mentions=discord.AllowedMentions.none(),
        )

    async def press_draw(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Makes the jobs. Raises as `accept` does, and JobEndedError if the question is no longer open."""
        question = self._take(interaction, pressed)
        try:
            await question.accept(interaction)
        except RequestError:
            # It can be pressed again, when there is room.
            self._open[pressed.job_id] = question
            raise
        try:
            async with asyncio.timeout(REMOVE_TIMEOUT_S):
                await question.interaction.delete_original_response()
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            _log.info("a question that was answered could not be removed: %s", str(error) or type(error).__name__)

    async def press_forget(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Makes none. Raises JobEndedError if the question is no longer open."""
        self._take(interaction, pressed)
        language = self._languages.of(str(interaction.locale))
        await interaction.response.edit_message(content=language.text("Nothing is drawn."), view=None)

    def _take(self, interaction: discord.Interaction[Any], pressed: CustomId) -> _Question:
        """The question, which is nobody else's from now on."""
        question = self._open.get(pressed.job_id)
        if question is None or question.interaction.user.id != interaction.user.id:
            raise JobEndedError("This question was answered already, or it is too old. Use the command again.")
        del self._open[pressed.job_id]
        if self._clock() - question.asked_s > TOKEN_LIFE_S:
            raise JobEndedError("This question was answered already, or it is too old. Use the command again.")
        return question


def _question_text(requests: Sequence[GenerationRequest], language: Language) -> str:
    count = language.text(
        "This makes {jobs} jobs with {images} pictures in all:",
        jobs=len(requests),
        images=sum(request.num_images for request in requests),
    )
    prompts = [f"{n}. {escape_shortened(request.prompt, MAX_PROMPT_UNITS)}" for n, request in enumerate(requests, 1)]
    return "\n".join([count, *prompts])
