"""REST routes for channels and their messages, with the bot's permissions enforced. Sandbox's event loop."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from discord import Permissions

from bot.sandbox.calls import Call, Route
from bot.sandbox.errors import closed_direct_messages, foreign_message, missing_access, missing_permissions, unknown
from bot.sandbox.guild import Channel
from bot.sandbox.message_store import MessageStore, Placement
from bot.sandbox.messages import DEFAULT_MESSAGE, Message, MessageJson
from bot.sandbox.objects import channel_json
from bot.sandbox.world import World


class ChannelRoutes:
    """What the bot does with its own token, outside of interactions."""

    def __init__(self, world: World, messages: MessageStore, message_json: MessageJson) -> None:
        self._world = world
        self._messages = messages
        self._json = message_json

    def routes(self) -> list[Route]:
        channel = "/channels/{channel_id}"
        return [
            Route("GET", channel, self._get_channel),
            Route("POST", f"{channel}/typing", self._typing),
            Route("GET", f"{channel}/messages", self._list_messages),
            Route("POST", f"{channel}/messages", self._create),
            Route("GET", f"{channel}/messages/{{message_id}}", self._get),
            Route("PATCH", f"{channel}/messages/{{message_id}}", self._edit),
            Route("DELETE", f"{channel}/messages/{{message_id}}", self._delete),
        ]

    def _channel(self, call: Call, *, sends: bool = False, attaches: bool = False) -> Channel:
        """The channel of a call. Raises ApiError 10003, 50001 (not visible) or 50013 (not allowed)."""
        channel = self._world.channel(call.params["channel_id"])
        if channel is None:
            raise unknown("Channel")
        may = Permissions(self._world.permissions(self._world.bot, channel))
        if not may.view_channel:
            raise missing_access()
        if (sends and not may.send_messages) or (attaches and not may.attach_files):
            raise missing_permissions()
        if sends and channel.recipient_id is not None and not self._world.takes_direct_messages(channel.recipient_id):
            raise closed_direct_messages()
        return channel

    def _message(self, call: Call) -> Message:
        """The message of a call. To this side of the API an ephemeral message doesn't exist."""
        message = self._messages.get(call.params["message_id"], call.params["channel_id"])
        if message.viewer_id is not None:
            raise unknown("Message")
        return message

    def _get_channel(self, call: Call) -> dict[str, Any]:
        return channel_json(self._world, self._channel(call))

    def _typing(self, call: Call) -> None:
        self._channel(call, sends=True)

    def _list_messages(self, call: Call) -> list[dict[str, Any]]:
        channel = self._channel(call)
        if not Permissions(self._world.permissions(self._world.bot, channel)).read_message_history:
            return []
        limit = int(call.query.get("limit", "50"))
        public: Iterable[Message] = (m for m in self._messages.newest_first(channel.id) if m.viewer_id is None)
        before, after = call.query.get("before"), call.query.get("after")
        if before is not None:
            public = (m for m in public if int(m.id) < int(before))
        if after is not None:
            # The ones that came next, though the newest of them first.
            public = [m for m in public if int(m.id) > int(after)][-limit:]
        return [self._json.message(message) for message in islice(public, limit)]

    def _create(self, call: Call) -> dict[str, Any]:
        channel = self._channel(call, sends=True, attaches=bool(call.files))
        nonce = call.form.get("nonce")
        if nonce is not None and call.form.get("enforce_nonce"):
            sent = self._messages.with_nonce(channel.id, nonce)
            if sent is not None:
                return self._json.message(sent)
        place = Placement(channel.id, DEFAULT_MESSAGE)
        return self._json.message(self._messages.create(place, call.form, call.files))

    def _get(self, call: Call) -> dict[str, Any]:
        self._channel(call)
        return self._json.message(self._message(call))

    def _edit(self, call: Call) -> dict[str, Any]:
        self._channel(call, sends=True, attaches=bool(call.files))
        message = self._message(call)
        if message.author_id != self._world.bot.id:
            raise foreign_message()
        return self._json.message(self._messages.edit(message, call.form, call.files))

    def _delete(self, call: Call) -> None:
        channel, message = self._channel(call), self._message(call)
        may = Permissions(self._world.permissions(self._world.bot, channel))
        if message.author_id != self._world.bot.id and not may.manage_messages:
            raise missing_permissions()
        self._messages.delete(message)
