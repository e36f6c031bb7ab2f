"""Rules for pictures in words: what the shipped categories are called, what each action does, which rules count."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bot.image_rule import ImageAction
from bot.language import Text
from bot.moderation.image_categories import Categories

MAX_SHOWN_HITS: Final = 9

UNCALIBRATED: Final = Text(
    "Uncalibrated: nobody has compared these categories with pictures of this bot's model, so they are often wrong."
)

# The shipped ones; one's own are called by their names.
_CATEGORIES: Final[Mapping[str, Text]] = {
    "nudity": Text("nudity"),
    "sex": Text("sex"),
    "blood": Text("blood and wounds"),
    "weapons": Text("weapons"),
    "hate": Text("symbols of hate"),
    "self_harm": Text("self-harm"),
    "drugs": Text("drugs"),
}

ACTIONS: Final[Mapping[ImageAction, Text]] = {
    ImageAction.WARN: Text("show, and warn whoever asked"),
    ImageAction.SPOILER: Text("show as a spoiler"),
    ImageAction.HOLD: Text("hold for moderators"),
    ImageAction.REFUSE: Text("refuse"),
    ImageAction.STRIKE: Text("refuse, with a strike"),
}


def category_text(name: str) -> Text | str:
    """What a category is called; for a field of a Text."""
    return _CATEGORIES.get(name) or name.replace("_", " ")


def hits_text(hits: Sequence[Mapping[str, Any]], categories: Categories) -> list[Text]:
    """One line for each rule that counted, the strongest first, at most MAX_SHOWN_HITS. hits: as JSON, from a case."""
    lines = [
        Text(
            "Picture {rank}: {category}, {score} % (a rule from {threshold} % on)",
            rank=hit["rank"],
            category=category_text(str(hit["category"])),
            score=percent(hit["score"]),
            threshold=percent(hit["threshold"]),
        )
        for hit in hits[:MAX_SHOWN_HITS]
    ]
    return [*lines, UNCALIBRATED] if lines and not categories.is_calibrated else lines


def percent(share: float) -> str:
    """Without a decimal point, and 100 only where it is exact."""
    return str(int(share * 100))
