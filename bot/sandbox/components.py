"""Message components: how Discord gives back what an application sent, and how to find things in them.

Used for messages and modals, by the stores, the rules and the player.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

ACTION_ROW, BUTTON, STRING_SELECT, TEXT_INPUT = 1, 2, 3, 4
ROLE_SELECT, CHANNEL_SELECT = 6, 8
SELECTS = (STRING_SELECT, 5, ROLE_SELECT, 7, CHANNEL_SELECT)
SECTION, TEXT_DISPLAY, THUMBNAIL, MEDIA_GALLERY, FILE, SEPARATOR, CONTAINER = 9, 10, 11, 12, 13, 14, 17
LABEL, RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX = 18, 21, 22, 23
LINK_STYLE, PREMIUM_STYLE = 5, 6

Media = Callable[[str], dict[str, Any]]
"""Resolves a media URL (attachment://name or http) to an unfurled media item."""

# What Discord fills in where an application left it out.
_DEFAULTS: dict[int, dict[str, Any]] = {
    **{kind: {"min_values": 1, "max_values": 1} for kind in SELECTS},
    THUMBNAIL: {"description": None, "spoiler": False},
    FILE: {"name": None, "size": None, "spoiler": False},
    SEPARATOR: {"spacing": 1, "divider": True},
    CONTAINER: {"accent_color": None, "spoiler": False},
}


def children(component: dict[str, Any]) -> list[dict[str, Any]]:
    """The components directly inside `component`."""
    inside = list(component.get("components") or ())
    return inside + [component[key] for key in ("accessory", "component") if component.get(key)]


def walk(components: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every component, outer before inner, in the order a reader meets them."""
    for component in components:
        yield component
        yield from walk(children(component))


def as_answered(components: Sequence[dict[str, Any]], media: Media) -> list[dict[str, Any]]:
    """`components` as Discord answers them: nulls dropped, defaults and ids filled in, media resolved."""
    taken = {component["id"] for component in walk(components) if component.get("id")}
    numbers = (number for number in itertools.count(1) if number not in taken)
    return [_answered(component, numbers, media) for component in components]


def _answered(component: dict[str, Any], numbers: Iterator[int], media: Media) -> dict[str, Any]:
    kind = component["type"]
    answer = _DEFAULTS.get(kind, {}) | {key: value for key, value in component.items() if value is not None}
    answer["id"] = component.get("id") or next(numbers)
    if kind in SELECTS:
        answer.pop("required", None)  # a modal's word; libraries send it with messages too
        if answer.get("default_values"):
            answer["default_values"] = [value | {"id": str(value["id"])} for value in answer["default_values"]]
    if kind == MEDIA_GALLERY:
        answer["items"] = [
            {"description": None, "spoiler": False} | item | {"media": media(item["media"]["url"])}
            for item in component["items"]
        ]
    for key in ("media", "file"):
        if key in answer:
            answer[key] = media(answer[key]["url"])
    if "components" in answer:
        answer["components"] = [_answered(child, numbers, media) for child in component["components"]]
    for key in ("accessory", "component"):
        if key in answer:
            answer[key] = _answered(answer[key], numbers, media)
    return answer


def button_label(button: dict[str, Any]) -> str:
    """What is written on a button: its label, or its emoji."""
    return str(button.get("label") or (button.get("emoji") or {}).get("name") or "")
