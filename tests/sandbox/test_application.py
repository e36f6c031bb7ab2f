"""What the stand-in says of the application itself, on the wire: the bot's guilds and the time."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import discord

from bot.sandbox import Sandbox
from tests.discord_description import check_answers


async def test_the_bots_guilds_come_in_pages_with_its_permissions(sandbox: Sandbox) -> None:
    headers = {"Authorization": f"Bot {sandbox.token}"}

    async def page(after: str) -> list[dict[str, Any]]:
        query = {"limit": "1", "after": after}
        async with session.get("users/@me/guilds", params=query) as response:
            guilds: list[dict[str, Any]] = await response.json()
            return guilds

    async with aiohttp.ClientSession(f"{sandbox.address}/api/v10/", headers=headers) as session:
        (guild,) = await page("0")
        assert await page(guild["id"]) == []
    granted = discord.Permissions(int(guild["permissions"]))
    assert granted.attach_files
    assert not granted.manage_guild
    check_answers(sandbox.requests)


async def test_answers_carry_the_sandboxs_time(sandbox: Sandbox) -> None:
    async def moment() -> datetime:
        async with aiohttp.ClientSession() as session, session.get(f"{sandbox.address}/api/v10/gateway") as response:
            return parsedate_to_datetime(response.headers["Date"])

    assert abs((await moment() - datetime.now(UTC)).total_seconds()) < 3
    await sandbox.advance_clock(3600)
    assert 3590 < (await moment() - datetime.now(UTC)).total_seconds() < 3603
