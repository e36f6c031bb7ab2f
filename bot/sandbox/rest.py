"""The REST face of the sandbox: one place that authenticates, reads, calls a route, answers and records.

Runs on the sandbox's event loop.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from email.utils import formatdate
from typing import Any, Final

from aiohttp import web

from bot.sandbox.calls import Call, Route, read_body
from bot.sandbox.clock import Clock
from bot.sandbox.errors import ApiError, method_not_allowed, not_found, unauthorized
from bot.sandbox.files import UploadedFile
from bot.sandbox.recorder import Exchange, Recorder
from bot.sandbox.refusals import Refusal, Refusals

API_ROOT: Final = "/api/v10"


class RestApi:
    """Serves `routes` below API_ROOT. Literal paths must come before templated ones that match them too.

    keep: awaited before the answer to each request that may have changed something."""

    def __init__(
        self,
        routes: Iterable[Route],
        bot_token: str,
        recorder: Recorder,
        clock: Clock,
        keep: Callable[[], Awaitable[None]],
    ) -> None:
        self._routes = tuple(routes)
        self._clock = clock
        self.refusals = Refusals()
        self._authorization = f"Bot {bot_token}"
        self._recorder = recorder
        self._keep = keep

    def install(self, app: web.Application) -> None:
        """Adds the routes to a web application, and Discord's 404 and 405 for everything else below the root."""
        for route in self._routes:
            app.router.add_route(route.method, API_ROOT + route.template, self._handler(route))
        app.router.add_route("*", API_ROOT + "/{rest:.*}", self._handle_unrouted)
        app.on_response_prepare.append(self._tell_time)

    async def _tell_time(self, _: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = formatdate(self._clock.now(), usegmt=True)

    def _handler(self, route: Route) -> Any:
        async def handle(request: web.Request) -> web.Response:
            return await self._answered(request, route)

        return handle

    async def _handle_unrouted(self, request: web.Request) -> web.Response:
        return await self._answered(request, None)

    async def _answered(self, request: web.Request, route: Route | None) -> web.Response:
        payload: Any = None
        files: tuple[UploadedFile, ...] = ()
        content_type = request.content_type if request.can_read_body else ""
        headers = {"Content-Type": "application/json"}
        if self._is_reset_in_mid_upload(request, route):
            # No request has come: it has no place in the record.
            await _begin_to_read(request)
            return _reset(request)
        refusal: Refusal | None = None
        try:
            payload, files = await read_body(request)
            refusal = self._refusal(request, route, files)
            status, answer = self._answer(request, route, payload, files, refusal)
        except ApiError as error:
            status, answer = error.status, error.to_json()
        if refusal is not None:
            headers |= refusal.headers(self._clock.now())
        self._recorder.note(
            Exchange(
                method=request.method,
                path=request.path.removeprefix(API_ROOT),
                path_template=None if route is None else route.template,
                query=dict(request.query),
                content_type=content_type,
                payload=payload,
                files=tuple((f"files[{file.index}]", file.filename, len(file.data)) for file in files),
                status=status,
                answer=answer,
                is_mishap=refusal is not None,
            )
        )
        if request.method != "GET":
            await self._keep()
        if refusal is not None and refusal.delay_s:
            await asyncio.sleep(refusal.delay_s)
        if refusal is not None and refusal.is_reset:
            return _reset(request)
        if answer is None:
            return web.Response(status=status)
        # aiohttp's own JSON answers add a charset, and discord.py takes only the bare type for JSON.
        return web.Response(status=status, body=json.dumps(answer).encode(), headers=headers)

    def _is_reset_in_mid_upload(self, request: web.Request, route: Route | None) -> bool:
        if route is None:
            return False
        num_bytes = (request.content_length or 0) if request.content_type == "multipart/form-data" else 0
        return self.refusals.take(request.method, route.template, num_bytes, in_mid_upload=True) is not None

    def _refusal(self, request: web.Request, route: Route | None, files: tuple[UploadedFile, ...]) -> Refusal | None:
        if route is None:
            return None
        now_s = self._clock.now()
        num_bytes = sum(len(file.data) for file in files)
        limit = self.refusals.under_global(now_s) if route.needs_token else None
        refusal = limit or self.refusals.take(request.method, route.template, num_bytes)
        if refusal is not None and refusal.is_global and limit is None:
            self.refusals.begin_global(refusal, now_s)
        return refusal

    def _answer(
        self,
        request: web.Request,
        route: Route | None,
        payload: Any,
        files: tuple[UploadedFile, ...],
        refusal: Refusal | None,
    ) -> tuple[int, Any]:
        """Status and body. Raises ApiError."""
        if refusal is None:
            return self._called(request, route, payload, files)
        if not refusal.is_applied and refusal.status:
            return refusal.status, refusal.to_json()
        own = self._called(request, route, payload, files)
        return (refusal.status, refusal.to_json()) if refusal.status else own

    def _called(
        self, request: web.Request, route: Route | None, payload: Any, files: tuple[UploadedFile, ...]
    ) -> tuple[int, Any]:
        if route is None:
            raise self._unrouted(request)
        if route.needs_token and request.headers.get("Authorization") != self._authorization:
            raise unauthorized()
        answer = route.handler(Call(dict(request.match_info), dict(request.query), payload, files))
        return (204, None) if answer is None else (200, answer)

    def _unrouted(self, request: web.Request) -> ApiError:
        path = request.path.removeprefix(API_ROOT).split("/")
        for route in self._routes:
            parts = route.template.split("/")
            if len(parts) == len(path) and all(a == b or a[:1] == "{" for a, b in zip(parts, path, strict=True)):
                return method_not_allowed()
        return not_found()


async def _begin_to_read(request: web.Request) -> None:
    if request.can_read_body:
        await request.content.readany()


def _reset(request: web.Request) -> web.Response:
    """Ends the connection as a host does that crashed, not as one that has nothing more to say. Nobody gets the
    response."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()
