"""The sandbox's guild, as the client of a stage knows it."""

import asyncio

import discord

from tests.conftest import TIMEOUT_S, Stage


async def guild_of(stage: Stage) -> discord.Guild:
    """Waits until the client has heard of it."""
    await asyncio.wait_for(stage.app.bot.wait_until_ready(), TIMEOUT_S)
    (guild,) = stage.app.bot.guilds
    return guild
