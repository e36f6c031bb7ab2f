"""The gateway's sessions, on raw web sockets and with the unmodified client: resuming, and all that can go wrong."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import discord
import pytest

from bot.sandbox import LineError, Sandbox
from bot.sandbox.clock import Clock
from bot.sandbox.gateway import Gateway
from bot.sandbox.gateway_faults import GatewayFaults
from bot.sandbox.gateway_session import MAX_KEPT_EVENTS, RESUMABLE_S, Session
from bot.sandbox.world import World
from tests.conftest import eventually
from tests.sandbox.tiny_bot import TinyBot, online

Socket = aiohttp.ClientWebSocketResponse


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"{sandbox.address}/") as session:
        yield session


async def greeted(http: aiohttp.ClientSession) -> Socket:
    socket = await http.ws_connect("/gateway?v=10&encoding=json")
    assert (await frame(socket))["op"] == 10
    return socket


async def frame(socket: Socket) -> Any:
    return await socket.receive_json(timeout=5)


async def identified(http: aiohttp.ClientSession, token: str) -> tuple[Socket, str]:
    """A web socket and its session's id."""
    socket = await greeted(http)
    await socket.send_json({"op": 2, "d": {"token": token, "intents": 1, "properties": {}}})
    ready, guild = await frame(socket), await frame(socket)
    assert (ready["t"], guild["t"]) == ("READY", "GUILD_CREATE")
    return socket, ready["d"]["session_id"]


async def resume(http: aiohttp.ClientSession, token: str, session_id: str, sequence: object) -> Socket:
    socket = await greeted(http)
    await socket.send_json({"op": 6, "d": {"token": token, "session_id": session_id, "seq": sequence}})
    return socket


async def close_code(socket: Socket) -> int | None:
    while (await socket.receive(5)).type is aiohttp.WSMsgType.TEXT:
        pass
    return socket.close_code


def test_a_session_keeps_what_was_missed() -> None:
    session = Session(1, (0, 1))
    heard: list[int] = []
    session.write = lambda event: heard.append(event["s"])
    session.dispatch("A", {})
    session.leave(10.0)
    for _ in range(MAX_KEPT_EVENTS):
        session.dispatch("B", {})
    assert heard == [1]
    missed = session.missed_since(1)
    assert missed is not None
    assert [event["s"] for event in missed] == list(range(2, MAX_KEPT_EVENTS + 2))
    assert session.missed_since(0) is None
    assert session.missed_since(session.sequence) == []
    assert not session.is_over(10.0 + RESUMABLE_S)
    assert session.is_over(10.1 + RESUMABLE_S)


def test_one_identify_in_five_seconds() -> None:
    now_s = 100.0
    faults = GatewayFaults(lambda: now_s)
    assert [faults.refuses_identify() for _ in range(2)] == [False, False]
    faults.is_pace_kept = True
    assert faults.refuses_identify()
    now_s += 5
    assert [faults.refuses_identify() for _ in range(2)] == [False, True]
    assert faults.starts_left == 995


