"""/imagine: options in, a checked request to the job desk. Called by discord.py."""

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.cogs.job_desk import JobDesk
from bot.language import Text
from bot.requests import (
    MAX_IMAGES,
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    SAMPLING_BOUNDS,
    GenerationRequest,
    SamplingOverrides,
    check_number,
    new_seed,
)

_SCALE = SAMPLING_BOUNDS["condition_scale"]
_TOP_K = SAMPLING_BOUNDS["top_k"]
_TOP_P = SAMPLING_BOUNDS["top_p"]
_TEMPERATURE = SAMPLING_BOUNDS["temperature"]


class ImagineCog(commands.Cog):
    """The command. default_images, max_images: how many when nobody says, and at most."""

    def __init__(self, desk: JobDesk, *, default_images: int, max_images: int) -> None:
        self._desk = desk
        self._default_images = default_images
        self._max_images = max_images

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
        await self._desk.accept(interaction, request)
