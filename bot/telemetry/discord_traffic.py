"""What goes to Discord over HTTP, as metrics: aiohttp tells of every attempt of discord.py. Event loop.

That is also where an interaction's answer can be seen, whichever command, button or form has given it.
"""

import asyncio
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import SimpleNamespace
from typing import Final

import aiohttp

from bot.telemetry.metrics import Metrics

MAX_UNANSWERED: Final = 1000
_ANSWER: Final = re.compile(r"/interactions/(\d+)/[^/]+/callback")
_KINDS: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limited",
}


_log = logging.getLogger(__name__)


class DiscordTraffic:
    """clock: seconds, as time.monotonic."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._unanswered: OrderedDict[int, float] = OrderedDict()

    def arrived(self, interaction_id: int, kind: str) -> None:
        """Discord has sent an interaction. kind: one of INTERACTION_KINDS."""
        _log.debug("interaction %d came: %s", interaction_id, kind)
        self._metrics.interactions.labels(kind).inc()
        self._unanswered[interaction_id] = self._clock()
        if len(self._unanswered) > MAX_UNANSWERED:
            self._unanswered.popitem(last=False)

    def trace(self) -> aiohttp.TraceConfig:
        """For the session whose requests are to be seen."""
        config = aiohttp.TraceConfig()
        config.on_request_start.append(self._begin)
        config.on_request_end.append(self._end)
        config.on_request_exception.append(self._fail)
        return config

    async def _begin(
        self, _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceRequestStartParams
    ) -> None:
        context.began_s = self._clock()

    async def _end(
        self, _: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        status = params.response.status
        if status == HTTPStatus.SWITCHING_PROTOCOLS:
            return  # the gateway
        took_s = self._clock() - context.began_s
        _log.debug("%s %s: %d after %.3f s", params.method, params.url.path, status, took_s)
        self._metrics.discord_request.observe(took_s)
        if status >= HTTPStatus.BAD_REQUEST:
            self._metrics.discord_errors.labels(kind_of_status(status)).inc()
            return
        answered = _ANSWER.search(params.url.path)
        arrived_s = self._unanswered.pop(int(answered[1]), None) if answered else None
        if arrived_s is not None:
            self._metrics.acknowledgement.observe(self._clock() - arrived_s)

    async def _fail(
        self, _: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams
    ) -> None:
        self._metrics.discord_request.observe(self._clock() - context.began_s)
        # A request whose time is over is cancelled by whoever waited for it.
        is_late = isinstance(params.exception, TimeoutError | asyncio.CancelledError)
        self._metrics.discord_errors.labels("timeout" if is_late else "connection").inc()


def kind_of_status(status: int) -> str:
    """One of DISCORD_ERRORS. status: 400 or more."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "server_error"
    return _KINDS.get(status, "bad_request")
