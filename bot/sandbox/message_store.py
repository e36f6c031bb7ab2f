"""Creates, edits and deletes messages by Discord's rules, and publishes each change. Event loop of the sandbox only."""

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from discord import Permissions

from bot.sandbox import rules
from bot.sandbox.clock import Clock
from bot.sandbox.errors import empty_message, invalid_form, unknown
from bot.sandbox.files import FileShelf, UploadedFile
from bot.sandbox.guild import Member
from bot.sandbox.happenings import Board, Happening, HappeningKind
from bot.sandbox.messages import COMPONENTS_V2, DEFAULT_MESSAGE, EPHEMERAL, LOADING, Attachment, Message, Origin
from bot.sandbox.world import World

MAX_MESSAGES: Final = 10_000
NONCE_LIFE_S: Final = 300.0  # Discord says "a few minutes"
_SUPPRESS_EMBEDS, _SUPPRESS_NOTIFICATIONS = 1 << 2, 1 << 12
_SETTABLE = _SUPPRESS_EMBEDS | _SUPPRESS_NOTIFICATIONS | COMPONENTS_V2


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a new message goes and what it answers. kind: Discord's message type."""

    channel_id: str
    kind: int
    origin: Origin | None = None
    viewer_id: str | None = None


class MessageStore:
    """The newest MAX_MESSAGES messages of all channels."""

    def __init__(self, world: World, clock: Clock, files: FileShelf, board: Board) -> None:
        self._world = world
        self._clock = clock
        self._files = files
        self._board = board
        self._messages: OrderedDict[str, Message] = OrderedDict()
        self._by_nonce: OrderedDict[tuple[str, str], str] = OrderedDict()

    def get(self, message_id: str, channel_id: str | None = None) -> Message:
        """Raises ApiError 10008 if there is none, or none in that channel."""
        message = self._messages.get(message_id)
        if message is None or channel_id not in (None, message.channel_id):
            raise unknown("Message")
        return message

    def newest_first(self, channel_id: str) -> Iterable[Message]:
        """The channel's messages, ephemeral ones too."""
        return (message for message in reversed(self._messages.values()) if message.channel_id == channel_id)

    def newest(self, limit: int) -> tuple[Message, ...]:
        """Of all channels, at most that many, oldest first."""
        return tuple(reversed(tuple(islice(reversed(self._messages.values()), limit))))

    def restore(self, messages: Iterable[Message]) -> None:
        """Has these messages, oldest first, without telling anybody."""
        for message in messages:
            self._keep(message)

    def with_nonce(self, channel_id: str, nonce: str | int) -> Message | None:
        """The message of that channel that was lately sent with this `nonce`, for `enforce_nonce`."""
        message_id = self._by_nonce.get((channel_id, str(nonce)))
        message = None if message_id is None else self._messages.get(message_id)
        is_late = message is not None and self._clock.now() - message.created_s > NONCE_LIFE_S
        return None if is_late else message

    def create(
        self,
        place: Placement,
        payload: dict[str, Any],
        files: Sequence[UploadedFile] = (),
        *,
        by: str | None = None,
        is_acknowledgement: bool = False,
    ) -> Message:
        """Posts a message of the bot. by: the id of the interaction that does it.

        Raises ApiError 10003 if the channel was deleted, 50006 for an empty message and 50035 for one that breaks a
        rule."""
        if self._world.channel(place.channel_id) is None:
            raise unknown("Channel")
        draft = Message(
            id=self._world.snowflakes.new(),
            channel_id=place.channel_id,
            author_id=self._world.bot.id,
            kind=place.kind,
            created_s=self._clock.now(),
            tts=bool(payload.get("tts")),
            nonce=payload.get("nonce"),
            origin=place.origin,
            viewer_id=place.viewer_id,
            flags=EPHEMERAL if place.viewer_id is not None else 0,
        )
        message = self._changed(draft, payload, files)
        self._keep(message)
        self._board.publish(Happening(HappeningKind.MESSAGE, message, by, is_acknowledgement))
        return message

    def say(self, author: Member, channel_id: str, text: str) -> Message:
        """Posts a message of a member. Same errors as `create`."""
        draft = Message(
            id=self._world.snowflakes.new(),
            channel_id=channel_id,
            author_id=author.id,
            kind=DEFAULT_MESSAGE,
            created_s=self._clock.now(),
        )
        message = self._changed(draft, {"content": text}, ())
        self._keep(message)
        self._board.publish(Happening(HappeningKind.MESSAGE, message))
        return message

    def create_loading(self, place: Placement, *, by: str) -> Message:
        """Posts the "is thinking" message of a deferred answer."""
        message = Message(
            id=self._world.snowflakes.new(),
            channel_id=place.channel_id,
            author_id=self._world.bot.id,
            kind=place.kind,
            created_s=self._clock.now(),
            origin=place.origin,
            viewer_id=place.viewer_id,
            flags=LOADING | (EPHEMERAL if place.viewer_id is not None else 0),
        )
        self._keep(message)
        self._board.publish(Happening(HappeningKind.MESSAGE, message, by, is_acknowledgement=True))
        return message

    def edit(
        self,
        message: Message,
        payload: dict[str, Any],
        files: Sequence[UploadedFile] = (),
        *,
        by: str | None = None,
        is_acknowledgement: bool = False,
    ) -> Message:
        """Changes what `payload` names and nothing else. Same errors as `create`."""
        edited_s = message.edited_s if message.is_loading else self._clock.now()
        base = replace(message, flags=message.flags & ~LOADING, edited_s=edited_s)
        edited = self._changed(base, payload, files)
        self._messages[message.id] = edited
        self._board.publish(Happening(HappeningKind.EDIT, edited, by, is_acknowledgement))
        return edited

    def delete(self, message: Message, *, by: str | None = None) -> None:
        self._messages.pop(message.id, None)
        self._board.publish(Happening(HappeningKind.DELETE, message, by))

    def forget(self, channel_id: str) -> None:
        """Drops every message of a channel that was deleted; nobody is told of each."""
        for message in tuple(self.newest_first(channel_id)):
            del self._messages[message.id]

    def _keep(self, message: Message) -> None:
        self._messages[message.id] = message
        if len(self._messages) > MAX_MESSAGES:
            self._messages.popitem(last=False)
        if message.nonce is not None:
            self._by_nonce[message.channel_id, str(message.nonce)] = message.id
            if len(self._by_nonce) > MAX_MESSAGES:
                self._by_nonce.popitem(last=False)

    def _changed(self, base: Message, payload: dict[str, Any], files: Sequence[UploadedFile]) -> Message:
        """`base` with the fields of `payload`; checks the whole before any file is stored."""
        content = _field(payload, "content", str, base.content) or ""
        embeds = tuple(_field(payload, "embeds", list, base.embeds) or ())
        components = tuple(_field(payload, "components", list, base.components) or ())
        flags = base.flags | (_field(payload, "flags", int, 0) or 0) & _SETTABLE
        listed = _field(payload, "attachments", list, None)
        num_attachments = len(listed) if listed is not None else len(base.attachments) + len(files)
        problems = rules.check_message(content, embeds, components, num_attachments, bool(flags & COMPONENTS_V2))
        for problem in problems:
            raise invalid_form(problem.path, problem.code, problem.message)
        if not (content or embeds or components or num_attachments):
            raise empty_message()
        changed = replace(
            base,
            content=content,
            embeds=embeds,
            components=components,
            flags=flags,
            attachments=self._attachments(base, listed, files),
        )
        return self._with_mentions(changed, payload.get("allowed_mentions"))

    def _attachments(
        self, base: Message, listed: list[dict[str, Any]] | None, files: Sequence[UploadedFile]
    ) -> tuple[Attachment, ...]:
        """Kept and new attachments. An id in the list is an old attachment's, or the number of an uploaded file."""
        if listed is None:
            return (*base.attachments, *(self._files.add(file, None) for file in files))
        old = {attachment.id: attachment for attachment in base.attachments}
        new = {str(file.index): file for file in files}
        for index, item in enumerate(listed):
            if str(item.get("id")) not in old | new:
                path = f"attachments.{index}.id"
                raise invalid_form(path, "MESSAGE_ATTACHMENT_NOT_FOUND", f"Attachment not found: {item.get('id')}")
        kept = []
        for item in listed:
            key = str(item["id"])
            kept.append(old[key] if key in old else self._files.add(new[key], item.get("description")))
        return tuple(kept)

    def _with_mentions(self, message: Message, allowed: dict[str, Any] | None) -> Message:
        """Who is pinged by `message.content`: what is written there and `allowed` (None allows everything) lets by."""
        parse = ("everyone", "roles", "users") if allowed is None else allowed.get("parse") or ()

        def picked(pattern: str, kind: str, known: Iterable[str]) -> tuple[str, ...]:
            written = dict.fromkeys(re.findall(pattern, message.content))
            named = () if allowed is None else [str(one) for one in allowed.get(kind) or ()]
            return tuple(one for one in written if one in known and (kind in parse or one in named))

        channel = self._world.channel(message.channel_id)
        assert channel is not None, "messages are made in channels that exist"
        may = Permissions(self._world.permissions(self._world.members[message.author_id], channel))
        pings_all = bool(re.search("@(everyone|here)", message.content)) and "everyone" in parse
        return replace(
            message,
            mentioned_user_ids=picked(r"<@!?(\d+)>", "users", self._world.members),
            mentioned_role_ids=picked(r"<@&(\d+)>", "roles", self._world.roles),
            mentions_everyone=pings_all and may.mention_everyone,
        )


def _field(payload: dict[str, Any], key: str, kind: type, default: Any) -> Any:
    """`payload[key]`, or `default` if it isn't there. Raises ApiError 50035 if it is neither null nor a `kind`."""
    value = payload.get(key, default)
    if value is not None and value is not default and not isinstance(value, kind):
        raise invalid_form(key, "BASE_TYPE_CHOICES", f"{key} has the wrong type.")
    return value
