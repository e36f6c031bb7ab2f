"""The sandbox's control over HTTP: play lines, move the clock, look at requests. Not part of Discord.

The routes run on the sandbox's event loop, `ControlClient` on the caller's; a random bearer token lies between them.
"""

import json
import secrets
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import asdict
from typing import Any, Final

import aiohttp
from aiohttp import web

from bot.sandbox.errors import LineError, SandboxError
from bot.sandbox.recorder import Exchange
from bot.sandbox.refusals import Refusal
from bot.sandbox.server import SandboxServer
from bot.sandbox.transcript import Event

_ROOT: Final = "/sandbox"
_GRACE_S: Final = 10.0
_PAGE_TIMEOUT_S: Final = 60.0
_MAX_LINE_BYTES: Final = 1 << 20


class ControlRoutes:
    """Adds the control to a sandbox's web application."""

    def __init__(self, server: SandboxServer, control_token: str) -> None:
        self._server = server
        self._authorization = f"Bearer {control_token}"

    def install(self, app: web.Application) -> None:
        app.router.add_post(f"{_ROOT}/play", self._play)
        app.router.add_post(f"{_ROOT}/clock", self._advance)
        app.router.add_post(f"{_ROOT}/connected", self._connected)
        app.router.add_post(f"{_ROOT}/page", self._page)
        app.router.add_post(f"{_ROOT}/mishap", self._mishap)
        app.router.add_post(f"{_ROOT}/refuse", self._refuse)
        app.router.add_get(f"{_ROOT}/requests", self._requests)

    def _check(self, request: web.Request) -> None:
        if not secrets.compare_digest(request.headers.get("Authorization", ""), self._authorization):
            raise web.HTTPUnauthorized

    async def _play(self, request: web.Request) -> web.StreamResponse:
        """Streams the events of a line, one JSON object a line; the last one is an error, or empty."""
        self._check(request)
        order = await request.json()
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        with suppress(ConnectionResetError):  # whoever listened has heard enough
            await response.prepare(request)
            await self._stream(response, order["player"], order["line"], order["timeout_s"])
        return response

    async def _stream(self, response: web.StreamResponse, name: str, line: str, timeout_s: float) -> None:
        last: dict[str, Any] = {}
        try:
            async with aclosing(self._server.player(name).play(line, timeout_s)) as events:
                async for event in events:
                    await _write(response, {"event": event.to_json()})
        except LineError as error:
            last = {"error": str(error)}
        finally:
            await self._server.keep()
        await _write(response, last)
        await response.write_eof()

    async def _advance(self, request: web.Request) -> web.Response:
        self._check(request)
        self._server.clock.advance((await request.json())["seconds"])
        await self._server.keep()
        return web.json_response({})

    async def _connected(self, request: web.Request) -> web.Response:
        self._check(request)
        timeout_s = (await request.json())["timeout_s"]
        reached = await self._server.wait_until_connected(timeout_s)
        return web.json_response(reached)

    async def _page(self, request: web.Request) -> web.Response:
        self._check(request)
        return web.json_response({"html": await self._server.page((await request.json())["player"])})

    async def _mishap(self, request: web.Request) -> web.Response:
        self._check(request)
        try:
            self._server.mishaps.happen(**await request.json())
        except LineError as error:
            return web.json_response({"error": str(error)})
        await self._server.keep()
        return web.json_response({})

    async def _refuse(self, request: web.Request) -> web.Response:
        self._check(request)
        self._server.rest.refusals.add(Refusal(**await request.json()))
        return web.json_response({})

    async def _requests(self, request: web.Request) -> web.Response:
        self._check(request)
        return web.json_response([exchange.to_json() for exchange in self._server.recorder.snapshot()])


async def _write(response: web.StreamResponse, record: dict[str, Any]) -> None:
    await response.write(json.dumps(record).encode() + b"\n")


class ControlClient:
    """Talks to ControlRoutes. session: must have been made for `address` and is closed by its owner."""

    def __init__(self, session: aiohttp.ClientSession, address: str, control_token: str) -> None:
        self._session = session
        self._address = address
        self._headers = {"Authorization": f"Bearer {control_token}"}

    async def watch(self, line: str, timeout_s: float, player: str) -> AsyncGenerator[Event, None]:
        """The events of a line as they happen. Raises LineError if it can't be played."""
        order = {"line": line, "timeout_s": timeout_s, "player": player}
        timeout = aiohttp.ClientTimeout(total=timeout_s + _GRACE_S)
        url = f"{self._address}{_ROOT}/play"
        with _answering():
            async with self._session.post(
                url, json=order, headers=self._headers, timeout=timeout, read_bufsize=_MAX_LINE_BYTES
            ) as response:
                _check_status(response)
                async for line_bytes in response.content:
                    record = json.loads(line_bytes)
                    if "error" in record:
                        raise LineError(record["error"])
                    if "event" in record:
                        yield Event.from_json(record["event"])

    async def advance_clock(self, seconds: float) -> None:
        await self._post("clock", {"seconds": seconds}, _GRACE_S)

    async def connected(self, timeout_s: float) -> dict[str, bool]:
        """Waits; says whether a client is `identified` and has `registered` its commands."""
        answer: dict[str, bool] = await self._post("connected", {"timeout_s": timeout_s}, timeout_s + _GRACE_S)
        return answer

    async def page(self, player: str) -> str:
        """The conversation of a player as HTML."""
        answer: dict[str, str] = await self._post("page", {"player": player}, _PAGE_TIMEOUT_S)
        return answer["html"]

    async def mishap(self, what: str, name: str, permission: str) -> None:
        """Raises LineError if that can't happen."""
        answer = await self._post("mishap", {"what": what, "name": name, "permission": permission}, _GRACE_S)
        if "error" in answer:
            raise LineError(answer["error"])

    async def refuse(self, refusal: Refusal) -> None:
        await self._post("refuse", asdict(refusal), _GRACE_S)

    async def requests(self) -> tuple[Exchange, ...]:
        with _answering():
            async with self._session.get(f"{self._address}{_ROOT}/requests", headers=self._headers) as response:
                _check_status(response)
                return tuple(Exchange.from_json(data) for data in await response.json())

    async def _post(self, command: str, body: dict[str, Any], timeout_s: float) -> Any:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        url = f"{self._address}{_ROOT}/{command}"
        with _answering():
            async with self._session.post(url, json=body, headers=self._headers, timeout=timeout) as response:
                _check_status(response)
                return await response.json()


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SandboxError("The sandbox does not answer: it has ended or hangs; restart it.") from error


def _check_status(response: aiohttp.ClientResponse) -> None:
    if response.status != 200:
        raise SandboxError(f"The sandbox answered {response.status} to its own control; restart it.")
