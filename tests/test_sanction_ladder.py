from typing import Any

import pytest

from bot.errors import InvalidParameterError
from bot.sanction_ladder import DEFAULT_LADDER, MAX_STEPS, SanctionKind, Step, check_ladder, ladder_from, ladder_json


def test_a_ladder_survives_json() -> None:
    assert ladder_json(DEFAULT_LADDER) == [["warning", None], ["cooldown", 3600], ["ban", 86400], ["ban", None]]
    assert ladder_from(ladder_json(DEFAULT_LADDER)) == DEFAULT_LADDER


@pytest.mark.parametrize(
    ("kind", "seconds", "sentence"),
    [
        (SanctionKind.STRIKE, None, "A step of the ladder is a warning"),
        (SanctionKind.WARNING, 60, "A warning lasts no time"),
        (SanctionKind.COOLDOWN, None, "A cooldown needs a time"),
        (SanctionKind.BAN, 59, "lasts from 1 minute to 366 days"),
        (SanctionKind.COOLDOWN, 366 * 86400 + 1, "lasts from 1 minute to 366 days"),
    ],
)
def test_steps_without_sense_are_refused(kind: SanctionKind, seconds: int | None, sentence: str) -> None:
    with pytest.raises(InvalidParameterError, match=sentence):
        Step(kind, seconds)


@pytest.mark.parametrize("steps", [(), DEFAULT_LADDER * 3])
def test_a_ladder_has_some_steps_and_not_too_many(steps: tuple[Step, ...]) -> None:
    with pytest.raises(InvalidParameterError, match=f"The ladder needs 1 to {MAX_STEPS} steps"):
        check_ladder(steps)


@pytest.mark.parametrize("values", [[["ban"]], [["nonsense", None]], [["ban", "soon"]], [[]], [5]])
def test_damaged_values_are_refused(values: Any) -> None:
    with pytest.raises((InvalidParameterError, ValueError, TypeError)):
        ladder_from(values)
