"""Serves a SandboxServer until it is told to stop. Called on the sandbox's event loop, in its thread or process."""

import asyncio
import secrets
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.sandbox.clock import Clock
from bot.sandbox.control import ControlRoutes
from bot.sandbox.finality import Patience
from bot.sandbox.server import SandboxServer


@dataclass(frozen=True, slots=True)
class Handshake:
    """How to reach a running sandbox. Its tokens are random and good for this sandbox alone."""

    address: str
    token: str
    control_token: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


async def serve(
    port: int,
    out: Path | None,
    patience: Patience,
    stop: asyncio.Event,
    on_ready: Callable[[Handshake, SandboxServer], None],
) -> None:
    """Binds 127.0.0.1:`port` (0: any free one), calls `on_ready`, and serves until `stop` is set.

    Raises OSError if the port can't be bound."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        server = SandboxServer(listener.getsockname()[1], out, patience, Clock())
        control_token = secrets.token_urlsafe(32)
        app = server.app()
        ControlRoutes(server, control_token).install(app)
        # A caller who stops watching a line thereby ends it.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            on_ready(Handshake(server.address, server.token, control_token), server)
            await stop.wait()
        finally:
            await runner.cleanup()