async def test_a_resumed_session_gets_what_it_missed(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    socket, session_id = await identified(http, sandbox.token)
    await socket.close(code=4000)
    await sandbox.happens("permission revoked", permission="attach_files")
    again = await resume(http, sandbox.token, session_id, 2)
    missed, resumed = await frame(again), await frame(again)
    assert [(event["t"], event["s"]) for event in (missed, resumed)] == [("CHANNEL_UPDATE", 3), ("RESUMED", 4)]
    await sandbox.happens("permission revoked", permission="embed_links")
    assert (await frame(again))["s"] == 5
    await again.close()


@pytest.mark.parametrize("code", [1000, 1001])
async def test_who_says_goodbye_has_no_session(sandbox: Sandbox, http: aiohttp.ClientSession, code: int) -> None:
    socket, session_id = await identified(http, sandbox.token)
    await socket.close(code=code)
    again = await resume(http, sandbox.token, session_id, 2)
    assert await frame(again) == {"op": 9, "d": False, "s": None, "t": None}
    await again.close()


async def test_sessions_that_can_not_be_resumed(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    socket, session_id = await identified(http, sandbox.token)
    await socket.close(code=4000)
    unknown = await resume(http, sandbox.token, "unknown", 2)
    assert (await frame(unknown))["op"] == 9
    await unknown.close()
    assert await close_code(await resume(http, "wrong", session_id, 2)) == 4004
    assert await close_code(await resume(http, sandbox.token, session_id, 99)) == 4007
    assert await close_code(await resume(http, sandbox.token, session_id, None)) == 4007
    await sandbox.advance_clock(RESUMABLE_S + 1)
    late = await resume(http, sandbox.token, session_id, 2)
    assert (await frame(late))["d"] is False
    await late.close()


async def test_postponed_and_refused(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    socket, session_id = await identified(http, sandbox.token)
    await socket.close(code=4000)
    await sandbox.happens("resume postponed")
    await sandbox.happens("resume refused")
    told = []
    for _ in range(3):
        again = await resume(http, sandbox.token, session_id, 2)
        told.append((await frame(again))["d"])
        await again.close(code=4000)
    assert told == [True, False, False]
    await sandbox.happens("identify refused")
    socket = await greeted(http)
    await socket.send_json({"op": 2, "d": {"token": sandbox.token, "intents": 1, "properties": {}}})
    assert (await frame(socket))["d"] is False
    await socket.close()
    await sandbox.happens("hang-up before the greeting")
    assert await close_code(await http.ws_connect("/gateway?v=10&encoding=json")) == 4000
    await (await greeted(http)).close()


async def test_a_frozen_connection_says_nothing_and_stays_open(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    socket, session_id = await identified(http, sandbox.token)
    await sandbox.happens("connection frozen")
    await socket.send_json({"op": 1, "d": 2})
    await sandbox.happens("permission revoked", permission="attach_files")
    with pytest.raises(TimeoutError):
        await socket.receive_json(timeout=0.2)
    again = await resume(http, sandbox.token, session_id, 2)
    assert [(await frame(again))["t"] for _ in range(2)] == ["CHANNEL_UPDATE", "RESUMED"]
    await socket.close(code=4000)
    await sandbox.happens("permission revoked", permission="embed_links")
    assert (await frame(again))["t"] == "CHANNEL_UPDATE"
    await again.close()


async def test_nobody_knows_what_else_could_happen(sandbox: Sandbox) -> None:
    with pytest.raises(LineError, match="what can is: connection dropped, "):
        await sandbox.happens("rain")


@pytest.fixture
async def autosharded(sandbox: Sandbox) -> AsyncIterator["ShardedBot"]:
    async with online(sandbox, ShardedBot()) as bot:
        assert isinstance(bot, ShardedBot)
        yield bot


class ShardedBot(discord.AutoShardedClient, TinyBot):
    """With the class of connection that the real bot has. events: how it came and went."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True))
        self.events: list[str] = []

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Discord's 5 seconds are the sandbox's only where a test asks for them."""

    async def on_shard_resumed(self, _: int) -> None:
        self.events.append("resumed")

    async def on_shard_ready(self, _: int) -> None:
        self.events.append("ready")


async def echoed(sandbox: Sandbox, bot: TinyBot) -> None:
    """A command is answered."""
    await eventually(lambda: any(not shard.is_closed() for shard in getattr(bot, "shards").values()))  # noqa: B009
    events = await sandbox.play("/echo text:hi", timeout_s=5)
    assert events[1].text == "hi (plain, None)"


async def test_the_library_resumes(sandbox: Sandbox, autosharded: ShardedBot) -> None:
    await eventually(lambda: autosharded.events == ["ready"])
    await sandbox.happens("connection dropped")
    missed = await sandbox.play("/echo text:hi", timeout_s=5)
    assert missed[1].text == "hi (plain, None)", "what was missed is replayed"
    assert autosharded.events == ["ready", "resumed"]


async def test_the_library_identifies_anew(sandbox: Sandbox, autosharded: ShardedBot) -> None:
    await eventually(lambda: autosharded.events == ["ready"])
    await sandbox.happens("session invalidated")
    await eventually(lambda: autosharded.events == ["ready", "ready"])
    await echoed(sandbox, autosharded)


async def test_the_library_notices_that_nothing_comes(sandbox: Sandbox, autosharded: ShardedBot) -> None:
    await eventually(lambda: autosharded.events == ["ready"])
    # 60 seconds otherwise; it counts from the next event on.
    autosharded._connection.heartbeat_timeout = 1.0
    autosharded._AutoShardedClient__shards[0].ws._max_heartbeat_timeout = 1.0  # type: ignore[attr-defined]
    await echoed(sandbox, autosharded)
    await sandbox.happens("connection frozen")
    missed = asyncio.create_task(sandbox.play("/echo text:hi", timeout_s=5))
    await eventually(lambda: autosharded.events[1:2] == ["resumed"])
    assert (await missed)[1].text == "hi (plain, None)"


def test_events_go_to_the_shard_of_their_guild_and_what_is_of_none_to_the_first() -> None:
    gateway = Gateway(World(Clock()), "ws://127.0.0.1", lambda _: {})
    heard: list[tuple[int, str]] = []
    for shard in range(3):
        session = Session(0, (shard, 3))
        session.write = lambda frame, shard=shard: heard.append((shard, frame["t"]))
        gateway._sessions[session.id] = session
    assert gateway.dispatch("INTERACTION_CREATE", {"id": str(5 << 22), "guild_id": str(7 << 22)})
    assert gateway.dispatch("INTERACTION_CREATE", {"id": str(5 << 22)})
    assert gateway.dispatch("GUILD_DELETE", {"id": str(5 << 22)})
    assert heard == [(1, "INTERACTION_CREATE"), (0, "INTERACTION_CREATE"), (2, "GUILD_DELETE")]
