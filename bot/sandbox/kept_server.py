"""A sandbox as it is written to disk, and made again from there: its world, its newest messages, the interactions whose
tokens still count, and the commands that were registered. What connections, faults and players were about is forgotten.

Pure but for the server that it is about; used by keeper.py on the sandbox's event loop.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from bot.sandbox.clock import Clock
from bot.sandbox.interaction import Interaction
from bot.sandbox.kept_world import KeptWorld, kept_world, world_again
from bot.sandbox.messages import Message
from bot.sandbox.server import SandboxServer
from bot.sandbox.world import World

MAX_MESSAGES: Final = 1000
MAX_INTERACTIONS: Final = 1000


@dataclass(frozen=True, slots=True)
class KeptServer:
    """messages, interactions: oldest first. own_commands: of the first guild alone."""

    format: Literal[1]
    world: KeptWorld
    commands: list[dict[str, Any]]
    own_commands: list[dict[str, Any]]
    messages: tuple[Message, ...]
    interactions: tuple[Interaction, ...]

    @property
    def attachment_ids(self) -> list[str]:
        """Of its messages."""
        return [attachment.id for message in self.messages for attachment in message.attachments]

    def world_again(self, clock: Clock) -> World:
        """The world, once more. Raises ValueError or KeyError if it does not hold together."""
        return world_again(self.world, clock)

    def restore(self, server: SandboxServer) -> None:
        """Fills a server that pretends this world, but for what its attachments hold."""
        server.commands.restore(None, self.commands)
        server.commands.restore(self.world.guild_id, self.own_commands)
        server.messages.restore(self.messages)
        server.desk.restore(self.interactions)

    def encode(self) -> bytes:
        """JSON."""
        return _FORM.dump_json(self)


_FORM: Final = TypeAdapter(KeptServer)


def decode(data: bytes) -> KeptServer:
    """What was encoded. Raises ValueError with a clause that says what is wrong."""
    try:
        return _FORM.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where or 'JSON'}: {first['msg']}") from error


def kept_server(server: SandboxServer) -> KeptServer:
    """What a server is now."""
    return KeptServer(
        format=1,
        world=kept_world(server.world, server.clock),
        commands=server.commands.in_scope(None),
        own_commands=server.commands.in_scope(server.world.guild_id),
        messages=server.messages.newest(MAX_MESSAGES),
        interactions=server.desk.alive(MAX_INTERACTIONS),
    )
