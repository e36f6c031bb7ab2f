"""The guilds that the sandbox pretends: their channels, members, roles, and who may do what where.

Read by the routes, the gateway and the player, on the sandbox's event loop.
"""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from discord import Permissions

from bot.sandbox.clock import Clock, Snowflakes
from bot.sandbox.errors import LineError
from bot.sandbox.guild import Channel, Member, Overwrite, Place, Role

MAX_MEMBERS = 1000
MAX_ROLES = 250
BOT_NAME = "dalle-bot"
HERMIT = "hermit"
DIRECT_MESSAGES = "direct messages"

_EVERYONE = Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    embed_links=True,
    attach_files=True,
    add_reactions=True,
    read_message_history=True,
    use_application_commands=True,
    use_external_apps=True,
    connect=True,
    mention_everyone=True,
)
_MODERATOR = Permissions(manage_guild=True, manage_messages=True, moderate_members=True, kick_members=True)
_WARDEN = Permissions(moderate_members=True)
# Discord takes these away from whoever may not send messages.
_NEEDS_SENDING = Permissions(mention_everyone=True, attach_files=True, embed_links=True, send_tts_messages=True)


# What an application may do with its answers outside of the guilds that it is in.
_OF_APPS = Permissions(attach_files=True, embed_links=True, mention_everyone=True)


