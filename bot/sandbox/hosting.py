"""Serves a SandboxServer until it is told to stop. Called on the sandbox's event loop, in its thread or process."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.sandbox.clock import Clock
from bot.sandbox.control import ControlRoutes
from bot.sandbox.finality import Patience
from bot.sandbox.keeper import Keeper, server_in
from bot.sandbox.sandbox_folder import SandboxFolder
from bot.sandbox.server import SandboxServer
from bot.sandbox.world import World


@dataclass(frozen=True, slots=True)
class Handshake:
    """How to reach a running sandbox. Its tokens are random and good for this sandbox alone. goes_on: it pretends what
    an earlier one did."""

    address: str
    token: str
    control_token: str
    goes_on: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


async def serve(
    port: int,
    out: Path | None,
    patience: Patience,
    stop: asyncio.Event,
    on_ready: Callable[[Handshake, SandboxServer], None],
    data: Path | None = None,
) -> None:
    """Binds 127.0.0.1:`port` (0: any free one), calls `on_ready`, and serves until `stop` is set. data: the folder that
    it is kept in, for the next one; None forgets it.

    Raises OSError if the port can't be bound, ConfigError if `data` can't be used."""
    with socket.create_server(("127.0.0.1", port)) as listener:

        def make(world: World, clock: Clock) -> SandboxServer:
            return SandboxServer(listener.getsockname()[1], out, patience, clock, world)

        async with _kept(data, make) as (server, goes_on):
            await _serve(listener, server, goes_on, stop, on_ready)


async def _serve(
    listener: socket.socket,
    server: SandboxServer,
    goes_on: bool,
    stop: asyncio.Event,
    on_ready: Callable[[Handshake, SandboxServer], None],
) -> None:
    control_token = secrets.token_urlsafe(32)
    app = server.app()
    ControlRoutes(server, control_token).install(app)
    # A caller who stops watching a line thereby ends it.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        on_ready(Handshake(server.address, server.token, control_token, goes_on), server)
        await stop.wait()
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _kept(
    data: Path | None, make: Callable[[World, Clock], SandboxServer]
) -> AsyncIterator[tuple[SandboxServer, bool]]:
    """A server, and whether it is one that `data` held; it is kept there to its end."""
    clock = Clock()
    if data is None:
        yield make(World(clock), clock), False
        return
    folder = await asyncio.to_thread(SandboxFolder.open, data)
    try:
        server, goes_on = server_in(folder, clock, make)
        server.keep = Keeper(folder, server).keep
        # From now on the folder is a sandbox's.
        await server.keep()
        yield server, goes_on
        await server.keep()
    finally:
        folder.close()
