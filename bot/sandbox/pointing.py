"""Points discord.py at a sandbox. Used in the process of the client, wherever the sandbox runs."""

from collections.abc import Iterator
from contextlib import contextmanager

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.sandbox.rest import API_ROOT
from bot.sandbox.server import CDN_ROOT, GATEWAY_PATH


@contextmanager
def discord_at(address: str) -> Iterator[None]:
    """Inside, every client of discord.py in this process talks to the sandbox at `address`, http://127.0.0.1:PORT."""
    kept = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, discord.Asset.BASE
    Route.BASE = address + API_ROOT
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(address.replace("http", "ws", 1) + GATEWAY_PATH)
    discord.Asset.BASE = address + CDN_ROOT
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, discord.Asset.BASE = kept
