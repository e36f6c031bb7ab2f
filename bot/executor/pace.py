"""How long a token takes, by how many slots are occupied. Measured on the engine thread, read on both.

A step costs more with more slots, so each number of slots has a mean of its own, in which the latest chunk counts for
a quarter: what else the device does between chunks (encoders, pictures, other programs) is in it as it comes.
"""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

_LATEST_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Pace:
    """measured: (occupied slots, seconds per token of each of them), by slots; at least one."""

    measured: tuple[tuple[int, float], ...]

    def seconds_per_token(self, num_occupied: int) -> float:
        """On the line between the two nearest measured numbers of slots; beyond the last two on theirs, if it
        rises, but at most in proportion to the slots."""
        after = bisect_left(self.measured, (num_occupied, 0.0))
        if after == 0 or len(self.measured) == 1:
            return self.measured[0][1]
        (low, faster), (high, slower) = self.measured[min(after, len(self.measured) - 1) - 1 :][:2]
        slope = (slower - faster) / (high - low)
        if num_occupied > high:
            return min(slower + max(0.0, slope) * (num_occupied - high), slower * num_occupied / high)
        return faster + slope * (num_occupied - low)


class PaceMeter:
    """Takes what each chunk took."""

    def __init__(self) -> None:
        self._means: dict[int, float] = {}

    def record(self, num_occupied: int, num_tokens: int, seconds: float) -> None:
        """A chunk of `num_tokens` per slot took so long."""
        latest = seconds / num_tokens
        mean = self._means.get(num_occupied, latest)
        self._means[num_occupied] = mean + _LATEST_SHARE * (latest - mean)

    @property
    def pace(self) -> Pace | None:
        """None before the first chunk."""
        return Pace(tuple(sorted(self._means.items()))) if self._means else None
