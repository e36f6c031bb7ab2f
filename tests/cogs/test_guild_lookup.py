"""Guilds of this process and of others, over a client that is asked by hand."""

from unittest.mock import AsyncMock, MagicMock

import discord
import pytest

from bot.cogs.guild_lookup import MAX_REMEMBERED, REMEMBERED_S, GuildLookup
from bot.shards import Shards

OURS, THEIRS = 3 << 22, 4 << 22


@pytest.fixture
def client() -> MagicMock:
    known = MagicMock(spec=discord.Guild)
    client = MagicMock(spec=discord.Client, fetch_guild=AsyncMock(), known=known)
    client.get_guild.side_effect = lambda guild_id: known if guild_id == OURS else None
    return client


async def test_a_guild_of_this_process_is_known_without_asking(client: MagicMock) -> None:
    guilds = GuildLookup(client, Shards(3, (0, 2)))
    assert await guilds.find(OURS) is client.known
    assert await guilds.find(OURS + (2 << 22)) is None, "the bot isn't there"
    client.fetch_guild.assert_not_awaited()


async def test_another_processes_guild_is_asked_for_now_and_then(client: MagicMock) -> None:
    now_s = 0.0
    guilds = GuildLookup(client, Shards(3, (0,)), clock=lambda: now_s)
    first = await guilds.find(THEIRS)
    assert first is client.fetch_guild.return_value
    assert await guilds.find(THEIRS) is first
    assert client.fetch_guild.await_count == 1
    now_s = REMEMBERED_S
    await guilds.find(THEIRS)
    assert client.fetch_guild.await_count == 2


@pytest.mark.parametrize("kind", [discord.NotFound, discord.Forbidden])
async def test_one_without_the_bot_is_none_and_remembered(client: MagicMock, kind: type[discord.HTTPException]) -> None:
    client.fetch_guild.side_effect = kind(MagicMock(status=404, reason="no"), "no")
    guilds = GuildLookup(client, Shards(3, (0,)))
    assert [await guilds.find(THEIRS) for _ in range(2)] == [None, None]
    assert client.fetch_guild.await_count == 1


async def test_what_is_remembered_is_bounded(client: MagicMock) -> None:
    guilds = GuildLookup(client, Shards(3, (0,)))
    for number in range(MAX_REMEMBERED + 5):
        await guilds.find((3 * number + 1) << 22)
    assert len(guilds._fetched) == MAX_REMEMBERED
