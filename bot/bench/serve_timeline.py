"""What slots and device did during one run of `bench serve`, and the figures that follow from it. Pure arithmetic.

Times are seconds of one clock, in order. Filled by bot.bench.serve_watch, read when the run is over.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

Span = tuple[float, float]
"""From, to."""

# Of all images of a run: before, the slots fill up; after, they run empty.
_STEADY_FROM: Final = 0.2
_STEADY_TO: Final = 0.8


@dataclass(frozen=True, slots=True)
class Work:
    """Something that was dispatched to the device: when that was, and when the device had finished it.

    num_occupied: slots that were occupied then. num_images: that were done with it, pixels and scores included.
    """

    since_s: float
    done_s: float
    num_occupied: int
    num_images: int = 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """works: in the order of their dispatch, in which the device does them. occupied: times from which on the host
    takes so many slots for occupied; it takes one for free once the end of its image is dispatched."""

    works: tuple[Work, ...]
    occupied: tuple[tuple[float, int], ...]

    def occupancy(self, window: Span, num_slots: int) -> float:
        """Mean share of the slots for whose images the device works. window: of positive length."""
        slot_seconds = sum(count * _length(_clip(span, window)) for span, count in self.counts())
        return slot_seconds / num_slots / _length(window)

    def counts(self) -> Iterator[tuple[Span, int]]:
        """When the device worked on each thing in turn, and how many slots were occupied as of that thing."""
        free_s = float("-inf")
        for work in self.works:
            yield (max(work.since_s, free_s), work.done_s), work.num_occupied
            free_s = work.done_s

    def idle_share(self, window: Span) -> float:
        """Share of the time in which images are under way, but nothing that was dispatched is unfinished; 0.0 if none
        ever is. Images are under way while slots are occupied or something is unfinished."""
        last = (max(window[1], self.occupied[-1][0]), 0) if self.occupied else (window[1], 0)
        occupied = [
            _clip((since, until), window) for (since, count), (until, _) in pairwise((*self.occupied, last)) if count
        ]
        busy = [_clip((work.since_s, work.done_s), window) for work in self.works]
        under_way_s = _covered([*occupied, *busy])
        return 1.0 - _covered(busy) / under_way_s if under_way_s else 0.0

    def steady_rate(self) -> float:
        """Images per second in the middle of the run, from one time at which images were done to another.

        So whole rounds are counted where slots end together. Raises ValueError if images were done at one time only.
        """
        drawn = [work for work in self.works if work.num_images]
        times = [work.done_s for work in drawn]
        totals = list(accumulate(work.num_images for work in drawn))
        if len(set(times)) < 2:
            raise ValueError("A rate needs images that were done at two times at least.")
        first = next(i for i, total in enumerate(totals) if total >= _STEADY_FROM * totals[-1])
        last = next(i for i, total in enumerate(totals) if total >= _STEADY_TO * totals[-1])
        if times[last] == times[first]:
            first, last = 0, len(totals) - 1
        return (totals[last] - totals[first]) / (times[last] - times[first])


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
