"""What happens to a guild while a bot works in it: things are deleted, people leave, rights are taken away.

Tests tell the sandbox over its control. Everything here runs on the sandbox's event loop.
"""

from collections.abc import Callable
from typing import Any

from discord import Intents, Permissions

from bot.sandbox.errors import LineError
from bot.sandbox.message_store import MessageStore
from bot.sandbox.objects import channel_json
from bot.sandbox.world import World

_GUILDS = Intents(guilds=True).value


class Mishaps:
    """Each method is one of them. dispatch: the gateway's. Raises LineError for names that nothing has."""

    def __init__(
        self, world: World, messages: MessageStore, dispatch: Callable[[str, dict[str, Any], int], bool]
    ) -> None:
        self._world = world
        self._messages = messages
        self._dispatch = dispatch

    def happen(self, what: str, name: str, permission: str) -> None:
        """what: which of them. name: of a channel or member. permission: as discord.Permissions names it."""
        if what == "channel deleted":
            self._delete_channel(name)
        elif what == "messages deleted":
            self._delete_messages(name)
        elif what == "guild deleted":
            self._delete_guild()
        elif what == "member left":
            self._world.lose_member(self._world.member_named(name))
        elif what == "permission revoked":
            self._revoke(name, permission)
        else:
            raise LineError(f"Nothing of the kind {what!r} can happen in the sandbox.")

    def _delete_messages(self, channel_name: str) -> None:
        channel = self._world.channel_named(channel_name)
        for message in tuple(self._messages.newest_first(channel.id)):
            if message.viewer_id is None:
                self._messages.delete(message)

    def _delete_channel(self, name: str) -> None:
        channel = self._world.channel_named(name)
        event = channel_json(self._world, channel)
        self._world.close_channel(channel)
        self._messages.forget(channel.id)
        self._dispatch("CHANNEL_DELETE", event, _GUILDS)

    def _delete_guild(self) -> None:
        for channel in self._world.channels_of(self._world.guild_id):
            self._world.close_channel(channel)
            self._messages.forget(channel.id)
        self._dispatch("GUILD_DELETE", {"id": self._world.guild_id}, _GUILDS)

    def _revoke(self, channel_name: str, permission: str) -> None:
        denied = Permissions(**{permission: True})
        channel = self._world.deny_bot(self._world.channel_named(channel_name), denied.value)
        self._dispatch("CHANNEL_UPDATE", channel_json(self._world, channel), _GUILDS)
