"""New jobs from finished ones: drawn again with another seed, or varied from one picture. Handlers of presses.

Whoever presses owns the new job, in the channel of the press; what comes from a private job is private.
"""

from dataclasses import replace
from typing import Any, Final

import discord

from bot.cogs.job_desk import JobDesk
from bot.cogs.job_requests import request_of
from bot.cogs.picture_source import check_codes, check_model
from bot.cogs.results import Results, parse_rank
from bot.errors import UnknownControlError
from bot.executor.base import Executor
from bot.requests import GenerationRequest, new_job_id, new_seed
from bot.store import JobRecord
from bot.views.custom_id import CustomId

# Strength → the quarters of a picture's rows of codes that stay, from the top.
QUARTERS: Final = {"subtle": 3, "medium": 2, "strong": 1}


class Remaking:
    """Methods raise as Results and JobDesk.accept do."""

    def __init__(self, results: Results, desk: JobDesk, executor: Executor) -> None:
        self._results = results
        self._desk = desk
        self._executor = executor

    async def reroll(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """The same prompt and parameters with a new seed. A varied job keeps the tokens that it started from."""
        job = await self._results.job(interaction, pressed.job_id)
        request = self._request(interaction, job)
        check_codes(self._executor, request)
        await self._desk.accept(interaction, request, kind="reroll", parent=job, is_private=job.is_private)

    async def vary(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """New pictures that begin with the rows of one, as many rows as the strength says."""
        rank, _, strength = pressed.argument.partition(".")
        number = parse_rank(rank)
        if strength not in QUARTERS:
            raise UnknownControlError
        result = await self._results.result(interaction, pressed.job_id)
        image = result.image(number)
        num_rows = check_model(self._executor, image.model)
        kept = num_rows * QUARTERS[strength] // 4 * (len(image.tokens) // num_rows)
        tokens = tuple(image.tokens[:kept].tolist())
        request = replace(self._request(interaction, result.job), image_tokens=tokens, codes_of=image.model)
        job = result.job
        await self._desk.accept(
            interaction, request, kind="vary", parent=job, parent_rank=number, is_private=job.is_private
        )

    def _request(self, interaction: discord.Interaction[Any], job: JobRecord) -> GenerationRequest:
        return replace(
            request_of(job),
            seed=new_seed(),
            requester=str(interaction.user.id),
            guild=str(interaction.guild_id),
            job_id=new_job_id(),
        )
