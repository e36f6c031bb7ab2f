import discord
from discord import app_commands
from discord.app_commands import locale_str

from bot.cogs.mod_group import mod_command, mod_group


class _Cog:
    async def greet(self, interaction: discord.Interaction, name: str) -> None:
        """A subcommand's callback."""


def test_the_group_is_for_servers_and_holds_what_the_cogs_hand_over() -> None:
    group = mod_group([mod_command(locale_str("greet"), locale_str("Say hello"), _Cog().greet)])
    (command,) = group.commands
    assert isinstance(command, app_commands.Command)
    assert command.qualified_name == "mod greet"
    assert [parameter.name for parameter in command.parameters] == ["name"]
    assert group.allowed_contexts is not None
    assert (group.allowed_contexts.guild, group.allowed_contexts.dm_channel) == (True, False)
