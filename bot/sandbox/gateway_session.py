"""What a client has identified for. It outlives its web socket for a while, so that it can be resumed with all that was
missed. Event loop of the sandbox only."""

import secrets
from collections import deque
from collections.abc import Callable
from typing import Any, Final

MAX_KEPT_EVENTS: Final = 1000
RESUMABLE_S: Final = 90.0

Frame = dict[str, Any]
DISPATCH: Final = 0


class Session:
    """intents, shard: as it was identified with.

    write: takes what is sent to the web socket that it is on; None while it is on none. lost_s: since when.
    """

    def __init__(self, intents: int, shard: tuple[int, int]) -> None:
        self.id = secrets.token_hex(16)
        self.intents = intents
        self.shard = shard
        self.sequence = 0
        self.write: Callable[[Frame], None] | None = None
        self.lost_s: float | None = None
        self._kept: deque[Frame] = deque(maxlen=MAX_KEPT_EVENTS)

    def serves(self, guild_id: int, intent: int) -> bool:
        """Whether events of that guild go to it; 0 for what is of none. intent: one that it needs; 0 for none."""
        shard, num_shards = self.shard
        return (guild_id >> 22) % num_shards == shard and (not intent or bool(self.intents & intent))

    def dispatch(self, event: str, data: Any) -> None:
        """Sends an event now, or when the session is resumed."""
        self.sequence += 1
        frame = {"op": DISPATCH, "d": data, "s": self.sequence, "t": event}
        self._kept.append(frame)
        if self.write is not None:
            self.write(frame)

    def missed_since(self, sequence: int) -> list[Frame] | None:
        """The events after the one of that number; None if they are not all kept any more."""
        oldest = self._kept[0]["s"] if self._kept else self.sequence + 1
        if sequence + 1 < oldest:
            return None
        return [frame for frame in self._kept if frame["s"] > sequence]

    def leave(self, now_s: float) -> None:
        """Its web socket is gone."""
        self.write, self.lost_s = None, now_s

    def is_over(self, now_s: float) -> bool:
        """Whether it can't be resumed any more."""
        return self.lost_s is not None and now_s > self.lost_s + RESUMABLE_S
