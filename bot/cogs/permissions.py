"""What the bot needs in a channel to keep its promises there, and what people may do. Called before any work starts."""

import discord

from bot.errors import MissingPermissionError
from bot.language import Text
from bot.store import JobRecord


def required_permissions(*, in_thread: bool) -> dict[str, Text]:
    """Attribute of discord.Permissions → the name that Discord shows for it.

    Without them the bot's own token could not deliver once the interaction's has expired.
    """
    if in_thread:
        send = {"send_messages_in_threads": Text("Send Messages in Threads")}
    else:
        send = {"send_messages": Text("Send Messages")}
    return {"view_channel": Text("View Channel"), **send, "attach_files": Text("Attach Files")}


def may_manage(interaction: discord.Interaction, job: JobRecord) -> bool:
    """Whether whoever pressed or called may end this job: its requester, or in its channel who may delete messages."""
    granted = interaction.permissions
    is_moderator = granted.manage_messages or granted.administrator
    return interaction.user.id == job.user_id or (is_moderator and interaction.channel_id == job.channel_id)


def may_see(interaction: discord.Interaction, job: JobRecord) -> bool:
    """Whether whoever pressed or called may look at a job's pictures: its requester anywhere, others where it was drawn
    or, elsewhere in its server, if they can see that channel. A private job is its requester's alone."""
    if interaction.user.id == job.user_id:
        return True
    if job.is_private or job.guild_id is None or interaction.guild_id != job.guild_id:
        return False
    if interaction.channel_id == job.channel_id:
        return True
    channel = interaction.guild.get_channel_or_thread(job.channel_id) if interaction.guild is not None else None
    if channel is None or not isinstance(interaction.user, discord.Member):
        return False
    granted = channel.permissions_for(interaction.user)
    return granted.view_channel and granted.read_message_history


def check_app_permissions(interaction: discord.Interaction) -> int:
    """The id of the channel that `interaction` comes from.

    Raises MissingPermissionError naming each permission that the bot lacks there.
    """
    if interaction.channel_id is None:
        raise MissingPermissionError(
            "Discord did not say which channel this is. Use the command in a server's channel."
        )
    granted = interaction.app_permissions
    required = required_permissions(in_thread=isinstance(interaction.channel, discord.Thread))
    missing = [name for attribute, name in required.items() if not getattr(granted, attribute)]
    if missing and not granted.administrator:
        raise MissingPermissionError(
            "I lack {permissions} in this channel. Ask a moderator to grant this to me.", permissions=tuple(missing)
        )
    return interaction.channel_id
