"""Text that fits into a message: cut to what Discord takes, visibly, and escaped. Pure functions, called by whatever
shows prompts, reasons and names.

These come from strangers. In a message they are always escaped: no mention, no markdown, no link, no unfurling.
"""

import re
import unicodedata
from typing import Final

MAX_CONTENT_CHARACTERS: Final = 2000
_ELLIPSIS: Final = "…"

_MARKDOWN = re.compile(r"[\\*_~`|<>\[\]]")
_LINE_START = re.compile(r"\A[#-]")
_URL_SCHEME = re.compile(r":(?=//)")
_BARE_HOST = re.compile(r"(?<=[\w-])\.(?=[\w-]+/)")
_BIDI_CONTROLS: Final = frozenset({"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"})


def escape(text: str) -> str:
    """`text` so that Discord shows it letter by letter: no markdown, mention, timestamp, link or embed comes of it.

    Marks that reorder text (Unicode's bidirectional controls) are dropped, since they could disguise what follows.
    """
    plain = "".join(c for c in text if unicodedata.bidirectional(c) not in _BIDI_CONTROLS)
    plain = _MARKDOWN.sub(r"\\\g<0>", plain)
    plain = _LINE_START.sub(r"\\\g<0>", plain)
    plain = _URL_SCHEME.sub(r"\\:", plain)
    plain = _BARE_HOST.sub(r"\\.", plain)
    # A backslash hides a mention from the reader's client only; the zero-width space hides it from the server too.
    return plain.replace("@", "@\u200b")


def escape_shortened(text: str, room: int) -> str:
    """The escape of `text` within `room` UTF-16 units, with an ellipsis where something was left out."""
    escaped = escape(text)
    return escaped if _length(escaped) <= room else _longest_escaped(text, room - 1) + _ELLIPSIS


def under_prompt(prompt: str, lines: list[str], *, if_shortened: str | None = None) -> str:
    """The prompt as a bold heading with `lines` below, within MAX_CONTENT_CHARACTERS; the prompt gives way, visibly."""
    heading = escape(prompt)
    body = "\n".join(lines)
    if _length(f"**{heading}**\n{body}") > MAX_CONTENT_CHARACTERS:
        body = "\n".join([*lines, if_shortened] if if_shortened else lines)
        room = MAX_CONTENT_CHARACTERS - _length(f"**{_ELLIPSIS}**\n{body}")
        heading = _longest_escaped(prompt, room) + _ELLIPSIS
    return f"**{heading}**\n{body}"


def cut(text: str, length: int) -> str:
    """The start of `text` within `length` characters, with an ellipsis where something was left out."""
    return text if len(text) <= length else text[: length - 1] + _ELLIPSIS


def _longest_escaped(text: str, room: int) -> str:
    """The escape of the longest start of `text` that fits into `room` UTF-16 units."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if _length(escape(text[:middle])) <= room:
            low = middle
        else:
            high = middle - 1
    return escape(text[:low].rstrip())


def _length(text: str) -> int:
    """UTF-16 units: what Discord's own client counts, never less than the characters that the server counts."""
    return len(text.encode("utf-16-le")) // 2
