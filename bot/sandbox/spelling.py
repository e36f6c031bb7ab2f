"""What Discord's clients call commands, options and choices in the member's language. Pure."""

from collections.abc import Iterable
from typing import Any


def shown_name(item: dict[str, Any], locale: str) -> str:
    """The name of a command, option or choice as a client in `locale` shows it."""
    localizations: dict[str, str] = item.get("name_localizations") or {}
    name: str = item["name"]
    return localizations.get(locale, name)


def by_spelling(items: Iterable[dict[str, Any]], locale: str) -> dict[str, dict[str, Any]]:
    """What a member may type → what is meant: English names too, but a name in the member's language wins."""
    items = list(items)
    return {item["name"]: item for item in items} | {shown_name(item, locale): item for item in items}
