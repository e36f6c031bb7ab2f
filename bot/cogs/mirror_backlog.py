"""Which log channels are behind, since Discord did not take some records. Used by the mirror, on the event loop.

What a channel has yet to get stands in the store, so neither a long outage nor a restart loses a record. Pauses between
attempts are forgotten with a restart.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bot.store import ValueStore

FIRST_PAUSE_S: Final = 10.0
LONGEST_PAUSE_S: Final = 5 * 60.0

_BEHIND: Final = "audit/behind"


@dataclass(frozen=True, slots=True)
class Part:
    """Records of a guild: those with an id above `after`, up to `end`."""

    after: int
    end: int


class MirrorBacklog:
    """Methods may raise StoreError. clock: seconds, as time.monotonic."""

    def __init__(self, values: ValueStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._values = values
        self._clock = clock
        self._pauses_s: dict[int, float] = {}
        self._due_at_s: dict[int, float] = {}

    async def parts(self) -> dict[int, Part]:
        """What each guild that is behind gets next; it gets what comes later after that."""
        kept = await self._values.get(_BEHIND)
        return {int(guild_id): Part(*ids) for guild_id, ids in json.loads(kept or "{}").items()}

    def is_due(self, guild_id: int) -> bool:
        """Whether it is time for another attempt."""
        return self._clock() >= self._due_at_s.get(guild_id, 0.0)

    def failed(self, guild_id: int) -> None:
        """Has the next attempt wait, longer each time."""
        pause_s = self._pauses_s.get(guild_id, FIRST_PAUSE_S)
        self._due_at_s[guild_id] = self._clock() + pause_s
        self._pauses_s[guild_id] = min(2 * pause_s, LONGEST_PAUSE_S)

    def went_on(self, guild_id: int) -> None:
        """Ends its pauses."""
        self._pauses_s.pop(guild_id, None)
        self._due_at_s.pop(guild_id, None)

    async def keep(self, parts: Mapping[int, Part]) -> None:
        """Stores what is left."""
        kept = {str(guild_id): [part.after, part.end] for guild_id, part in parts.items()}
        await self._values.set(_BEHIND, json.dumps(kept))
