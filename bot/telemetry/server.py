"""The HTTP server of /metrics, /healthz and /readyz. Made by bot/observing.py.

It is on the bot's event loop: that it answers at all proves that the loop runs, which is what a probe wants to know,
and it reads what belongs to the loop without locks. Metrics are put into words on another thread.
"""

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from bot.errors import ConfigError, DalleBotError
from bot.telemetry.metrics import Metrics
from bot.telemetry.verdict import Verdict

ANSWER_TIMEOUT_S: Final = 5.0
MAX_REQUEST_BYTES: Final = 4096
POLL_S: Final = 0.2

_log = logging.getLogger(__name__)


class TelemetryRoutes:
    """refresh: brings the gauges up to date before a scrape. health, readiness: what probes are told."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        refresh: Callable[[], Awaitable[None]],
        health: Callable[[], Verdict],
        readiness: Callable[[], Awaitable[Verdict]],
    ) -> None:
        self._metrics = metrics
        self._refresh = refresh
        self._health = health
        self._readiness = readiness
        self._scrape = asyncio.Lock()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.router.add_get("/metrics", self._show_metrics)
        app.router.add_get("/healthz", self._show_health)
        app.router.add_get("/readyz", self._show_readiness)
        return app

    async def _show_metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        try:
            # One at a time: a scrape asks the database.
            async with asyncio.timeout(ANSWER_TIMEOUT_S), self._scrape:
                await self._refresh()
                body = await asyncio.to_thread(encode, self._metrics.registry)
        except TimeoutError:
            return web.Response(status=503, text=f"The metrics were not there within {ANSWER_TIMEOUT_S:g} s.\n")
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _show_health(self, _: web.Request) -> web.Response:
        return _answer(self._health())

    async def _show_readiness(self, _: web.Request) -> web.Response:
        return _answer(await self._readiness())


def _answer(verdict: Verdict) -> web.Response:
    return web.json_response(verdict.to_json(), status=200 if verdict.is_ok else 503)


async def _listen(runner: web.AppRunner, host: str, port: int, wait_s: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + wait_s
    while True:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
            return
        except OSError as error:
            await site.stop()
            refusal = f"telemetry: {host}:{port} can't be listened on ({error.strerror})"
            if error.errno != errno.EADDRINUSE:
                raise ConfigError(
                    f"{refusal}: put right telemetry.host and telemetry.port, or set telemetry.enabled = false."
                ) from error
            if loop.time() >= end:
                raise DalleBotError(
                    f"{refusal}: end what listens there, choose another telemetry.port, or set telemetry.enabled = "
                    "false."
                ) from error
        await asyncio.sleep(POLL_S)


@asynccontextmanager
async def serving(routes: TelemetryRoutes, host: str, port: int, *, wait_s: float = 0.0) -> AsyncIterator[str]:
    """Serves inside the block; gives the address. port: 0 for any free one. wait_s: for whoever has the port.

    Raises DalleBotError if somebody has it still, ConfigError if it can't listen there at all.
    """
    runner = web.AppRunner(routes.app(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await _listen(runner, host, port, wait_s)
        bound_host, bound_port, *_ = runner.addresses[0]
        address = f"http://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{bound_port}"
        _log.info("metrics are at %s/metrics, probes at /healthz and /readyz", address)
        yield address
    finally:
        await runner.cleanup()
