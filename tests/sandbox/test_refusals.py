"""Answers in place of a route's own, and what can happen to the sandbox's guild."""

import discord
import pytest

from bot.sandbox import LineError, Refusal, Sandbox
from bot.sandbox.refusals import Refusals
from tests.sandbox.tiny_bot import TinyBot, picture

GET = "/channels/{channel_id}/messages"


def test_a_refusal_is_used_up() -> None:
    refusals = Refusals()
    refusals.add(Refusal("GET", GET, 500, times=2))
    assert refusals.take("POST", GET, 0) is None
    assert refusals.take("GET", "/gateway", 0) is None
    assert [refusals.take("GET", GET, 0) is not None for _ in range(3)] == [True, True, False]


def test_small_requests_pass() -> None:
    refusals = Refusals()
    refusals.add(Refusal("PATCH", GET, 413, 40005, min_bytes=100))
    assert refusals.take("PATCH", GET, 99) is None
    refusal = refusals.take("PATCH", GET, 100)
    assert refusal is not None
    assert refusal.to_json() == {"message": "refused", "code": 40005}
    assert refusal.headers(0.0) == {}


def test_a_rate_limit_says_when_to_come_again() -> None:
    refusal = Refusal("GET", GET, 429, retry_after_s=2.5)
    assert refusal.to_json()["retry_after"] == 2.5
    headers = refusal.headers(100.0)
    assert (headers["Retry-After"], headers["X-RateLimit-Reset"]) == ("2.5", "102.500")
    assert headers["X-RateLimit-Remaining"] == "0"


async def channel_of(bot: TinyBot, name: str) -> discord.TextChannel:
    (guild,) = bot.guilds
    return next(channel for channel in guild.text_channels if channel.name == name)


async def test_the_library_waits_for_rate_limits(sandbox: Sandbox, bot: TinyBot) -> None:
    channel = await channel_of(bot, "general")
    await sandbox.refuse(Refusal("POST", GET, 429, times=2, retry_after_s=0.01))
    await channel.send("hello")
    sent = [e for e in sandbox.requests if e.path_template == GET]
    assert [e.status for e in sent] == [429, 429, 200]


async def test_other_refusals_reach_the_client(sandbox: Sandbox, bot: TinyBot) -> None:
    channel = await channel_of(bot, "general")
    await sandbox.refuse(Refusal("POST", GET, 403, 50013, "Missing Permissions"))
    with pytest.raises(discord.Forbidden, match="Missing Permissions"):
        await channel.send("hello")
    await channel.send("hello")


async def test_a_channel_that_is_deleted(sandbox: Sandbox, bot: TinyBot) -> None:
    channel = await channel_of(bot, "general")
    message = await channel.send("hello")
    deleted = bot.wait_for("guild_channel_delete", timeout=5)
    await sandbox.happens("channel deleted")
    assert (await deleted).id == channel.id
    with pytest.raises(discord.NotFound, match="Unknown Channel"):
        await message.edit(content="again")
    with pytest.raises(LineError, match="no channel 'general'"):
        await sandbox.play("in general")


async def test_messages_that_are_deleted(sandbox: Sandbox, bot: TinyBot) -> None:
    message = await (await channel_of(bot, "general")).send("hello")
    await sandbox.happens("messages deleted")
    with pytest.raises(discord.NotFound, match="Unknown Message"):
        await message.edit(content="again")


async def test_permissions_that_are_revoked(sandbox: Sandbox, bot: TinyBot) -> None:
    channel = await channel_of(bot, "read-only")
    await sandbox.happens("permission revoked", "read-only", "attach_files")
    await sandbox.happens("permission revoked", "general", "send_messages")
    (guild,) = bot.guilds
    with pytest.raises(discord.Forbidden):
        await channel.send("still not")
    with pytest.raises(discord.Forbidden):
        await (await channel_of(bot, "general")).send("no more")
    assert guild.me is not None


async def test_mishaps_as_a_player_says_them(sandbox: Sandbox, bot: TinyBot) -> None:
    channel = await channel_of(bot, "general")
    said = await sandbox.play("happens permission revoked: attach files")
    assert said[-1].text == "permission revoked: attach files"
    await channel.send("words are allowed")
    with pytest.raises(discord.Forbidden):
        await channel.send(file=picture())
    with pytest.raises(LineError, match="'rain' is no permission that could be revoked: say one as in"):
        await sandbox.play("happens permission revoked: rain")
    with pytest.raises(LineError, match="Say who has left"):
        await sandbox.play("happens member left")
    await sandbox.play("as alice")
    await sandbox.play("say hello")
    (guild,) = bot.guilds
    alice = (await anext(channel.history(limit=1))).author
    assert (await guild.fetch_member(alice.id)).name == "alice"
    await sandbox.play("happens member left: alice")
    with pytest.raises(discord.NotFound):
        await guild.fetch_member(alice.id)


async def test_a_member_who_leaves_and_a_guild_that_goes(sandbox: Sandbox, bot: TinyBot) -> None:
    await sandbox.play("as alice")
    (guild,) = bot.guilds
    ids = [exchange.path for exchange in sandbox.requests]
    assert ids
    await sandbox.happens("member left", "alice")
    removed = bot.wait_for("guild_remove", timeout=5)
    await sandbox.happens("guild deleted")
    assert (await removed).id == guild.id
    assert [guild async for guild in bot.fetch_guilds()] == [], "the doctor asks for these"
    with pytest.raises(discord.NotFound):
        await bot.fetch_guild(guild.id)
    with pytest.raises(LineError, match="'meteor'"):
        await sandbox.happens("meteor")
