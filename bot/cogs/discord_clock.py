"""Discord's time, which its ids carry. Fed by the client with every interaction, on the event loop.

The clock of the host may be wrong when it starts and jump later; sanctions would end early or never. Between two
interactions the monotonic clock counts on. Until the first one there is only the host's.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import discord


class DiscordClock:
    """monotonic: seconds that never jump. wall: aware, for the time before the first interaction."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._seen: tuple[datetime, float] | None = None

    def saw(self, snowflake: int) -> None:
        """snowflake: an id that Discord has just made."""
        self._seen = discord.utils.snowflake_time(snowflake), self._monotonic()

    def now(self) -> datetime:
        """Aware, in UTC."""
        return self.told() or self._wall()

    def told(self) -> datetime | None:
        """None until Discord has told the time, for what a wrong one would spoil for good. Aware, in UTC."""
        if self._seen is None:
            return None
        moment, at_s = self._seen
        return moment + timedelta(seconds=self._monotonic() - at_s)
