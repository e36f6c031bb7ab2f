"""What a guild allows the members of one role, instead of what it allows everybody. Frozen, validated. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from bot.errors import InvalidParameterError
from bot.requests import WEIGHT_BOUNDS, check_number, check_whole

MAX_ROLES: Final = 25
MAX_COUNT: Final = 100_000
MAX_COOLDOWN_S: Final = 24 * 60 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleLimits:
    """max_jobs, daily_images: 0 for no limit of the guild's. cooldown_s: 0 for none. weight: a member's share of the
    turns, against 1 of others. None for what counts for everybody.

    Raises InvalidParameterError for what makes no sense.
    """

    role_id: int
    max_jobs: int | None = None
    cooldown_s: int | None = None
    daily_images: int | None = None
    weight: float | None = None

    def __post_init__(self) -> None:
        check_whole("role_id", self.role_id, 1, 2**63 - 1)
        for key, most in (("max_jobs", MAX_COUNT), ("cooldown_s", MAX_COOLDOWN_S), ("daily_images", MAX_COUNT)):
            if getattr(self, key) is not None:
                check_whole(key, getattr(self, key), 0, most)
        if self.weight is not None:
            check_number("weight", self.weight, WEIGHT_BOUNDS.low, WEIGHT_BOUNDS.high)


def check_role_limits(limits: Sequence[RoleLimits]) -> None:
    """Raises InvalidParameterError for too many, and for a role that stands there twice."""
    if not all(isinstance(each, RoleLimits) for each in limits):
        raise InvalidParameterError("role_limits holds what are no limits of a role.")
    if len(limits) > MAX_ROLES:
        raise InvalidParameterError("At most {most} roles can have limits of their own.", most=MAX_ROLES)
    if len({each.role_id for each in limits}) < len(limits):
        raise InvalidParameterError("role_limits names a role twice.")


def role_limits_json(limits: Iterable[RoleLimits]) -> list[dict[str, Any]]:
    """For `role_limits_from`."""
    return [{key: value for key, value in asdict(each).items() if value is not None} for each in limits]


def role_limits_from(values: Iterable[Mapping[str, Any]]) -> tuple[RoleLimits, ...]:
    """What `role_limits_json` made. Raises InvalidParameterError or TypeError."""
    return tuple(RoleLimits(**each) for each in values)
