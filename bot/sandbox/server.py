"""The sandbox itself: world, stores, REST, gateway, CDN and control on one port of 127.0.0.1.

`SandboxServer` lives on one event loop: that of a process of its own, or of a thread in tests (sandbox.py).
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from bot.sandbox.actions import Actions
from bot.sandbox.album import Album
from bot.sandbox.clock import Clock
from bot.sandbox.command_registry import CommandRegistry
from bot.sandbox.errors import LineError
from bot.sandbox.fault_injector import FaultInjector
from bot.sandbox.files import MAX_REQUEST_BYTES, FileShelf
from bot.sandbox.finality import Patience
from bot.sandbox.gateway import Gateway
from bot.sandbox.happenings import Board
from bot.sandbox.interactions import InteractionDesk
from bot.sandbox.message_store import MessageStore
from bot.sandbox.messages import MessageJson
from bot.sandbox.mishaps import Mishaps
from bot.sandbox.page import Views, render_page
from bot.sandbox.player import Player
from bot.sandbox.recorder import Recorder
from bot.sandbox.rest import RestApi
from bot.sandbox.routes_application import ApplicationRoutes
from bot.sandbox.routes_channels import ChannelRoutes
from bot.sandbox.routes_interactions import InteractionRoutes
from bot.sandbox.world import World

CDN_ROOT: Final = "/cdn"
GATEWAY_PATH: Final = "/gateway"
MAX_PLAYERS: Final = 1000


class SandboxServer:
    """Everything wired together. port: where it will be served, since addresses are part of its answers. world: the
    guilds that it pretends."""

    def __init__(self, port: int, out: Path | None, patience: Patience, clock: Clock, world: World) -> None:
        self.address = f"http://127.0.0.1:{port}"
        gateway_url = f"ws://127.0.0.1:{port}{GATEWAY_PATH}"
        self.clock = clock
        self.world = world
        self.recorder = Recorder()
        self._patience = patience
        self.board = Board()
        self.files = FileShelf(clock, self.world.snowflakes, self.address + CDN_ROOT)
        self.messages = MessageStore(self.world, clock, self.files, self.board)
        self._json = MessageJson(self.world, self.files.url)
        self.commands = CommandRegistry(self.world.application_id, self.world.guild_id, self.world.snowflakes)
        self.gateway = Gateway(self.world, gateway_url, self._json.gateway_message)
        self.board.listen(self.gateway.on_happening)
        self.desk = InteractionDesk(
            self.world, clock, self.board, self.messages, self._json.message, self.gateway.dispatch
        )
        self.actions = Actions(self.world, self.commands, self.desk, self.messages, self._json, self.files)
        self._album = Album(self.files, out)
        self._players: dict[str, Player] = {}
        routes = [
            *ApplicationRoutes(
                self.world, self.commands, gateway_url, lambda: self.gateway.faults.starts_left
            ).routes(),
            *ChannelRoutes(self.world, self.messages, self._json).routes(),
            *InteractionRoutes(self.desk, self.messages, self._json).routes(),
        ]
        self.rest = RestApi(routes, self.world.bot_token, self.recorder, clock, self._keep_now)
        self.mishaps = Mishaps(self.world, self.messages, self.gateway)
        self.faults = FaultInjector(self.mishaps, self.rest.refusals)
        self.desk.before_delivery = self.faults.next_interaction
        self.keep: Callable[[], Awaitable[None]] = _nothing
        """Returns once what the server is now will outlive it."""

    @property
    def token(self) -> str:
        """What a client logs in with."""
        return self.world.bot_token

    def player(self, name: str) -> Player:
        """The player of that name, made when first named. Raises LineError beyond MAX_PLAYERS."""
        if name not in self._players:
            if len(self._players) >= MAX_PLAYERS:
                raise LineError(f"The sandbox has {MAX_PLAYERS} players already.")
            self._players[name] = Player(
                self.world,
                self.desk,
                self.actions,
                self.board,
                self.messages,
                self._album,
                self._patience,
                self.gateway.dispatch,
                self.mishaps,
                self.faults,
            )
        return self._players[name]

    async def page(self, name: str) -> str:
        """The conversation of the player of that name as an HTML page. Raises LineError as `player` does."""
        views = Views(self.world.name_of, self.files.read, self.world.now())
        return await asyncio.to_thread(render_page, self.player(name).seen, views)

    async def wait_until_connected(self, timeout_s: float) -> dict[str, bool]:
        """Waits for a client that is identified and has registered commands; says what was reached in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.commands.registered.wait()
                await self.gateway.identified.wait()
        return {"identified": self.gateway.identified.is_set(), "registered": self.commands.registered.is_set()}

    def app(self) -> web.Application:
        """The web application, without the control routes."""
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        self.rest.install(app)
        app.router.add_get(GATEWAY_PATH, self.gateway.serve)
        app.router.add_get(CDN_ROOT + "/attachments/{channel_id}/{attachment_id}/{filename}", self._download)
        app.on_shutdown.append(self._shut_down)
        return app

    async def _keep_now(self) -> None:
        await self.keep()

    async def _shut_down(self, _: Any) -> None:
        await self.gateway.aclose()
        await self.desk.aclose()

    async def _download(self, request: web.Request) -> web.Response:
        found = self.files.fetch(
            request.match_info["attachment_id"], request.match_info["filename"], request.query.get("ex", "")
        )
        if found is None:
            return web.Response(status=404, text="This content is no longer available.")
        attachment, data = found
        return web.Response(body=data, content_type=attachment.content_type)


async def _nothing() -> None:
    """What a sandbox does that nobody keeps."""
