"""What a guild makes of pictures that look like something: one rule for each category that it has switched on. Pure.

The guild's settings hold them; bot.moderation.image_rules applies them.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from bot.errors import InvalidParameterError
from bot.requests import check_number

CATEGORY_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")


class ImageAction(StrEnum):
    """What happens to a result, from the mildest.

    WARN: it is shown, and its requester is told. SPOILER: it is shown behind a click. HOLD: it waits for a moderator.
    REFUSE: it isn't shown. STRIKE: it isn't shown, and its requester gets a strike.
    """

    WARN = "warn"
    SPOILER = "spoiler"
    HOLD = "hold"
    REFUSE = "refuse"
    STRIKE = "strike"

    @property
    def severity(self) -> int:
        """Grows with the list above."""
        return list(ImageAction).index(self)


@dataclass(frozen=True, slots=True)
class ImageRule:
    """category: its name. threshold: the score from which the rule counts, 0 to 1; None for the
    category's own. Raises InvalidParameterError for other values."""

    category: str
    action: ImageAction
    threshold: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.category, str) or not CATEGORY_NAME.fullmatch(self.category):
            raise InvalidParameterError(
                "image_rules: {given!r:.40} is no name of a category: use small letters, digits and _.",
                given=self.category,
            )
        object.__setattr__(self, "action", _action(self.action))
        if self.threshold is not None:
            if isinstance(self.threshold, bool) or not isinstance(self.threshold, int | float):
                raise InvalidParameterError("{key} must be a number.", key="threshold")
            check_number("threshold", self.threshold, 0.0, 1.0)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {"category": self.category, "action": str(self.action), "threshold": self.threshold}

    @classmethod
    def from_json(cls, values: Any) -> "ImageRule":
        """Raises InvalidParameterError, TypeError or LookupError for what isn't from `to_json`."""
        return cls(values["category"], values["action"], values["threshold"])


def _action(value: object) -> ImageAction:
    if value not in set(ImageAction):
        raise InvalidParameterError(
            "image_rules: {given!r:.40} is no action; there are {actions}.",
            given=value,
            actions=tuple(str(action) for action in ImageAction),
        )
    return ImageAction(str(value))
