"""A Discord that says what a test wants it to say."""

from datetime import UTC, datetime
from typing import Any, cast

from bot.doctor.discord_api import Answer, DiscordApi

HERE = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)


class Says(DiscordApi):
    """answers: path → body, or a status instead of one. date: of every answer."""

    def __init__(self, answers: dict[str, Any], *, date: datetime | None = None, took_s: float = 0.1) -> None:
        super().__init__(cast(Any, None), "", "")
        self._answers = {"/users/@me": {"id": "5", "username": "painter"}} | answers
        self._date = date
        self._took_s = took_s
        self.asked: list[dict[str, str]] = []

    async def get(self, path: str, **query: str) -> Answer:
        self.asked.append(query)
        said = self._answers[path]
        if callable(said):
            said = said(query)
        status, body = (said, None) if isinstance(said, int) else (200, said)
        return Answer(status, body, self._date, HERE, self._took_s)
