"""Message components and forms as HTML, for the page that shows a conversation. Pure."""

import html
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from bot.sandbox import components as parts

_STYLES: Final = {1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "secondary"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """text: markdown as HTML. source_of: what an `<img>` loads for an address, None for nothing."""

    text: Callable[[str], str]
    source_of: Callable[[str], str | None]


def image(source: str | None, description: str | None) -> str:
    """A picture, or its description where there is none."""
    alt = html.escape(description or "", quote=True)
    return f'<img src="{source}" alt="{alt}" title="{alt}">' if source else f'<p class="absent">{alt}</p>'


def components_html(components: Iterable[dict[str, Any]], around: Surroundings) -> str:
    """Components one below the other."""
    return "".join(_component(component, around) for component in components)


def form_html(modal: dict[str, Any], around: Surroundings) -> str:
    """An open form."""
    fields = "".join(_field(row, around) for row in modal["components"])
    buttons = '<div class="row"><span class="button secondary">Cancel</span><span class="button primary">Submit</span>'
    return f'<section class="form"><h2>{html.escape(modal["title"])}</h2>{fields}{buttons}</div></section>'


def _component(component: dict[str, Any], around: Surroundings) -> str:
    kind = component["type"]
    inside = components_html(component.get("components") or (), around)
    if kind == parts.ACTION_ROW:
        return f'<div class="row">{inside}</div>'
    if kind == parts.BUTTON:
        return _button(component)
    if kind in parts.SELECTS:
        return _select(component)
    if kind == parts.TEXT_DISPLAY:
        return f'<div class="text">{around.text(component["content"])}</div>'
    if kind == parts.SECTION:
        accessory = components_html([component["accessory"]], around)
        return f'<div class="section"><div>{inside}</div><div>{accessory}</div></div>'
    if kind == parts.CONTAINER:
        colour = component.get("accent_color")
        bar = "" if colour is None else f' style="border-left: 4px solid #{colour:06x}"'
        return f'<div class="container"{bar}>{inside}</div>'
    if kind == parts.SEPARATOR:
        return "<hr>" if component.get("divider", True) else "<br>"
    if kind == parts.MEDIA_GALLERY:
        items = component["items"]
        pictures = (image(around.source_of(item["media"]["url"]), item.get("description")) for item in items)
        return f'<div class="gallery">{"".join(pictures)}</div>'
    if kind == parts.THUMBNAIL:
        picture = image(around.source_of(component["media"]["url"]), component.get("description"))
        return f'<div class="thumbnail">{picture}</div>'
    if kind == parts.FILE:
        return f'<div class="file">{html.escape(component["file"]["url"].rpartition("/")[2])}</div>'
    return inside


def _button(button: dict[str, Any]) -> str:
    label = html.escape(parts.button_label(button)) + (" ↗" if button.get("style") == parts.LINK_STYLE else "")
    off = " off" if button.get("disabled") else ""
    return f'<span class="button {_STYLES.get(button.get("style", 2), "secondary")}{off}">{label}</span>'


def _select(select: dict[str, Any]) -> str:
    """Closed; a reader can open it."""
    options = select.get("options") or ()
    chosen = ", ".join(html.escape(option["label"]) for option in options if option.get("default"))
    shown = chosen or html.escape(select.get("placeholder") or "Make a selection")
    off = " off" if select.get("disabled") else ""
    items = "".join(
        f"<li>{html.escape(option['label'])}<small>{html.escape(option.get('description') or '')}</small></li>"
        for option in options
    )
    return f'<details class="select{off}"><summary>{shown}</summary><ul>{items}</ul></details>'


def _field(row: dict[str, Any], around: Surroundings) -> str:
    """One row of a form: a label with what is below it, or a text."""
    if row["type"] == parts.TEXT_DISPLAY:
        return _component(row, around)
    pieces = []
    for inner in parts.children(row):
        label = html.escape(str(row.get("label") or inner.get("label") or ""))
        note = html.escape(str(row.get("description") or ""))
        if inner["type"] in parts.SELECTS:
            box = _select(inner)
        elif inner["type"] == parts.TEXT_INPUT:
            value = inner.get("value")
            text = html.escape(str(value or inner.get("placeholder") or "")) or "&nbsp;"
            box = f'<div class="input{"" if value else " empty"}">{text}</div>'
        else:
            options = (html.escape(option["label"]) for option in inner.get("options") or ())
            box = "".join(f'<div class="choice">{option}</div>' for option in options)
        pieces.append(f"<label>{label}<small>{note}</small></label>{box}")
    return "".join(pieces)