class World:
    """One guild with five channels and as many members as are named, who are in all other guilds too; and some places
    without the bot.

    Channels: `general`; `gallery`, the same again; `read-only`, where the bot may look and not write; `hidden`, which
    the bot can't see; `staff`, which only moderators and the bot can see. Elsewhere: `abroad` in another guild;
    `abroad-closed`, where what members' own apps answer is for them alone; `friends`, a group. Members, who are
    everywhere: `user`, `moderator` with Manage Server, `warden` with Timeout Members alone, `owner`; others appear when
    they are named, and one called `hermit` takes no direct messages.
    """

    def __init__(self, clock: Clock) -> None:
        self.now = clock.now
        self.snowflakes = Snowflakes(clock)
        new = self.snowflakes.new
        self.born_s = clock.now()
        self.guild_id = new()
        # Id → name.
        self.guilds = {self.guild_id: "Sandbox"}
        self.everyone = Role(self.guild_id, "@everyone", _EVERYONE.value, 0)
        moderator_role = Role(new(), "Moderator", _MODERATOR.value, 1)
        warden_role = Role(new(), "Warden", _WARDEN.value, 2)
        self.roles = {role.id: role for role in (self.everyone, moderator_role, warden_role)}
        self.bot = Member(new(), BOT_NAME, is_bot=True)
        self.owner = Member(new(), "owner")
        known = (
            Member(new(), "user"),
            Member(new(), "moderator", (moderator_role.id,)),
            Member(new(), "warden", (warden_role.id,)),
            self.owner,
            self.bot,
        )
        self.members = {member.id: member for member in known}
        writing = Permissions(send_messages=True).value
        seeing = Permissions(view_channel=True).value
        channels = (
            Channel(new(), "general", 0),
            Channel(new(), "gallery", 1),
            Channel(new(), "read-only", 2, (Overwrite(self.bot.id, 1, deny=writing),)),
            Channel(new(), "hidden", 3, (Overwrite(self.bot.id, 1, deny=seeing),)),
            Channel(
                new(),
                "staff",
                4,
                (
                    Overwrite(self.everyone.id, 0, deny=seeing),
                    Overwrite(moderator_role.id, 0, allow=seeing),
                    Overwrite(warden_role.id, 0, allow=seeing),
                    Overwrite(self.bot.id, 1, allow=seeing),
                ),
            ),
        )
        self.channels = {channel.id: channel for channel in channels}
        foreign = new()
        alone = Overwrite(self.everyone.id, 0, deny=Permissions(use_external_apps=True).value)
        elsewhere = (
            Channel(new(), "abroad", 0, guild_id=foreign, place=Place.FOREIGN),
            Channel(new(), "abroad-closed", 1, (alone,), guild_id=foreign, place=Place.FOREIGN),
            Channel(new(), "friends", 0, place=Place.GROUP),
        )
        self.elsewhere = {channel.id: channel for channel in elsewhere}
        self.direct: dict[str, Channel] = {}
        self.gone: set[str] = set()
        self.automod_rules: list[dict[str, Any]] = []
        """Of the first guild, as REST gives them."""
        # A bot's id is its application's id, as for every application since 2016.
        self.application_id = self.bot.id
        id_part = base64.urlsafe_b64encode(self.bot.id.encode()).decode().rstrip("=")
        self.bot_token = f"{id_part}.{secrets.token_urlsafe(4)}.{secrets.token_urlsafe(28)}"

    def found_guild(self, name: str, channel_names: Sequence[str]) -> list[Channel]:
        """Makes a further guild where everybody may do the same everywhere, of the next shard; returns its channels."""
        guild_id = self.snowflakes.later()
        self.guilds[guild_id] = name
        channels = [
            Channel(self.snowflakes.new(), channel, position, guild_id=guild_id)
            for position, channel in enumerate(channel_names)
        ]
        self.channels |= {channel.id: channel for channel in channels}
        return channels

    def guild_of(self, channel: Channel) -> str:
        """The id of the guild that a channel belongs to."""
        return channel.guild_id or self.guild_id

    def channels_of(self, guild_id: str) -> list[Channel]:
        return [channel for channel in self.channels.values() if self.guild_of(channel) == guild_id]

    def roles_of(self, guild_id: str) -> list[Role]:
        """A further guild has @everyone alone, whose id is the guild's."""
        return list(self.roles.values()) if guild_id == self.guild_id else [replace(self.everyone, id=guild_id)]

    def member_named(self, name: str) -> Member:
        """The member of that name, who joins now if there is none. Raises LineError for an unusable name."""
        for member in self.members.values():
            if member.name == name and not member.is_bot:
                return member
        if not 2 <= len(name) <= 32 or " " in name or name == BOT_NAME:
            raise LineError(f"{name!r} can't be a member: give a name of 2 to 32 characters without spaces.")
        if len(self.members) >= MAX_MEMBERS:
            raise LineError(f"The sandbox's guild is full: at most {MAX_MEMBERS} members.")
        member = Member(self.snowflakes.new(), name)
        self.members[member.id] = member
        return member

    def speaking(self, member: Member, locale: str) -> Member:
        """The member, whose client is set to `locale` from now on."""
        self.members[member.id] = replace(member, locale=locale)
        return self.members[member.id]

    def role_named(self, name: str) -> Role:
        """Raises LineError if there is none of that name."""
        for role in self.roles.values():
            if role.name.removeprefix("@") == name.removeprefix("@"):
                return role
        names = ", ".join(role.name for role in self.roles.values())
        raise LineError(f"There is no role {name!r} in the sandbox; there are {names}.")

    def new_role(self, name: str) -> Role:
        """A role without permissions. Raises LineError if there are as many as may be."""
        if len(self.roles) >= MAX_ROLES:
            raise LineError(f"The sandbox's guild has {MAX_ROLES} roles already.")
        role = Role(self.snowflakes.new(), name, 0, len(self.roles))
        self.roles[role.id] = role
        return role

    def with_role(self, member: Member, role: Role, *, has_it: bool) -> Member:
        """The member, who has the role from now on, or has it no longer."""
        others = tuple(role_id for role_id in member.role_ids if role_id != role.id)
        self.members[member.id] = replace(member, role_ids=(*others, role.id) if has_it else others)
        return self.members[member.id]

    def place_named(self, name: str, member: Member) -> Channel:
        """Where a member may go: as `channel_named`, and to what is elsewhere, and to the member's direct messages."""
        direct = self.direct_channel(member)
        known = {channel.name: channel for channel in (direct, *self.elsewhere.values())}
        return known.get(name.removeprefix("#")) or self.channel_named(name)

    def first_channel(self, member: Member) -> Channel:
        """Where a member begins."""
        channels = self.channels_of(self.guild_id)
        return channels[0] if channels else self.direct_channel(member)

    def channel_named(self, name: str) -> Channel:
        """A channel of the first guild. Raises LineError if there is none of that name."""
        channels = self.channels_of(self.guild_id)
        for channel in channels:
            if channel.name == name.removeprefix("#"):
                return channel
        names = ", ".join(channel.name for channel in channels)
        raise LineError(f"There is no channel {name!r} in the sandbox; there are {names}.")

    def channel(self, channel_id: str) -> Channel | None:
        """A channel of the guild, of direct messages or elsewhere."""
        direct = (channel for channel in self.direct.values() if channel.id == channel_id)
        return self.channels.get(channel_id) or self.elsewhere.get(channel_id) or next(direct, None)

    def direct_channel(self, member: Member) -> Channel:
        """Where the bot and the member write to each other."""
        if member.id not in self.direct:
            channel = Channel(self.snowflakes.new(), DIRECT_MESSAGES, 0, recipient_id=member.id, place=Place.DIRECT)
            self.direct[member.id] = channel
        return self.direct[member.id]

    def takes_direct_messages(self, member_id: str) -> bool:
        """Whether the bot may write to the member."""
        return self.members[member_id].name != HERMIT and member_id not in self.gone

    def lose_member(self, member: Member) -> None:
        """The member leaves the guild; what mentions them still has their name."""
        self.gone.add(member.id)

    def is_member(self, user_id: str) -> bool:
        return user_id in self.members and user_id not in self.gone

    def close_channel(self, channel: Channel) -> None:
        """The channel is gone for good."""
        del self.channels[channel.id]

    def deny_bot(self, channel: Channel, permissions: int) -> Channel:
        """The channel, in which the bot may not do this from now on. permissions: Discord's bit set."""
        denied = Overwrite(self.bot.id, 1, deny=permissions)
        own = [o for o in channel.overwrites if o.target_id == self.bot.id]
        others = [o for o in channel.overwrites if o.target_id != self.bot.id]
        if own:
            denied = replace(own[0], allow=own[0].allow & ~permissions, deny=own[0].deny | permissions)
        self.channels[channel.id] = replace(channel, overwrites=(*others, denied))
        return self.channels[channel.id]

    def name_of(self, id_: str) -> str | None:
        """What a mention of this member, role or channel is shown as; None for an unknown id."""
        named = self.members.get(id_) or self.roles.get(id_) or self.channels.get(id_)
        return named.name if named is not None else None

    def permissions_in_guild(self, member: Member) -> int:
        """What a member's roles allow, before any channel's overwrites."""
        granted = self.everyone.permissions
        for role_id in member.role_ids:
            granted |= self.roles[role_id].permissions
        return granted

    def permissions(self, member: Member, channel: Channel) -> int:
        """What `member` may do in `channel`: roles, then the channel's overwrites, then what Discord implies.

        Where members bring the bot, its own token may do nothing."""
        if member.id == self.bot.id and channel.is_brought:
            return 0
        if member.id == self.owner.id and channel.place is Place.GUILD:
            return Permissions.all().value
        bits = self.everyone.permissions
        for role_id in member.role_ids if channel.place is Place.GUILD else ():
            bits |= self.roles[role_id].permissions
        roles = [o for o in channel.overwrites if o.kind == 0 and o.target_id in (*member.role_ids, self.everyone.id)]
        own = [o for o in channel.overwrites if o.kind == 1 and o.target_id == member.id]
        for overwrite in (*roles, *own):
            bits = bits & ~overwrite.deny | overwrite.allow
        if not Permissions(bits).view_channel:
            return 0
        if not Permissions(bits).send_messages:
            bits &= ~_NEEDS_SENDING.value
        return bits

    def app_permissions(self, channel: Channel) -> int:
        """What an interaction says of the bot's rights."""
        if channel.place is Place.GUILD:
            return self.permissions(self.bot, channel)
        return _OF_APPS.value

    def owners(self, channel: Channel, member: Member) -> dict[str, str]:
        """Who has brought the bot to where an interaction comes from, as `authorizing_integration_owners`."""
        if channel.is_brought:
            return {"1": member.id}
        return {"0": self.guild_of(channel) if channel.place is Place.GUILD else "0"}
