"""A client of discord.py that hears interactions and does nothing: what one connection to the gateway costs, without a
bot behind it. Used by bench/scale_gateway.py, on its event loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import discord
from discord import app_commands

from bot.sandbox.pointing import discord_at


class Listener(discord.AutoShardedClient):
    """One shard, with the command that the stand-in's crowd uses. num_expected: of interactions."""

    def __init__(self, num_expected: int) -> None:
        super().__init__(intents=discord.Intents(guilds=True), shard_count=1)
        self._tree = app_commands.CommandTree(self)
        self._num_left = num_expected
        self.heard_all = asyncio.Event()

    async def setup_hook(self) -> None:
        @self._tree.command(name="imagine", description="Heard, and not answered.")
        async def imagine(interaction: discord.Interaction, prompt: str) -> None:
            self._num_left -= 1
            if not self._num_left:
                self.heard_all.set()

        await self._tree.sync()


@contextlib.asynccontextmanager
async def listening(address: str, token: str, num_expected: int) -> AsyncIterator[Listener]:
    """Connects to the stand-in at `address`, http://127.0.0.1:PORT, inside the block."""
    with discord_at(address):
        async with Listener(num_expected) as listener:
            connection = asyncio.create_task(listener.start(token), name="gateway shard")
            try:
                yield listener
            finally:
                connection.cancel()
                await asyncio.gather(connection, return_exceptions=True)
