"""What a strike leads to: the steps of a guild's ladder, checked, and as people and the store write them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from bot.errors import InvalidParameterError

MAX_STEPS: Final = 8
MIN_S: Final = 60
MAX_S: Final = 366 * 86400


class SanctionKind(StrEnum):
    """STRIKE: counts for a while. WARNING: words. COOLDOWN, BAN: no drawing for a time; a ban may be for ever."""

    STRIKE = "strike"
    WARNING = "warning"
    COOLDOWN = "cooldown"
    BAN = "ban"


@dataclass(frozen=True, slots=True)
class Step:
    """kind: not a strike. seconds: how long; None for a warning, and for a ban for ever.

    Raises InvalidParameterError for what makes no sense.
    """

    kind: SanctionKind
    seconds: int | None = None

    def __post_init__(self) -> None:
        if self.kind is SanctionKind.STRIKE:
            raise InvalidParameterError("A step of the ladder is a warning, a cooldown or a ban.")
        if self.kind is SanctionKind.WARNING and self.seconds is not None:
            raise InvalidParameterError("A warning lasts no time: write it without one.")
        if self.kind is SanctionKind.COOLDOWN and self.seconds is None:
            raise InvalidParameterError("A cooldown needs a time, as in cooldown 1h.")
        if self.seconds is not None and not MIN_S <= self.seconds <= MAX_S:
            raise InvalidParameterError("A step of the ladder lasts from 1 minute to 366 days, or for ever.")


DEFAULT_LADDER: Final = (
    Step(SanctionKind.WARNING),
    Step(SanctionKind.COOLDOWN, 3600),
    Step(SanctionKind.BAN, 86400),
    Step(SanctionKind.BAN),
)


def check_ladder(steps: Sequence[Step]) -> None:
    """Raises InvalidParameterError unless there are 1 to MAX_STEPS."""
    if not 1 <= len(steps) <= MAX_STEPS:
        raise InvalidParameterError("The ladder needs 1 to {most} steps.", most=MAX_STEPS)
    if not all(isinstance(step, Step) for step in steps):
        raise InvalidParameterError("A step of the ladder is a warning, a cooldown or a ban.")


def ladder_json(steps: Iterable[Step]) -> list[list[Any]]:
    """For `ladder_from`."""
    return [[str(step.kind), step.seconds] for step in steps]


def ladder_from(values: Iterable[Sequence[Any]]) -> tuple[Step, ...]:
    """What `ladder_json` made. Raises InvalidParameterError, ValueError or TypeError."""
    return tuple(Step(SanctionKind(kind), seconds) for kind, seconds in values)
