"""What the bot's own process tells `bench chat` about itself, as frozen records and as JSON. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bot.bench.loop_watch import Block


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the engine was at a moment of `time.monotonic`: jobs that wait, and jobs that are being drawn."""

    at_s: float
    num_waiting: int
    num_running: int


@dataclass(frozen=True, slots=True)
class BotReport:
    """Since the last "watch". longest: the longest time between two beats of its loop. blocks: all long ones.

    warm_up_longest_s: the longest before that, while the engine was loaded and the first jobs ran. full_collection_s:
    how long a full collection of garbage takes in the end; sooner or later one comes, and holds up every thread.
    log: level → number of log records, from WARNING on.
    """

    engine_state: str
    model: str
    longest: Block
    blocks: Sequence[Block]
    loads: Sequence[Load]
    log: Mapping[str, int]
    warm_up_longest_s: float
    full_collection_s: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "BotReport":
        parts = {
            "longest": Block(**data["longest"]),
            "blocks": [Block(**block) for block in data["blocks"]],
            "loads": [Load(**load) for load in data["loads"]],
        }
        return cls(**{**data, **parts})
