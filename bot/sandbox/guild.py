"""What the sandbox's guilds are made of: roles, members, channels, and kinds of places. Pure."""

from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True, slots=True)
class Role:
    """permissions: Discord's bit set. The guild's own id is the id of @everyone."""

    id: str
    name: str
    permissions: int
    position: int


@dataclass(frozen=True, slots=True)
class Member:
    """A user who is in the guild. locale: the language of their client, as Discord names it."""

    id: str
    name: str
    role_ids: tuple[str, ...] = ()
    is_bot: bool = False
    locale: str = "en-US"


@dataclass(frozen=True, slots=True)
class Overwrite:
    """A channel's exception for a role (kind 0) or a member (kind 1); allow and deny are bit sets."""

    target_id: str
    kind: int
    allow: int = 0
    deny: int = 0


class Place(IntEnum):
    """GUILD: the bot's. DIRECT: messages between it and one member. The others are where members bring it as an app
    that they installed for themselves: FOREIGN is a guild without it, GROUP a group of friends."""

    GUILD = 0
    DIRECT = 1
    GROUP = 2
    FOREIGN = 3

    @property
    def context(self) -> int:
        """As an interaction names it."""
        return 0 if self is Place.FOREIGN else self.value


@dataclass(frozen=True, slots=True)
class Channel:
    """A text channel. recipient_id: with whom the bot talks there, in a channel of direct messages.
    guild_id: None for the first guild, and for direct messages."""

    id: str
    name: str
    position: int
    overwrites: tuple[Overwrite, ...] = ()
    recipient_id: str | None = None
    guild_id: str | None = None
    place: Place = Place.GUILD

    @property
    def is_brought(self) -> bool:
        """Whether the bot is there as what a member installed for themselves, and no member."""
        return self.place in (Place.GROUP, Place.FOREIGN)
