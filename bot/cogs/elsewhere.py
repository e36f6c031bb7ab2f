"""Direct messages, and places where the bot is no member but was installed by a user for themselves. Event loop.

What is different there: only the interaction's token reaches an answer, for 15 minutes and with at most 5 messages
more, and a server may have such answers shown to their user alone.
"""

from typing import Any, Final

import discord
from discord import app_commands

from bot.errors import NotAdmittedError
from bot.moderation.places import Places

AnyCommand = app_commands.Command[Any, Any, Any] | app_commands.Group | app_commands.ContextMenu

MAX_JOBS_OUTSIDE: Final = 5  # the answer and four messages more; the last one is for what goes wrong


def is_outside(interaction: discord.Interaction[Any]) -> bool:
    """Whether the bot's own token can't reach an answer: it is not in that server, and shares none for certain."""
    if interaction.context.dm_channel:
        return interaction.is_user_integration()
    return not interaction.is_guild_integration()


def is_shown_alone(interaction: discord.Interaction[Any]) -> bool:
    """Whether Discord shows answers to their user alone, as its server does not let users bring their own apps."""
    is_brought = interaction.guild_id is not None and not interaction.is_guild_integration()
    return is_brought and not interaction.permissions.use_external_apps


def check_elsewhere(interaction: discord.Interaction[Any], places: Places, num_jobs: int) -> None:
    """Raises NotAdmittedError where the bot makes no jobs, or not that many at once."""
    is_direct = interaction.context.dm_channel is True
    places.check_job(is_direct=is_direct, is_member=interaction.is_guild_integration())
    if is_outside(interaction) and num_jobs > MAX_JOBS_OUTSIDE:
        raise NotAdmittedError(
            "Where I am not a member, Discord lets me answer with {most} jobs at once, and this makes {count}: ask for "
            "fewer.",
            most=MAX_JOBS_OUTSIDE,
            count=num_jobs,
        )


def allow_elsewhere(command: app_commands.Command[Any, Any, Any] | app_commands.Group, places: Places) -> None:
    """Offers a command where jobs may be made too; before the commands are registered."""
    command.allowed_contexts = app_commands.AppCommandContext(
        guild=True, dm_channel=places.direct_messages, private_channel=places.user_installs
    )
    command.allowed_installs = app_commands.AppInstallationType(guild=True, user=places.user_installs)


def home_guild_id(interaction: discord.Interaction[Any]) -> int | None:
    """The interaction's guild, if the bot is a member there; elsewhere what belongs to a server isn't there."""
    return interaction.guild_id if interaction.is_guild_integration() else None


def is_offered(command: AnyCommand, interaction: discord.Interaction[Any]) -> bool:
    """Whether Discord offers a command where the interaction is; one that doesn't say where is for servers."""
    contexts = command.allowed_contexts or app_commands.AppCommandContext(guild=True)
    installs = command.allowed_installs or app_commands.AppInstallationType(guild=True)
    if interaction.guild_id is not None:
        return bool(contexts.guild) and (interaction.is_guild_integration() or bool(installs.user))
    return bool(contexts.dm_channel if interaction.context.dm_channel else contexts.private_channel)
