"""A few questions to Discord's REST API, without the client. Used by the checks, on the event loop."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp

from bot import __version__
from bot.errors import DalleBotError

DISCORD_API: Final = "https://discord.com/api/v10"


class UnreachableError(DalleBotError):
    """Discord gave no answer at all."""


@dataclass(frozen=True, slots=True)
class Answer:
    """status: of HTTP. body: decoded JSON; None if it was none. date: Discord's clock, None if it told no time.
    here: this machine's clock in the middle between question and answer; both aware. took_s: for both ways."""

    status: int
    body: Any
    date: datetime | None
    here: datetime
    took_s: float


class DiscordApi:
    """base: where the API is. token: of the bot."""

    def __init__(self, session: aiohttp.ClientSession, base: str, token: str) -> None:
        self._session = session
        self._base = base.rstrip("/")
        self._headers = {
            "Authorization": f"Bot {token}",
            "User-Agent": f"DiscordBot (dalle-bot, {__version__})",
        }

    async def get(self, path: str, **query: str) -> Answer:
        """Raises UnreachableError."""
        sent_s = time.time()
        began_s = time.monotonic()
        try:
            async with self._session.get(self._base + path, headers=self._headers, params=query) as response:
                took_s = time.monotonic() - began_s
                body = await _json(response)
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(f"Discord can't be reached: {str(error) or type(error).__name__}.") from error
        return Answer(
            status=response.status,
            body=body,
            date=_date(response.headers.get("Date")),
            here=datetime.fromtimestamp(sent_s + took_s / 2, UTC),
            took_s=took_s,
        )


async def _json(response: aiohttp.ClientResponse) -> Any:
    try:
        return await response.json(content_type=None)
    except ValueError:
        return None


def _date(header: str | None) -> datetime | None:
    try:
        return None if header is None else parsedate_to_datetime(header)
    except ValueError:
        return None
