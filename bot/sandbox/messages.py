"""Messages and their attachments as frozen records, and the JSON and the text that they are shown as.

`MessageStore` makes them; routes, gateway and player read them, on the sandbox's event loop.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.sandbox import components as parts
from bot.sandbox.clock import iso
from bot.sandbox.objects import member_json, user_json
from bot.sandbox.world import BOT_NAME, World

EPHEMERAL = 1 << 6
LOADING = 1 << 7
COMPONENTS_V2 = 1 << 15
_SIGNS = {"user": "@", "role": "@&", "channel": "#"}
DEFAULT_MESSAGE, REPLY, SLASH_ANSWER, MENU_ANSWER = 0, 19, 20, 23


@dataclass(frozen=True, slots=True)
class Attachment:
    """A stored file. width_px and height_px are None unless it is a picture."""

    id: str
    filename: str
    size_bytes: int
    content_type: str
    description: str | None
    width_px: int | None
    height_px: int | None


@dataclass(frozen=True, slots=True)
class Origin:
    """The interaction that a message answers. metadata: the message's `interaction_metadata` object."""

    interaction_id: str
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is at one moment; an edit makes a new record with the same id.

    created_s, edited_s: seconds since 1970. viewer_id: the only member who sees it, if it is ephemeral.
    """

    id: str
    channel_id: str
    author_id: str
    kind: int
    created_s: float
    edited_s: float | None = None
    content: str = ""
    embeds: tuple[dict[str, Any], ...] = ()
    components: tuple[dict[str, Any], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    flags: int = 0
    mentioned_user_ids: tuple[str, ...] = ()
    mentioned_role_ids: tuple[str, ...] = ()
    mentions_everyone: bool = False
    tts: bool = False
    nonce: str | int | None = None
    origin: Origin | None = None
    viewer_id: str | None = None

    @property
    def is_loading(self) -> bool:
        """Whether it still says that the application is thinking."""
        return bool(self.flags & LOADING)

    def is_visible_to(self, member_id: str) -> bool:
        return self.viewer_id in (None, member_id)


class MessageJson:
    """Writes messages as Discord's REST answers. url: the present address of an attachment."""

    def __init__(self, world: World, url: Callable[[str, Attachment], str]) -> None:
        self._world = world
        self._url = url

    def message(self, message: Message) -> dict[str, Any]:
        """A message object."""
        members = self._world.members
        answer: dict[str, Any] = {
            "id": message.id,
            "channel_id": message.channel_id,
            "type": message.kind,
            "author": user_json(members[message.author_id]),
            "content": message.content,
            "timestamp": iso(message.created_s),
            "edited_timestamp": None if message.edited_s is None else iso(message.edited_s),
            "tts": message.tts,
            "pinned": False,
            "mention_everyone": message.mentions_everyone,
            "mentions": [user_json(members[user_id]) for user_id in message.mentioned_user_ids],
            "mention_roles": list(message.mentioned_role_ids),
            "attachments": [
                self.attachment(message.channel_id, item, is_ephemeral=message.viewer_id is not None)
                for item in message.attachments
            ],
            "embeds": [self._embed(message, embed) for embed in message.embeds],
            "components": parts.as_answered(message.components, lambda url: self._media(message, url)),
            "flags": message.flags,
        }
        if message.nonce is not None:
            answer["nonce"] = message.nonce
        if message.origin is not None:
            answer["application_id"] = answer["webhook_id"] = self._world.application_id
            answer["interaction_metadata"] = message.origin.metadata
        return answer

    def gateway_message(self, message: Message) -> dict[str, Any]:
        """A message as an event carries it: with guild and member, unless it is ephemeral or direct."""
        answer = self.message(message)
        channel = self._world.channels.get(message.channel_id)
        if message.viewer_id is None and channel is not None:
            member = member_json(self._world, self._world.members[message.author_id])
            del member["user"]
            answer |= {"guild_id": self._world.guild_of(channel), "member": member}
        return answer

    def attachment(self, channel_id: str, item: Attachment, *, is_ephemeral: bool) -> dict[str, Any]:
        """An attachment object. is_ephemeral: of a message that one member alone sees, or of a command."""
        url = self._url(channel_id, item)
        answer: dict[str, Any] = {
            "id": item.id,
            "filename": item.filename,
            "size": item.size_bytes,
            "url": url,
            "proxy_url": url,
            "content_type": item.content_type,
        }
        if item.description is not None:
            answer["description"] = item.description
        if item.width_px is not None and item.height_px is not None:
            answer |= {"width": item.width_px, "height": item.height_px}
        if is_ephemeral:
            answer["ephemeral"] = True
        return answer

    def _named(self, message: Message, url: str) -> Attachment | None:
        """The attachment that an attachment:// address means."""
        name = url.removeprefix("attachment://")
        return next((a for a in message.attachments if a.filename == name), None) if name != url else None

    def _media(self, message: Message, url: str) -> dict[str, Any]:
        item = self._named(message, url)
        if item is None:
            return {"id": message.id, "url": url, "proxy_url": url}
        answer: dict[str, Any] = {"id": item.id, "attachment_id": item.id, "content_type": item.content_type}
        answer["url"] = answer["proxy_url"] = self._url(message.channel_id, item)
        return answer | {"width": item.width_px, "height": item.height_px}

    def _embed(self, message: Message, embed: dict[str, Any]) -> dict[str, Any]:
        answer = {key: value for key, value in embed.items() if value is not None} | {"type": "rich"}
        for key in ("image", "thumbnail"):
            if key in answer:
                answer[key] = {"url": self._media(message, answer[key]["url"])["url"]}
        if "fields" in answer:
            answer["fields"] = [{"inline": False} | field for field in answer["fields"]]
        return answer


def shown_text(message: Message) -> str:
    """What a reader sees of a message, in plain lines: text, embeds, and what is written on its components."""
    if message.is_loading:
        return f"{BOT_NAME} is thinking…"
    lines = [message.content]
    for embed in message.embeds:
        lines += [embed.get("author", {}).get("name", ""), embed.get("title", ""), embed.get("description", "")]
        lines += [f"{field['name']}: {field['value']}" for field in embed.get("fields") or ()]
        lines.append(embed.get("footer", {}).get("text", ""))
    for component in message.components:
        lines += component_lines(component)
    return "\n".join(line for line in lines if line)


def component_lines(component: dict[str, Any]) -> list[str]:
    """The lines that a component shows: its text, what pictures are described as, or its controls in brackets; a row of
    controls is one line."""
    kind = component["type"]
    if kind == parts.TEXT_DISPLAY:
        return [str(component["content"])]
    if kind == parts.BUTTON:
        return [f"[{parts.button_label(component)}{' (off)' if component.get('disabled') else ''}]"]
    if kind == parts.MEDIA_GALLERY:
        return [f"(picture: {item.get('description') or 'not described'})" for item in component["items"]]
    if kind in parts.SELECTS:
        chosen = (f"<{_SIGNS[value['type']]}{value['id']}>" for value in component.get("default_values") or ())
        labels = " | ".join([*(option["label"] for option in component.get("options") or ()), *chosen])
        return [f"[{component.get('placeholder') or 'choose'}: {labels}]"]
    inside = [line for child in parts.children(component) for line in component_lines(child)]
    return [" ".join(inside)] if kind == parts.ACTION_ROW else inside
