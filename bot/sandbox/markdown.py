"""Discord's markdown as a reader sees it: plain text without the marks, mentions with names, times in UTC. Pure.

Called by the player for its transcript; tests that care for the marks look at the requests.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

# In the order in which they are tried at each place: what is escaped or code is literal.
TOKEN: Final = re.compile(
    r"\\(?P<escaped>[^\w\s]|_)"
    r"|```(?:\w*\n)?(?P<block>.+?)```"
    r"|`(?P<code>[^`\n]+)`"
    r"|<(?P<sign>@!?|@&|\#)(?P<id>\d+)>"
    r"|<(?P<command>/[^:<>]+):\d+>"
    r"|<t:(?P<time>\d{1,12})(?::(?P<style>[tTdDfFR]))?>"
    r"|\[(?P<label>[^\[\]\n]+)\]\(https?://[^\s()]+\)"
    r"|(?P<mark>\*\*\*|\*\*|\*|__|~~|\|\|)"
    # Within words, as in snake_case, an underscore is one.
    r"|(?<![^\W_])_(?P<italic>(?:__|\\.|[^\\_])+?)_(?!\w)"
    r"|^(?P<head>-\#\ |\#{1,3}\ )",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)


_STYLES: Final = {
    "t": "%H:%M",
    "T": "%H:%M:%S",
    "d": "%d/%m/%Y",
    "D": "%d %B %Y",
    "f": "%d %B %Y %H:%M",
    "F": "%A, %d %B %Y %H:%M",
}
_UNITS: Final = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def as_read(text: str, name_of: Callable[[str], str | None], now_s: float) -> str:
    """`text` as Discord's client shows it. name_of: the name behind the id of a member, role or channel, if known.
    now_s: seconds since 1970, for times like “in 5 minutes”."""

    def shown(match: re.Match[str]) -> str:
        if match["mark"] or match["head"]:
            return ""
        if match["italic"]:
            return TOKEN.sub(shown, match["italic"])
        if match["id"]:
            name = name_of(match["id"])
            return match[0] if name is None else f"{match['sign'][0]}{name}"
        if match["time"]:
            return shown_time(match, now_s)
        return match["escaped"] or match["command"] or match["block"] or match["code"] or match["label"]

    return TOKEN.sub(shown, text)


def shown_time(match: re.Match[str], now_s: float) -> str:
    """What a reader sees of a TOKEN with a time."""
    seconds, style = int(match["time"]), match["style"] or "f"
    if style != "R":
        return datetime.fromtimestamp(seconds, UTC).strftime(_STYLES[style])
    distance = round(seconds - now_s)
    unit, length = next((unit for unit in _UNITS if abs(distance) >= unit[1]), _UNITS[-1])
    number = round(abs(distance) / length)
    words = f"{number} {unit}{'' if number == 1 else 's'}"
    return f"in {words}" if distance >= 0 else f"{words} ago"
