"""Which channels may be the moderators' or the log's: I can write there, and not everybody reads what is held. Asked by
/settings and before a case is posted; event loop.
"""

import discord

from bot.cogs.permissions import required_permissions
from bot.errors import InvalidParameterError, MissingPermissionError


def check_staff_channel(guild: discord.Guild | None, channel_id: int, *, is_for_review: bool) -> None:
    """Raises MissingPermissionError where I can't write, and InvalidParameterError where everybody would read what
    moderators are to decide."""
    channel = None if guild is None else guild.get_channel(channel_id)
    if guild is None or not isinstance(channel, discord.TextChannel):
        raise MissingPermissionError(
            "I can't see this channel. In its settings give me View Channel, Send Messages and Attach Files, then "
            "choose it again."
        )
    granted = channel.permissions_for(guild.me)
    missing = [name for attribute, name in required_permissions(channel).items() if not getattr(granted, attribute)]
    if missing:
        raise MissingPermissionError(
            "I lack {permissions} in {channel}. Give this to me in that channel's settings, then choose it again.",
            permissions=tuple(missing),
            channel=channel.mention,
        )
    if is_for_review and is_public(channel):
        raise InvalidParameterError(
            "Everybody can see {channel}, and what waits for moderators is shown there. In that channel's settings "
            "take View Channel from @everyone and give it to your moderators and to me, or choose another channel.",
            channel=channel.mention,
        )


def is_public(channel: discord.TextChannel) -> bool:
    """Whether everybody in the server can see it."""
    return channel.permissions_for(channel.guild.default_role).view_channel
