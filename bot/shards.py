"""Which guilds belong to which process of a bot. Pure; from the settings to the store and the client.

Discord deals the guilds of a large bot to `count` shards by their ids. Each process has some of the shards, and with
them their guilds, those guilds' jobs and everything that is done for them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

MAX_SHARDS: Final = 100_000
FIRST: Final = 0


def shard_of(guild_id: int | None, count: int) -> int:
    """Discord's own rule. guild_id: None for direct messages, which all come to the first shard."""
    return FIRST if guild_id is None else (guild_id >> 22) % count


@dataclass(frozen=True, slots=True)
class Shards:
    """A process's shards. count: of the bot. ids: ascending."""

    count: int
    ids: tuple[int, ...]

    def serves(self, guild_id: int | None) -> bool:
        """Whether a guild is this process's. None: direct messages."""
        return shard_of(guild_id, self.count) in self.ids

    @property
    def are_all(self) -> bool:
        """Whether there is nothing for any other process."""
        return len(self.ids) == self.count

    @property
    def has_first(self) -> bool:
        """Whether this is the process that does what must be done once for the whole bot."""
        return FIRST in self.ids

    def __str__(self) -> str:
        return f"{format_ids(self.ids)} of {self.count}"


ALL_SHARDS: Final = Shards(1, (FIRST,))
"""Of a bot in one process, however many shards Discord gives it."""


def format_ids(ids: Iterable[int]) -> str:
    """Ascending ids as settings have them: "0-3,8"."""
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in _runs(ids))


def parse_ids(given: object) -> tuple[int, ...]:
    """What settings may say: "0-3", "0-3,8", 5 or [0, 1, 2, 3]; ascending. Raises ValueError."""
    found: list[int] = []
    for part in _parts(given):
        low, dash, high = part.partition("-")
        if not (low.isdecimal() and (high.isdecimal() or not dash)):
            raise _unreadable()
        first, last = int(low), int(high or low)
        if not first <= last < MAX_SHARDS:
            raise _unreadable()
        found += range(first, last + 1)
    if not found:
        raise _unreadable()
    if len(set(found)) < len(found):
        raise ValueError("each shard once")
    return tuple(sorted(found))


def _parts(given: object) -> list[str]:
    if isinstance(given, str):
        return [part.strip() for part in given.split(",")]
    numbers = given if isinstance(given, list | tuple) else [given]
    if any(isinstance(number, bool) or not isinstance(number, int) for number in numbers):
        raise _unreadable()
    return [str(number) for number in numbers]


def _unreadable() -> ValueError:
    return ValueError('shards such as "0-3" or [0, 1, 2, 3]')


def _runs(ids: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each run of ids without a gap."""
    low = high = None
    for each in ids:
        if low is None or high is None:
            low = high = each
        elif each == high + 1:
            high = each
        else:
            yield low, high
            low = high = each
    if low is not None and high is not None:
        yield low, high
