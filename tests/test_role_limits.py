from typing import Any

import pytest

from bot.errors import InvalidParameterError
from bot.role_limits import MAX_ROLES, RoleLimits, check_role_limits, role_limits_from, role_limits_json

LIMITS = (RoleLimits(role_id=1, max_jobs=0, weight=2.5), RoleLimits(role_id=2**62, cooldown_s=0, daily_images=7))


def test_limits_survive_json() -> None:
    values = role_limits_json(LIMITS)
    assert values[0] == {"role_id": 1, "max_jobs": 0, "weight": 2.5}
    assert role_limits_from(values) == LIMITS


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"role_id": 0}, "role_id must be between 1 and"),
        ({"role_id": 1, "max_jobs": -1}, "max_jobs must be between 0 and 100000, not -1."),
        ({"role_id": 1, "cooldown_s": 86_401}, "cooldown_s must be between 0 and 86400"),
        ({"role_id": 1, "daily_images": 2.5}, "daily_images must be a whole number"),
        ({"role_id": 1, "weight": 0}, "weight must be between 0.01 and 100, not 0."),
        ({"role_id": 1, "weight": float("nan")}, "weight must be between 0.01 and 100, not nan."),
    ],
)
def test_wrong_values_are_named(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidParameterError, match=sentence):
        RoleLimits(**values)


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (tuple(RoleLimits(role_id=n) for n in range(1, MAX_ROLES + 2)), "At most 25 roles"),
        ((LIMITS[0], LIMITS[0]), "names a role twice"),
        (("patrons",), "no limits of a role"),
    ],
)
def test_wrong_lists_are_named(limits: Any, sentence: str) -> None:
    with pytest.raises(InvalidParameterError, match=sentence):
        check_role_limits(limits)
