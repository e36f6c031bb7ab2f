"""The stand-in on the test's own event loop, for what can't be provoked from outside."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp
import pytest

from bot.sandbox import Event, LineError, Patience, SandboxError, gateway_connection
from bot.sandbox.control import ControlClient
from bot.sandbox.hosting import Handshake, serve
from bot.sandbox.server import SandboxServer

Hosted = tuple[Handshake, SandboxServer, aiohttp.ClientSession]


@pytest.fixture
async def hosted() -> AsyncIterator[Hosted]:
    stop = asyncio.Event()
    ready: asyncio.Future[tuple[Handshake, SandboxServer]] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(0, None, Patience(), stop, lambda *both: ready.set_result(both)))
    async with aiohttp.ClientSession() as session:
        yield *(await asyncio.wait_for(ready, 5)), session
        stop.set()
        await asyncio.wait_for(task, 5)


async def test_a_client_that_does_not_read_is_cut_off(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_connection, "MAX_WAITING_EVENTS", 10)
    handshake, server, session = hosted
    socket = await session.ws_connect(f"{handshake.address}/gateway")
    await socket.send_json({"op": 2, "d": {"token": handshake.token, "intents": 1}})
    await asyncio.wait_for(server.gateway.identified.wait(), 5)
    for _ in range(12):
        assert server.gateway.dispatch("TYPING_START", {}), "its session waits for it"
    async with asyncio.timeout(5):
        while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    assert socket.closed


async def test_a_line_ends_when_nobody_watches_it(hosted: Hosted) -> None:
    handshake, _, session = hosted
    control = ControlClient(session, handshake.address, handshake.control_token)
    events = control.watch("wait 60", 60, "main")
    assert (await anext(events)).text == "wait 60"
    await events.aclose()
    again: list[Event] = []
    async with asyncio.timeout(5):
        while not again:
            with suppress(LineError):  # the server takes a moment to see that the caller is gone
                again = [event async for event in control.watch("wait 0", 5, "main")]
            await asyncio.sleep(0.01)
    assert [event.text for event in again] == ["wait 0"]


async def test_a_sandbox_that_is_gone() -> None:
    async with aiohttp.ClientSession() as session:
        control = ControlClient(session, "http://127.0.0.1:1", "token")
        with pytest.raises(SandboxError, match="does not answer"):
            await control.advance_clock(1)
