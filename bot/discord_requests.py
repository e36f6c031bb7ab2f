"""Requests to Discord as discord.py sends them, with what it lacks: a time limit for those that carry an interaction's
own token, a global rate limit that ends, and a fence. Used by the client alone, on the event loop.
"""

import asyncio
from typing import Any, Final

import aiohttp
from discord.http import HTTPClient, Route
from discord.webhook.async_ import AsyncWebhookAdapter, async_context

from bot.fence import Fence

ANSWER_TIMEOUT_S: Final = 10.0  # of what Discord itself gives 3 seconds
EDIT_TIMEOUT_S: Final = 60.0  # retries and an upload included

_ANSWERS: Final = "/interactions/"


class BotRequests(HTTPClient):
    """Requests with the bot's own token, of which each has its caller's time limit. fence: that they pass."""

    def __init__(self, *args: Any, fence: Fence, **options: Any) -> None:
        super().__init__(*args, **options)
        self._fence = fence

    async def request(self, route: Route, **options: Any) -> Any:
        """As its base. Cancelled at whatever moment, it lets other requests pass."""
        try:
            async with self._fence.passing():
                return await super().request(route, **options)
        except asyncio.CancelledError:
            # Cancelled while it waits for the end of the global rate limit, discord.py would never announce that end,
            # and every other request would wait for it for ever.
            self._global_over.set()
            raise


class AnswerRequests(AsyncWebhookAdapter):
    """Answers to interactions, edits of them and what follows them. aiohttp alone would wait for five minutes. fence:
    that they pass."""

    def __init__(
        self,
        fence: Fence,
        *,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        edit_timeout_s: float = EDIT_TIMEOUT_S,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._fence = fence
        self._answer_timeout_s = answer_timeout_s
        self._edit_timeout_s = edit_timeout_s

    def use(self) -> None:
        """For what the current task sends from now on, and all tasks that it starts."""
        async_context.set(self)

    async def request(self, route: Route, session: aiohttp.ClientSession, **options: Any) -> Any:
        """As its base, and raises TimeoutError."""
        is_answer = route.path.startswith(_ANSWERS)
        async with (
            asyncio.timeout(self._answer_timeout_s if is_answer else self._edit_timeout_s),
            self._fence.passing(),
        ):
            return await super().request(route, session, **options)
