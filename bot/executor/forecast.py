"""When the waiting jobs will start: plays through which slots come free when. Pure.

The engine thread makes an EngineLoad each round; the event loop forecasts from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from bot.executor.pace import Pace
from bot.executor.scheduler import Job, Lineup
from bot.requests import GenerationRequest


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """How far the engine is, after it has dispatched a chunk.

    at_s: when, on the engine thread's clock. remaining: for each occupied slot the image tokens that are not dispatched
    yet, at least 1. chunks_until_round: how many chunks the device works on before free slots are given away again.
    pace: None while nothing is measured.
    """

    at_s: float
    num_slots: int
    chunk_tokens: int
    image_length: int
    remaining: tuple[int, ...]
    chunks_until_round: int
    pace: Pace | None


def expected_starts(load: EngineLoad, lineup: Lineup) -> dict[Job, float]:
    """Waiting job → seconds from `load.at_s` until its first image gets a slot; {} while nothing is measured.

    Nobody else comes, nobody is cancelled, and the device keeps its pace.
    """
    if load.pace is None:
        return {}
    # Slots are waited for only while all are occupied.
    chunk_s = load.chunk_tokens * load.pace.seconds_per_token(load.num_slots)
    round_number = load.chunks_until_round
    num_free = load.num_slots - len(load.remaining)
    # (round in which slots come free, how many)
    releases = [(round_number + _num_chunks(tokens, load), 1) for tokens in load.remaining]
    heapify(releases)
    starts: dict[Job, float] = {}
    for job, num_images in _images(lineup):
        num_chunks = _num_chunks(load.image_length - len(job.request.image_tokens), load)
        while num_images:
            while not num_free or (releases and releases[0][0] <= round_number):
                round_number, num_released = heappop(releases)
                num_free += num_released
            starts.setdefault(job, round_number * chunk_s)
            num_entering = min(num_images, num_free)
            heappush(releases, (round_number + num_chunks, num_entering))
            num_images -= num_entering
            num_free -= num_entering
    return {job: starts[job] for job in lineup.waiting}


def drawing_s(load: EngineLoad, request: GenerationRequest) -> float | None:
    """Seconds from a job's start to its last token if all slots are occupied; None while nothing is measured."""
    if load.pace is None:
        return None
    num_waves = -(-request.num_images // load.num_slots)
    num_tokens = num_waves * max(1, load.image_length - len(request.image_tokens))
    return num_tokens * load.pace.seconds_per_token(load.num_slots)


def next_picture_s(load: EngineLoad) -> float | None:
    """Seconds from `load.at_s` until the first slot has its last token; None while nothing is measured or drawn."""
    if load.pace is None or not load.remaining:
        return None
    chunk_s = load.chunk_tokens * load.pace.seconds_per_token(len(load.remaining))
    return (load.chunks_until_round + _num_chunks(min(load.remaining), load)) * chunk_s


def _images(lineup: Lineup) -> Iterator[tuple[Job, int]]:
    for rest in lineup.entering:
        yield rest.job, len(rest.images)
    for job in lineup.waiting:
        yield job, job.request.num_images


def _num_chunks(tokens: int, load: EngineLoad) -> int:
    """Even an image that brings all its tokens keeps its slot for a round."""
    return max(1, -(-tokens // load.chunk_tokens))
