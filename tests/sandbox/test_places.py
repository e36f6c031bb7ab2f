"""Places without the bot, direct messages with it, roles, and selects of channels and roles."""

import discord
import pytest
from discord import app_commands

from bot.sandbox import Sandbox
from bot.sandbox.errors import LineError
from tests.discord_description import check_answers, check_exchange
from tests.sandbox.tiny_bot import TinyBot, online


class TravellingBot(TinyBot):
    """One whose /do is offered everywhere."""

    async def setup_hook(self) -> None:
        command = self.tree.get_command("do")
        assert isinstance(command, app_commands.Command)
        command.allowed_contexts = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True)
        command.allowed_installs = app_commands.AppInstallationType(guild=True, user=True)
        await super().setup_hook()


@pytest.mark.parametrize(
    ("place", "is_guild", "is_user", "context"),
    [
        ("in gallery", True, False, "guild"),
        ("in direct messages", False, False, "dm_channel"),
        ("in friends", False, True, "private_channel"),
        ("in abroad", False, True, "guild"),
    ],
)
async def test_an_interaction_tells_where_it_comes_from(
    sandbox: Sandbox, place: str, is_guild: bool, is_user: bool, context: str
) -> None:
    async with online(sandbox, TravellingBot()) as bot:

        async def answer(interaction: discord.Interaction) -> None:
            assert interaction.is_guild_integration() is is_guild
            assert interaction.is_user_integration() is is_user
            assert getattr(interaction.context, context) is True
            assert (interaction.guild_id is None) == (context != "guild")
            assert interaction.app_permissions.attach_files
            await interaction.response.send_message("here")

        bot.handler = answer
        await sandbox.play(place)
        assert [event.text for event in (await sandbox.play("/do"))[1:]] == ["here"]
        assert await bot.outcome is None
        check_exchange(sandbox.requests)


async def test_an_app_of_ones_own_has_five_messages_more(sandbox: Sandbox) -> None:
    async with online(sandbox, TravellingBot()) as bot:

        async def answer(interaction: discord.Interaction) -> None:
            await interaction.response.send_message("first")
            for number in range(5):
                await interaction.followup.send(str(number))
            with pytest.raises(discord.HTTPException) as caught:
                await interaction.followup.send("too many")
            assert caught.value.code == 40094

        bot.handler = answer
        await sandbox.play("in friends")
        await sandbox.play("/do")
        assert await bot.outcome is None
        check_answers(sandbox.requests)


async def test_a_server_may_show_such_answers_to_their_user_alone(sandbox: Sandbox) -> None:
    async with online(sandbox, TravellingBot()) as bot:

        async def answer(interaction: discord.Interaction) -> None:
            assert not interaction.permissions.use_external_apps
            await interaction.response.send_message("open")
            await interaction.followup.send("more")

        bot.handler = answer
        await sandbox.play("in abroad-closed")
        seen = await sandbox.play("/do")
        assert await bot.outcome is None
        assert [event.is_ephemeral for event in seen[1:]] == [True, True]


async def test_a_role_is_given_and_taken(sandbox: Sandbox, bot: TinyBot) -> None:
    async def answer(interaction: discord.Interaction) -> None:
        assert isinstance(interaction.user, discord.Member)
        assert [role.name for role in interaction.user.roles] == ["@everyone", "Artist"]
        await interaction.response.send_message("done", ephemeral=True)

    bot.handler = answer
    assert (await sandbox.play("give Artist"))[-1].text == "user has the role Artist"
    await sandbox.play("/do")
    assert await bot.outcome is None
    assert (await sandbox.play("take @Artist"))[-1].text == "user no longer has the role Artist"
    with pytest.raises(LineError, match="There is no role 'Baker' in the sandbox; there are @everyone,"):
        await sandbox.play("take Baker")


class Chooser(discord.ui.View):
    """Selects of channels and roles."""

    @discord.ui.select(cls=discord.ui.ChannelSelect, custom_id="channels", max_values=2)
    async def channels(self, interaction: discord.Interaction, select: "discord.ui.ChannelSelect[Chooser]") -> None:
        await interaction.response.send_message(" ".join(c.mention for c in select.values), ephemeral=True)

    @discord.ui.select(cls=discord.ui.RoleSelect, custom_id="roles")
    async def roles(self, interaction: discord.Interaction, select: "discord.ui.RoleSelect[Chooser]") -> None:
        await interaction.response.send_message(select.values[0].name, ephemeral=True)


async def test_channels_and_roles_are_chosen_by_name(sandbox: Sandbox, bot: TinyBot) -> None:
    async def answer(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("choose", view=Chooser(), ephemeral=True)

    with pytest.raises(LineError, match="There is no select of channels in general"):
        await sandbox.play("choose #general")
    bot.handler = answer
    await sandbox.play("/do")
    assert (await sandbox.play("choose #general, #gallery"))[-1].text == "#general #gallery"
    assert (await sandbox.play("choose @Moderator"))[-1].text == "Moderator"
    with pytest.raises(LineError, match="That select takes 1 to 2, not 3"):
        await sandbox.play("choose #general, #gallery, #hidden")
    with pytest.raises(LineError, match="There is no channel '#nowhere'"):
        await sandbox.play("choose #nowhere")
    check_exchange(sandbox.requests)
