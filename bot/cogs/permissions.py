"""What the bot needs in a channel to keep its promises there, and what people may do. Called before any work starts.

This is the one place that says which permissions the bot asks for, in a channel and when it is invited.
"""

from typing import Final
from urllib.parse import urlencode

import discord

from bot.errors import MissingPermissionError
from bot.language import Text
from bot.store import JobRecord

PERMISSION_NAMES: Final = {
    "view_channel": Text("View Channel"),
    "send_messages": Text("Send Messages"),
    "send_messages_in_threads": Text("Send Messages in Threads"),
    "attach_files": Text("Attach Files"),
    "connect": Text("Connect"),
}
"""Attribute of discord.Permissions → the name that Discord shows for it. All that the bot ever needs."""

INVITE_SCOPES: Final = ("bot", "applications.commands")


def required_permissions(channel: object) -> dict[str, Text]:
    """Those of PERMISSION_NAMES that the bot needs in this channel; a post in a forum is a thread.

    Without them the bot's own token could not deliver once the interaction's has expired.
    """
    if isinstance(channel, discord.Thread):
        needed = ["view_channel", "send_messages_in_threads", "attach_files"]
    elif isinstance(channel, discord.VoiceChannel | discord.StageChannel):
        # Its chat is closed to whoever may not join.
        needed = ["view_channel", "connect", "send_messages", "attach_files"]
    else:
        needed = ["view_channel", "send_messages", "attach_files"]
    return {attribute: PERMISSION_NAMES[attribute] for attribute in needed}


def missing_permissions(granted: int) -> list[Text]:
    """Those of PERMISSION_NAMES that Discord's bit set lacks."""
    permissions = discord.Permissions(granted)
    if permissions.administrator:
        return []
    return [name for attribute, name in PERMISSION_NAMES.items() if not getattr(permissions, attribute)]


def invite_link(application_id: int) -> str:
    """Where somebody adds the bot to a server, with all of PERMISSION_NAMES."""
    permissions = discord.Permissions(**dict.fromkeys(PERMISSION_NAMES, True))
    query = {"client_id": application_id, "scope": " ".join(INVITE_SCOPES), "permissions": permissions.value}
    return f"https://discord.com/oauth2/authorize?{urlencode(query)}"


def guild_of(interaction: discord.Interaction) -> int:
    """The id of the interaction's guild. Raises MissingPermissionError outside of guilds."""
    if interaction.guild_id is None:
        raise MissingPermissionError("Use this in a server.")
    return interaction.guild_id


def may_see(interaction: discord.Interaction, job: JobRecord) -> bool:
    """Whether whoever pressed or called may look at a job's pictures: its requester anywhere, others where it was drawn
    or, elsewhere in its server, if they can see that channel. A private job is its requester's alone."""
    if interaction.user.id == job.user_id:
        return True
    if job.is_private or interaction.guild_id != job.guild_id:
        return False
    if interaction.channel_id == job.channel_id:
        return True
    channel = interaction.guild.get_channel_or_thread(job.channel_id) if interaction.guild is not None else None
    if channel is None or not isinstance(interaction.user, discord.Member):
        return False
    if isinstance(channel, discord.Thread) and channel.parent is None:
        return False
    return _may_read(channel, channel.permissions_for(interaction.user))


def readable_channels(interaction: discord.Interaction) -> frozenset[int]:
    """The ids of the channels and threads of the interaction's guild in which its user may read past messages now."""
    guild, member = interaction.guild, interaction.user
    readable = set[int]()
    if guild is not None and isinstance(member, discord.Member):
        # Each channel once: in a large guild this takes a tenth of a millisecond, and threads have the same.
        granted = {channel.id: channel.permissions_for(member) for channel in guild.channels}
        readable = {channel.id for channel in guild.channels if _may_read(channel, granted[channel.id])}
        nothing = discord.Permissions.none()
        readable |= {thread.id for thread in guild.threads if _may_read(thread, granted.get(thread.parent_id, nothing))}
    if interaction.channel_id is not None:
        # Of this one Discord says it itself; it may be a thread that isn't known here.
        here = interaction.permissions
        if here.administrator or (here.view_channel and here.read_message_history):
            readable.add(interaction.channel_id)
        else:
            readable.discard(interaction.channel_id)
    return frozenset(readable)


def _may_read(channel: discord.abc.GuildChannel | discord.Thread, granted: discord.Permissions) -> bool:
    """granted: to somebody in that channel, or in the one that it is a thread of."""
    if isinstance(channel, discord.Thread) and channel.is_private() and not granted.manage_threads:
        # Who was invited isn't known here.
        return False
    if isinstance(channel, discord.VoiceChannel | discord.StageChannel) and not granted.connect:
        return False
    return granted.view_channel and granted.read_message_history


def check_app_permissions(interaction: discord.Interaction) -> int:
    """The id of the channel that `interaction` comes from.

    Raises MissingPermissionError naming each permission that the bot lacks there.
    """
    channel = interaction.channel
    if interaction.channel_id is None:
        raise MissingPermissionError(
            "Discord did not say which channel this is. Use the command in a server's channel."
        )
    granted = interaction.app_permissions
    needed = required_permissions(channel)
    if interaction.guild_id is None or not interaction.is_guild_integration():
        # Outside of the bot's servers Discord takes every answer, and there is nothing else to write.
        needed = {"attach_files": PERMISSION_NAMES["attach_files"]}
    missing = [name for attribute, name in needed.items() if not getattr(granted, attribute)]
    if missing and not granted.administrator:
        raise MissingPermissionError(
            "I lack {permissions} in this channel. Ask a moderator to grant this to me.", permissions=tuple(missing)
        )
    if isinstance(channel, discord.Thread) and channel.is_private() and not _is_in(channel, granted):
        raise MissingPermissionError(
            "I am not in this private thread, so I could not write into it later. Mention me here and try again."
        )
    return interaction.channel_id


def _is_in(thread: discord.Thread, granted: discord.Permissions) -> bool:
    """Whether the bot may write into a private thread. Discord tells it of those that it is in, and of no others."""
    return granted.manage_threads or granted.administrator or thread.guild.get_thread(thread.id) is not None
