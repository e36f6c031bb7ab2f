import pytest

from bot.errors import InvalidParameterError
from bot.image_rule import ImageAction, ImageRule


def test_a_rule_survives_json() -> None:
    for rule in (ImageRule("blood", ImageAction.HOLD), ImageRule("black_star", ImageAction.STRIKE, 0.25)):
        assert ImageRule.from_json(rule.to_json()) == rule


def test_actions_grow_stronger() -> None:
    assert sorted(ImageAction, key=lambda action: action.severity) == ["warn", "spoiler", "hold", "refuse", "strike"]


@pytest.mark.parametrize(
    ("category", "action", "threshold", "said"),
    [
        ("Blood", "hold", None, "no name of a category"),
        ("", "hold", None, "no name of a category"),
        ("a" * 33, "hold", None, "no name of a category"),
        (7, "hold", None, "no name of a category"),
        ("blood", "kill", None, "is no action; there are warn, spoiler, hold, refuse and strike"),
        ("blood", "hold", 1.5, "threshold must be between 0 and 1"),
        ("blood", "hold", "much", "threshold must be a number"),
        ("blood", "hold", True, "threshold must be a number"),
    ],
)
def test_what_is_no_rule(category: str, action: ImageAction, threshold: float, said: str) -> None:
    with pytest.raises(InvalidParameterError, match=said):
        ImageRule(category, action, threshold)
