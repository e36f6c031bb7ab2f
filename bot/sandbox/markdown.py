"""Discord's markdown as a reader sees it: plain text without the marks, mentions with names. Pure.

Called by the player for its transcript; tests that care for the marks look at the requests.
"""

import re
from collections.abc import Callable
from typing import Final

# In the order in which they are tried at each place: what is escaped or code is literal.
_TOKEN: Final = re.compile(
    r"\\(?P<escaped>[^\w\s]|_)"
    r"|```(?:\w*\n)?(?P<block>.+?)```"
    r"|`(?P<code>[^`\n]+)`"
    r"|<(?P<sign>@!?|@&|\#)(?P<id>\d+)>"
    r"|<(?P<command>/[^:<>]+):\d+>"
    r"|\[(?P<label>[^\[\]\n]+)\]\(https?://[^\s()]+\)"
    r"|(?P<mark>\*\*\*|\*\*|\*|__|~~|\|\|)"
    # Within words, as in snake_case, an underscore is one.
    r"|(?<![^\W_])_(?P<italic>(?:__|\\.|[^\\_])+?)_(?!\w)"
    r"|^(?P<head>-\#\ |\#{1,3}\ )",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)


def as_read(text: str, name_of: Callable[[str], str | None]) -> str:
    """`text` as Discord's client shows it. name_of: the name behind the id of a member, role or channel, if known."""

    def shown(match: re.Match[str]) -> str:
        if match["mark"] or match["head"]:
            return ""
        if match["italic"]:
            return _TOKEN.sub(shown, match["italic"])
        if match["id"]:
            name = name_of(match["id"])
            return match[0] if name is None else f"{match['sign'][0]}{name}"
        return match["escaped"] or match["command"] or match["block"] or match["code"] or match["label"]

    return _TOKEN.sub(shown, text)
