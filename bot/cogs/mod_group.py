"""/mod, the group of what moderators do. The client makes it of the subcommands that the cogs hand over."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from discord import app_commands
from discord.app_commands import locale_str

ModCommand = app_commands.Command[Any, ..., Any] | app_commands.Group


def mod_group(commands: Iterable[ModCommand]) -> app_commands.Group:
    """commands: at least one and at most 25, each as `mod_command` makes it, or a group of those."""
    group = app_commands.Group(
        name=locale_str("mod"),
        description=locale_str("For moderators"),
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False),
        allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
    )
    for command in commands:
        group.add_command(command)
    return group


def mod_command(
    name: locale_str, description: locale_str, callback: Callable[..., Coroutine[Any, Any, None]]
) -> app_commands.Command[Any, ..., None]:
    """callback: a method, with discord.py's decorators for its options; it needs a row in bot/moderation/authority.py,
    which says who may."""
    return app_commands.Command(name=name, description=description, callback=callback)
