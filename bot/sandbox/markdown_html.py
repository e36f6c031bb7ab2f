"""Discord's markdown as HTML, for the page that shows a conversation. Pure. `markdown.py` says what is a mark."""

import html
import re
from collections.abc import Callable
from typing import Final

from bot.sandbox.markdown import TOKEN, shown_time

_TAGS: Final = {
    "**": ("strong",),
    "*": ("em",),
    "***": ("strong", "em"),
    "__": ("u",),
    "~~": ("s",),
    "||": ("mark",),
}
_BLOCK: Final = re.compile(r"(?P<head>#{1,3}|-#|[-*]|>|(?P<number>\d+)\.) (?P<rest>.*)")
_CLASSES: Final = {"#": "h1", "##": "h2", "###": "h3", "-#": "small", "-": "item", "*": "item", ">": "quote"}

NameOf = Callable[[str], str | None]


def as_html(text: str, name_of: NameOf, now_s: float) -> str:
    """`text` with a `<div>` for each line. The other arguments are those of `as_read`."""
    return "".join(_line(line, name_of, now_s) for line in text.split("\n"))


def _line(line: str, name_of: NameOf, now_s: float) -> str:
    block = _BLOCK.fullmatch(line)
    if block is None or block["number"]:
        return f"<div>{_inline(line, name_of, now_s)}</div>"
    return f'<div class="{_CLASSES[block["head"]]}">{_inline(block["rest"], name_of, now_s)}</div>'


def _inline(text: str, name_of: NameOf, now_s: float) -> str:
    """Marks become tags, which are closed at the end at the latest."""
    pieces, is_open, end = list[str](), list[str](), 0
    for match in TOKEN.finditer(text):
        pieces.append(html.escape(text[end : match.start()]))
        end = match.end()
        if match["mark"]:
            tags = _TAGS[match["mark"]]
            if tags[0] in is_open:
                # Whatever was opened inside ends with it.
                place = is_open.index(tags[0])
                pieces += [f"</{tag}>" for tag in reversed(is_open[place:])]
                del is_open[place:]
            else:
                pieces += [f"<{tag}>" for tag in tags]
                is_open += tags
        else:
            pieces.append(_piece(match, name_of, now_s))
    pieces.append(html.escape(text[end:]))
    return "".join([*pieces, *(f"</{tag}>" for tag in reversed(is_open))])


def _piece(match: re.Match[str], name_of: NameOf, now_s: float) -> str:
    if match["italic"]:
        return f"<em>{_inline(match['italic'], name_of, now_s)}</em>"
    if match["id"]:
        name = name_of(match["id"])
        return html.escape(match[0]) if name is None else _mention(f"{match['sign'][0]}{name}")
    if match["time"]:
        return f"<time>{html.escape(shown_time(match, now_s))}</time>"
    if match["command"]:
        return _mention(match["command"])
    code = match["block"] or match["code"]
    if code:
        return f"<code>{html.escape(code)}</code>"
    if match["label"]:
        return f'<span class="link">{html.escape(match["label"])}</span>'
    return html.escape(match["escaped"] or "")


def _mention(text: str) -> str:
    return f'<span class="mention">{html.escape(text)}</span>'
