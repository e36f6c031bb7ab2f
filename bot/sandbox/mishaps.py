"""What happens to a guild while a bot works in it: things are deleted, people leave, rights are taken away; and what
happens to the bot's connection.

Tests tell the sandbox over its control, a player with the line `happens`. Everything here runs on the sandbox's event
loop.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from discord import Intents, Permissions

from bot.sandbox.errors import LineError
from bot.sandbox.gateway import Gateway
from bot.sandbox.gateway_connection import Op
from bot.sandbox.message_store import MessageStore
from bot.sandbox.objects import channel_json
from bot.sandbox.world import World

FROZEN_S: Final = 4.0
_GUILDS = Intents(guilds=True).value


class Mishaps:
    """Each method is one of them. Raises LineError for names that nothing has."""

    def __init__(self, world: World, messages: MessageStore, gateway: Gateway) -> None:
        self._world = world
        self._messages = messages
        self._gateway = gateway
        self._dispatch = gateway.dispatch
        self._of_the_connection: dict[str, Callable[[], None]] = {
            "connection dropped": self._drop,
            "connection frozen": self._freeze,
            "connection frozen for a while": self._freeze_for_a_while,
            "reconnect requested": self._request_reconnect,
            "session interrupted": self._interrupt,
            "session invalidated": self._invalidate,
            "connection refused": self._refuse_connection,
            "hang-up before the greeting": self._hang_up,
            "resume postponed": self._postpone_resume,
            "resume refused": self._refuse_resume,
            "identify refused": self._refuse_identify,
            "identifies limited": self._limit_identifies,
        }

    def happen_to(self, what: str, name: str | None, channel_name: str) -> None:
        """As a player says it. name: of a member, a permission or a channel; None for the channel of the player."""
        if what == "permission revoked":
            self.happen(what, channel_name, (name or "").replace(" ", "_"))
        elif what == "member left" and name is None:
            raise LineError("Say who has left: happens member left: NAME.")
        else:
            self.happen(what, name or channel_name, "")

    def happen(self, what: str, name: str, permission: str) -> None:
        """what: which of them. name: of a channel or member. permission: as discord.Permissions names it."""
        if what in self._of_the_connection:
            self._of_the_connection[what]()
        elif what == "channel deleted":
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
            others = ("channel deleted", "messages deleted", "guild deleted", "member left", "permission revoked")
            names = ", ".join((*self._of_the_connection, *others))
            raise LineError(f"Nothing of the kind {what!r} can happen in the sandbox; what can is: {names}.")

    def _drop(self) -> None:
        for connection in tuple(self._gateway.connections):
            connection.cut_off()

    def _freeze(self) -> None:
        """No event, no answer to a heartbeat, and the socket stays open."""
        for connection in self._gateway.connections:
            self._gateway.freeze(connection)

    def _freeze_for_a_while(self) -> None:
        """As a connection that the network has lost without a word, until it says so."""
        frozen = tuple(self._gateway.connections)
        self._freeze()
        for connection in frozen:
            asyncio.get_running_loop().call_later(FROZEN_S, connection.cut_off)

    def _request_reconnect(self) -> None:
        for connection in self._gateway.connections:
            connection.send(Op.RECONNECT, None)

    def _interrupt(self) -> None:
        for connection in self._gateway.connections:
            self._gateway.invalidate(connection, is_resumable=True)

    def _invalidate(self) -> None:
        for connection in self._gateway.connections:
            self._gateway.invalidate(connection, is_resumable=False)

    def _refuse_connection(self) -> None:
        self._gateway.faults.refused_connections += 1

    def _hang_up(self) -> None:
        """On the next one who comes."""
        self._gateway.faults.hang_ups += 1

    def _postpone_resume(self) -> None:
        self._gateway.faults.postponed_resumes += 1

    def _refuse_resume(self) -> None:
        self._gateway.faults.refused_resumes += 1

    def _refuse_identify(self) -> None:
        self._gateway.faults.refused_identifies += 1

    def _limit_identifies(self) -> None:
        """From now on one in 5 seconds."""
        self._gateway.faults.is_pace_kept = True

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
        self._world.guilds.pop(self._world.guild_id, None)
        self._dispatch("GUILD_DELETE", {"id": self._world.guild_id}, _GUILDS)

    def _revoke(self, channel_name: str, permission: str) -> None:
        if permission not in Permissions.VALID_FLAGS:
            raise LineError(
                f"{permission!r} is no permission that could be revoked: say one as in  happens permission revoked: "
                "attach files."
            )
        denied = Permissions(**{permission: True})
        channel = self._world.deny_bot(self._world.channel_named(channel_name), denied.value)
        self._dispatch("CHANNEL_UPDATE", channel_json(self._world, channel), _GUILDS)
