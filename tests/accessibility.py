"""Checks what the bot has sent for people who hear it read aloud, or can't tell colours apart.

Every picture has a description, every control and choice a word, every message words and not signs alone; a bar of
block characters has its number beside it. The fixture `sandbox` of tests/conftest.py checks every exchange of every
test with it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from bot.sandbox import Exchange
from bot.sandbox import components as parts

MAX_DESCRIPTION_CHARACTERS: Final = 1024
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_BLOCKS: Final = re.compile(r"[\u2500-\u259f]")
_PERCENT: Final = re.compile(r"\d ?%")
_UPLOAD: Final = re.compile(r"files\[(\d+)\]")


def check(exchanges: Iterable[Exchange]) -> None:
    """Fails with every complaint about the messages, forms and suggestions in these requests."""
    found = [complaint for exchange in exchanges for complaint in complaints(exchange)]
    assert not found, "\n".join(found)


def complaints(exchange: Exchange) -> list[str]:
    """What is wrong with a request, a sentence each; nothing is if it sends no message or was refused."""
    if exchange.method not in ("POST", "PATCH") or exchange.status >= 400 or not isinstance(exchange.payload, dict):
        return []
    message = exchange.payload
    if exchange.path.endswith("/callback"):
        message = exchange.payload.get("data") or {}
    where = f"{exchange.method} {exchange.path_template}"
    return [f"{where}: {sentence}" for sentence in _faults(message, exchange.files)]


def _faults(message: dict[str, Any], files: Iterable[tuple[str, str, int]]) -> Iterator[str]:
    described = {str(item.get("id")): item.get("description") for item in message.get("attachments") or ()}
    for field, name, _ in files:
        number = _UPLOAD.fullmatch(field)
        assert number is not None
        yield from _about_picture(name, described.get(number[1]))
    texts = [message["content"]] if message.get("content") else []
    for embed in message.get("embeds") or ():
        texts += [embed.get("title") or "", embed.get("description") or ""]
    for component in parts.walk(message.get("components") or ()):
        if component["type"] == parts.TEXT_DISPLAY:
            texts.append(component["content"])
        yield from _about_component(component)
    if texts and not _WORD.search(" ".join(texts)):
        yield f"{texts} has no word."
    for line in "\n".join(texts).splitlines():
        if _BLOCKS.search(line) and not (_WORD.search(line) and _PERCENT.search(line)):
            yield f"{line!r} draws with characters and does not say the same in words."


def _about_component(component: dict[str, Any]) -> Iterator[str]:
    kind = component["type"]
    if kind == parts.BUTTON and not _WORD.search(component.get("label") or ""):
        yield f"the button {parts.button_label(component)!r} has no word."
    if kind in parts.SELECTS:
        options = component.get("options") or ()
        shown = [component.get("placeholder") or "", *(option["label"] for option in options if option.get("default"))]
        if not _WORD.search(" ".join(shown)):
            yield f"the select {component['custom_id']} shows no word."
        for option in options:
            if not _WORD.search(f"{option['label']} {option.get('description') or ''}"):
                yield f"the choice {option['label']!r} has no word."
    if kind == parts.MEDIA_GALLERY:
        for item in component["items"]:
            yield from _about_picture(item["media"]["url"], item.get("description"))
    if kind == parts.THUMBNAIL:
        yield from _about_picture(component["media"]["url"], component.get("description"))


def _about_picture(name: str, description: str | None) -> Iterator[str]:
    if not _WORD.search(description or ""):
        yield f"{name} has no description."
    elif len(description or "") > MAX_DESCRIPTION_CHARACTERS:
        yield f"the description of {name} is too long."
