"""Guilds beside the sandbox's first one: the client is told of them, and commands come from their channels."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.sandbox.finality import Patience
from bot.sandbox.happenings import Happening
from bot.sandbox.hosting import Handshake, serve
from bot.sandbox.lines import Slash
from bot.sandbox.objects import guild_create_json
from bot.sandbox.pointing import discord_at
from bot.sandbox.server import SandboxServer
from tests.sandbox.tiny_bot import TinyBot


@pytest.fixture
async def server() -> AsyncIterator[SandboxServer]:
    """On the test's own loop, so that a test may look inside."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()

    def on_ready(_: Handshake, server: SandboxServer) -> None:
        ready.set_result(server)

    serving = asyncio.create_task(serve(0, None, Patience(), stop, on_ready))
    yield await ready
    stop.set()
    await serving


async def test_a_command_from_another_guild(server: SandboxServer) -> None:
    first, second = server.world.found_guild("Club", ["lobby", "attic"])
    guild_id = server.world.guild_of(second)
    assert server.world.guild_of(first) == guild_id != server.world.guild_id
    seen: list[Happening] = []
    server.board.listen(seen.append)
    with discord_at(server.address):
        async with TinyBot() as bot:
            connection = asyncio.create_task(bot.start(server.token))
            try:
                assert all((await server.wait_until_connected(10.0)).values())
                async with asyncio.timeout(10.0):
                    await bot.wait_until_ready()
                assert {guild.name for guild in bot.guilds} == {"Sandbox", "Club"}
                (club,) = (guild for guild in bot.guilds if guild.name == "Club")
                assert [channel.name for channel in club.channels] == ["lobby", "attic"]
                assert [role.id for role in club.roles] == [club.id]
                member = server.world.member_named("ann")
                interaction = server.actions.begin(Slash("echo text:hello"), member, second, None)
                server.desk.deliver(interaction)
                async with asyncio.timeout(10.0):
                    while not seen:  # noqa: ASYNC110 - a listener is all there is
                        await asyncio.sleep(0.01)
            finally:
                await bot.close()
                connection.cancel()
                await asyncio.gather(connection, return_exceptions=True)
    message = seen[0].message
    assert message is not None
    assert (message.content, message.channel_id) == ("hello (plain, None)", second.id)
    assert message.origin is not None
    assert message.origin.metadata["authorizing_integration_owners"] == {"0": guild_id}
    assert not server.desk.is_dead(interaction.id)
    assert server.desk.is_dead("1")


async def test_a_guild_has_its_own_channels(server: SandboxServer) -> None:
    world = server.world
    world.found_guild("Club", ["lobby"])
    assert set(guild_create_json(world, world.guild_id)) == set(guild_create_json(world, max(world.guilds)))
    assert [channel["name"] for channel in guild_create_json(world, max(world.guilds))["channels"]] == ["lobby"]
    assert "lobby" not in {channel["name"] for channel in guild_create_json(world, world.guild_id)["channels"]}
