"""What slots and device did during one run of `bench serve`, and the figures that follow from it. Pure arithmetic.

Times are seconds of one clock, in order. Filled by bot.bench.serve_watch, read when the run is over.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

Span = tuple[float, float]
"""From, to."""

# Of all images of a run: before, the slots fill up; after, they run empty.
_STEADY_FROM: Final = 0.2
_STEADY_TO: Final = 0.8


@dataclass(frozen=True, slots=True)
class Timeline:
    """busy: of each thing that was dispatched to the device, when that was and when the device had finished it.
    occupied: times from which on so many slots are occupied; before the first one none is.
    drawn: times at which so many further images were done, pixels and scores included.
    """

    busy: tuple[Span, ...]
    occupied: tuple[tuple[float, int], ...]
    drawn: tuple[tuple[float, int], ...]

    def occupancy(self, window: Span, num_slots: int) -> float:
        """Mean share of the slots that are occupied. window: of positive length."""
        slot_seconds = sum(count * _length(_clip(span, window)) for span, count in self._counts(window[1]))
        return slot_seconds / num_slots / _length(window)

    def idle_share(self, window: Span) -> float:
        """Share of the time with occupied slots in which nothing that was dispatched is unfinished; 0.0 without any."""
        occupied = [_clip(span, window) for span, count in self._counts(window[1]) if count]
        busy = [_clip(span, window) for span in self.busy]
        occupied_s = _covered(occupied)
        # Of two sets, what the first has and the second has not: their union less the second.
        return (_covered([*occupied, *busy]) - _covered(busy)) / occupied_s if occupied_s else 0.0

    def steady_rate(self) -> float:
        """Images per second in the middle of the run, from one time at which images were done to another.

        So whole rounds are counted where slots end together. Raises ValueError if images were done at one time only.
        """
        times = [time for time, _ in self.drawn]
        totals = list(accumulate(count for _, count in self.drawn))
        if len(set(times)) < 2:
            raise ValueError("A rate needs images that were done at two times at least.")
        first = next(i for i, total in enumerate(totals) if total >= _STEADY_FROM * totals[-1])
        last = next(i for i, total in enumerate(totals) if total >= _STEADY_TO * totals[-1])
        if times[last] == times[first]:
            first, last = 0, len(totals) - 1
        return (totals[last] - totals[first]) / (times[last] - times[first])

    def _counts(self, end: float) -> Iterable[tuple[Span, int]]:
        last = (max(end, self.occupied[-1][0]), 0) if self.occupied else (end, 0)
        for (since, count), (until, _) in pairwise((*self.occupied, last)):
            yield (since, until), count


def _clip(span: Span, window: Span) -> Span:
    return max(span[0], window[0]), min(span[1], window[1])


def _length(span: Span) -> float:
    return max(0.0, span[1] - span[0])


def _covered(spans: Sequence[Span]) -> float:
    """The length of what at least one of the spans covers."""
    total, end = 0.0, float("-inf")
    for since, until in sorted(spans):
        total += max(0.0, until - max(since, end))
        end = max(end, until)
    return total
