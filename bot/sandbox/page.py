"""A conversation as its player sees it: one HTML page without scripts, whose pictures are in it. Pure.

The sandbox makes it on a worker thread. Any browser shows it; it is for looking at what the bot says, all kinds of
messages at once. What has changed since is folded away: a message shows its last state.
"""

import base64
import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.sandbox.clock import iso
from bot.sandbox.markdown_html import NameOf, as_html
from bot.sandbox.messages import COMPONENTS_V2, Attachment, Message
from bot.sandbox.page_components import Surroundings, components_html, form_html, image
from bot.sandbox.page_style import STYLE
from bot.sandbox.scrapbook import Entry, Form, Remark, Said, Shown
from bot.sandbox.world import BOT_NAME

_ATTACHMENT: Final = "attachment://"


@dataclass(frozen=True, slots=True)
class Views:
    """name_of: the name behind an id, if known. read: the bytes of an attachment by its id, if they are still kept.
    now_s: seconds since 1970."""

    name_of: NameOf
    read: Callable[[str], bytes | None]
    now_s: float

    def text(self, markdown: str) -> str:
        """Markdown as HTML."""
        return as_html(markdown, self.name_of, self.now_s)


def render_page(entries: Sequence[Entry], views: Views) -> str:
    """The page of a scrapbook."""
    pieces, channel = [], ""
    for entry in entries:
        if isinstance(entry, Said) and entry.channel_name != channel:
            channel = entry.channel_name
            pieces.append(f'<h2 class="channel">#{html.escape(channel)}</h2>')
        pieces.append(_entry(entry, views))
    body = "\n".join(pieces)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>A conversation with dalle-bot</title>\n'
        f"<style>{STYLE}</style></head><body><main>\n{body}\n</main></body></html>\n"
    )


def _entry(entry: Entry, views: Views) -> str:
    match entry:
        case Said():
            return _said(entry)
        case Remark():
            kind = "failure" if entry.is_failure else "remark"
            return f'<pre class="{kind}">{html.escape(entry.text)}</pre>'
        case Form():
            return form_html(entry.modal, Surroundings(views.text, lambda _: None))
        case Shown():
            return _shown(entry, views)


def _said(said: Said) -> str:
    """A command is typed for all to read; a click is only told of."""
    name, line = html.escape(said.member.name), html.escape(said.line)
    if not said.line.startswith("/"):
        return f'<p class="deed">{name}: {line}</p>'
    return (
        f'<article><div class="avatar member">{name[:1].upper()}</div><div class="body">'
        f'<header><b>{name}</b></header><div class="text"><span class="typed">{line}</span></div></div></article>'
    )


def _shown(shown: Shown, views: Views) -> str:
    *earlier, last = shown.states
    folded = ""
    if earlier:
        states = "".join(f'<div class="state">{_content(state, views)}</div>' for state in earlier)
        folded = f'<details class="earlier"><summary>earlier states: {len(earlier)}</summary>{states}</details>'
    notes = []
    if shown.is_direct:
        notes.append("Direct message")
    if last.viewer_id is not None:
        notes.append("Only you can see this")
    if shown.is_deleted:
        notes.append("Deleted")
    note = f'<p class="only">{" · ".join(notes)}</p>' if notes else ""
    gone = " gone" if shown.is_deleted else ""
    private = " private" if last.viewer_id is not None or shown.is_direct else ""
    name = html.escape(views.name_of(last.author_id) or BOT_NAME)
    is_app = name == BOT_NAME
    badge = ' <span class="app">APP</span>' if is_app else ""
    edited = " <small>(edited)</small>" if last.edited_s is not None else ""
    return (
        f'<article class="{private}{gone}"><div class="avatar{"" if is_app else " member"}">{name[:1].upper()}</div>'
        f'<div class="body"><header><b>{name}</b>{badge} <time>{iso(last.created_s)[11:16]}</time>{edited}</header>'
        f"{folded}{_content(last, views)}{note}</div></article>"
    )


def _content(message: Message, views: Views) -> str:
    if message.is_loading:
        return f'<div class="text"><em>{BOT_NAME} is thinking…</em></div>'
    around = Surroundings(views.text, lambda url: _source_of(message, url, views))
    pieces = []
    if message.content:
        pieces.append(f'<div class="text">{views.text(message.content)}</div>')
    pieces += [_embed(embed, around) for embed in message.embeds]
    # Components show attachments themselves, where they are to be seen.
    if not message.flags & COMPONENTS_V2:
        pieces += [_attachment(attachment, views) for attachment in message.attachments]
    pieces.append(components_html(message.components, around))
    return "".join(pieces)


def _attachment(attachment: Attachment, views: Views) -> str:
    if attachment.width_px is None:
        size = f"{attachment.size_bytes / 1e3:.1f} kB"
        return f'<div class="file">{html.escape(attachment.filename)}<small>{size}</small></div>'
    return f"<figure>{image(_data(attachment, views), attachment.description)}</figure>"


def _embed(embed: dict[str, Any], around: Surroundings) -> str:
    pieces = []
    if embed.get("title"):
        pieces.append(f'<div class="text"><strong>{html.escape(embed["title"])}</strong></div>')
    if embed.get("description"):
        pieces.append(f'<div class="text">{around.text(embed["description"])}</div>')
    for field in embed.get("fields") or ():
        value = around.text(field["value"])
        pieces.append(f'<div class="text"><strong>{html.escape(field["name"])}</strong>{value}</div>')
    media = [embed[key] for key in ("image", "thumbnail") if embed.get(key)]
    pieces += [image(around.source_of(item["url"]), None) for item in media]
    if embed.get("footer"):
        pieces.append(f'<div class="text"><div class="small">{html.escape(embed["footer"]["text"])}</div></div>')
    return f'<div class="container">{"".join(pieces)}</div>'


def _source_of(message: Message, url: str, views: Views) -> str | None:
    name = url.removeprefix(_ATTACHMENT)
    attachment = next((item for item in message.attachments if item.filename == name), None)
    return None if attachment is None else _data(attachment, views)


def _data(attachment: Attachment, views: Views) -> str | None:
    data = views.read(attachment.id)
    if data is None:
        return None
    return f"data:{attachment.content_type};base64,{base64.b64encode(data).decode()}"
