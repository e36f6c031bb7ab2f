"""`Sandbox`: starts the stand-in, points discord.py at it, and plays. Used by the command line, benches and tests.

Its methods run on the caller's event loop; the stand-in runs on another one, in a process or a thread of its own,
so that neither side can hide that the other blocks.
"""

import asyncio
import json
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar

import aiohttp

from bot.errors import ConfigError
from bot.sandbox.control import ControlClient
from bot.sandbox.errors import NoClientError, SandboxError
from bot.sandbox.finality import Patience
from bot.sandbox.hosting import Handshake, serve
from bot.sandbox.pointing import discord_at
from bot.sandbox.recorder import Exchange, Recorder
from bot.sandbox.refusals import Refusal
from bot.sandbox.server import SandboxServer
from bot.sandbox.transcript import Event

START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 10.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Hosted:
    """A running stand-in; recorder is None when it is in another process."""

    handshake: Handshake
    recorder: Recorder | None


class Sandbox:
    """A running stand-in for Discord. Made by `start`."""

    def __init__(self, hosted: _Hosted, control: ControlClient) -> None:
        self._handshake = hosted.handshake
        self._recorder = hosted.recorder
        self._control = control

    @classmethod
    def start(
        cls,
        *,
        process: bool = False,
        out: Path | None = None,
        port: int = 0,
        patience: Patience | None = None,
        data: Path | None = None,
    ) -> AbstractAsyncContextManager[Self]:
        """`async with Sandbox.start(...) as sandbox`: up inside, gone outside.

        process: a process of its own instead of a thread. out: folder for attachments that players see. data: folder in
        which everything is kept, for the next one; None forgets it. Raises SandboxError if it doesn't come up within
        START_TIMEOUT_S, ConfigError if `data` can't be used."""
        return cls._running(process, out, port, patience or Patience(), data)

    @classmethod
    @asynccontextmanager
    async def _running(
        cls, process: bool, out: Path | None, port: int, patience: Patience, data: Path | None
    ) -> AsyncIterator[Self]:
        host = _in_process if process else _in_thread
        async with host(port, out, patience, data) as hosted, aiohttp.ClientSession() as session:
            handshake = hosted.handshake
            yield cls(hosted, ControlClient(session, handshake.address, handshake.control_token))

    @property
    def token(self) -> str:
        """The bot token that the stand-in accepts."""
        return self._handshake.token

    @property
    def address(self) -> str:
        """http://127.0.0.1:PORT"""
        return self._handshake.address

    @property
    def goes_on(self) -> bool:
        """Whether it pretends what an earlier sandbox did, which its folder held."""
        return self._handshake.goes_on

    @contextmanager
    def patch_discord(self) -> Iterator[None]:
        """Inside, clients of discord.py in this process talk to this sandbox. Not for two sandboxes at a time."""
        with discord_at(self.address):
            yield

    async def wait_until_connected(self, timeout_s: float = 30.0) -> None:
        """Returns once a client is identified and has registered commands. Raises NoClientError after `timeout_s`, and
        SandboxError if the stand-in does not answer."""
        state = await self._control.connected(timeout_s)
        if not state["identified"]:
            raise NoClientError(f"No client connected to the sandbox within {timeout_s:g} s: look at the client's log.")
        if not state["registered"]:
            raise NoClientError(f"The client registered no commands with the sandbox within {timeout_s:g} s.")

    async def play(self, line: str, timeout_s: float = 60.0, player: str = "main") -> list[Event]:
        """Plays a line and returns all that was seen. Raises LineError if it can't be played.

        Players don't know of each other: each has its own member, channel and open form, and one line at a time."""
        return [event async for event in self.watch(line, timeout_s, player)]

    async def watch(self, line: str, timeout_s: float = 60.0, player: str = "main") -> AsyncGenerator[Event, None]:
        """`play`, event by event as they happen."""
        async with aclosing(self._control.watch(line, timeout_s, player)) as events:
            async for event in events:
                yield event

    async def page(self, player: str = "main") -> str:
        """What a player has said and seen so far, as an HTML page."""
        return await self._control.page(player)

    async def advance_clock(self, seconds: float) -> None:
        """Moves the sandbox's time forward, and with it every deadline."""
        await self._control.advance_clock(seconds)

    async def happens(self, what: str, name: str = "general", permission: str = "") -> None:
        """Something happens to the guild: "messages deleted", "channel deleted" or "permission revoked" (from the bot)
        in the channel of that name, "member left" of that name, "guild deleted"; or to the bot's connection, see
        mishaps.py. Raises LineError for anything else."""
        await self._control.mishap(what, name, permission)

    async def refuse(self, refusal: Refusal) -> None:
        """Some of the requests to come are answered with a refusal."""
        await self._control.refuse(refusal)

    @property
    def requests(self) -> tuple[Exchange, ...]:
        """The newest REST exchanges, oldest first. Raises SandboxError in process mode: use `fetch_requests`."""
        if self._recorder is None:
            raise SandboxError("A sandbox in a process of its own has no `requests`: await fetch_requests() instead.")
        return self._recorder.snapshot()

    async def fetch_requests(self) -> tuple[Exchange, ...]:
        """The newest REST exchanges, oldest first, in either mode."""
        return await self._control.requests()


@asynccontextmanager
async def _in_thread(port: int, out: Path | None, patience: Patience, data: Path | None) -> AsyncIterator[_Hosted]:
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    ready: Future[_Hosted] = Future()

    def on_ready(handshake: Handshake, server: SandboxServer) -> None:
        ready.set_result(_Hosted(handshake, server.recorder))

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(serve(port, out, patience, stop, on_ready, data))
        except ConfigError as error:
            ready.set_exception(error)
        except OSError as error:
            ready.set_exception(SandboxError(f"The sandbox can't listen on port {port}: {error.strerror}."))

    thread = threading.Thread(target=run, name="sandbox", daemon=True)
    thread.start()
    try:
        yield await _within(START_TIMEOUT_S, asyncio.wrap_future(ready))
    finally:
        with suppress(RuntimeError):  # the loop is closed already: it could not begin
            loop.call_soon_threadsafe(stop.set)
        await asyncio.to_thread(thread.join, STOP_TIMEOUT_S)


async def _within(timeout_s: float, started: Awaitable[_T]) -> _T:
    try:
        return await asyncio.wait_for(started, timeout_s)
    except TimeoutError:
        raise SandboxError(f"The sandbox did not start within {timeout_s:g} s.") from None


@asynccontextmanager
async def _in_process(port: int, out: Path | None, patience: Patience, data: Path | None) -> AsyncIterator[_Hosted]:
    arguments = ["--port", str(port), "--moment", str(patience.moment_s), "--short", str(patience.short_s)]
    arguments += ["--long", str(patience.long_s)]
    if out is not None:
        arguments += ["--out", str(out)]
    if data is not None:
        arguments += ["--data", str(data)]
    # A session of its own: Ctrl-C in a terminal is for the client, which then closes the sandbox's input.
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot.sandbox", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        first_line = await _within(START_TIMEOUT_S, child.stdout.readline())
        if not first_line:
            raise SandboxError(f"The sandbox's process ended at once: is port {port} free? Its own message is above.")
        told = json.loads(first_line)
        if "error" in told:
            raise ConfigError(told["error"])
        yield _Hosted(Handshake(**told), None)
    finally:
        child.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()
