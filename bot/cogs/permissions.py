"""What the bot needs in a channel to keep its promises there. Called by the cogs before any work starts."""

import discord

from bot.errors import MissingPermissionError


def required_permissions(*, in_thread: bool) -> dict[str, str]:
    """Attribute of discord.Permissions → the name that Discord shows for it.

    Without them the bot's own token could not deliver once the interaction's has expired.
    """
    send = {"send_messages_in_threads": "Send Messages in Threads"} if in_thread else {"send_messages": "Send Messages"}
    return {"view_channel": "View Channel", **send, "attach_files": "Attach Files"}


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
        names = " and ".join([", ".join(missing[:-1]), missing[-1]] if missing[1:] else missing)
        raise MissingPermissionError(f"I lack {names} in this channel. Ask a moderator to grant this to me.")
    return interaction.channel_id
