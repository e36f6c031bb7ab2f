"""Which permissions the bot asks for, and where."""

from unittest.mock import MagicMock

import discord
import pytest

from bot.cogs.permissions import check_app_permissions
from bot.errors import MissingPermissionError


def make_interaction(permissions: discord.Permissions, kind: type = discord.TextChannel) -> MagicMock:
    interaction = MagicMock(spec=discord.Interaction)
    interaction.channel_id = 5
    interaction.channel = MagicMock(spec=kind)
    interaction.app_permissions = permissions
    return interaction


def test_the_channel_is_returned_if_nothing_is_missing() -> None:
    permissions = discord.Permissions(view_channel=True, send_messages=True, attach_files=True)
    assert check_app_permissions(make_interaction(permissions)) == 5


def test_an_administrator_lacks_nothing() -> None:
    assert check_app_permissions(make_interaction(discord.Permissions(administrator=True))) == 5


@pytest.mark.parametrize(
    ("granted", "lacking"),
    [
        ({"view_channel": True, "send_messages": True}, "I lack Attach Files in this channel"),
        ({"view_channel": True}, "I lack Send Messages and Attach Files in this channel"),
        ({}, "I lack View Channel, Send Messages and Attach Files in this channel"),
    ],
)
def test_each_missing_permission_is_named(granted: dict[str, bool], lacking: str) -> None:
    with pytest.raises(MissingPermissionError, match=lacking):
        check_app_permissions(make_interaction(discord.Permissions(**granted)))


def test_a_thread_needs_its_own_permission() -> None:
    in_channels = discord.Permissions(view_channel=True, send_messages=True, attach_files=True)
    with pytest.raises(MissingPermissionError, match="I lack Send Messages in Threads in"):
        check_app_permissions(make_interaction(in_channels, discord.Thread))
    in_threads = discord.Permissions(view_channel=True, send_messages_in_threads=True, attach_files=True)
    assert check_app_permissions(make_interaction(in_threads, discord.Thread)) == 5


def test_an_interaction_without_a_channel_is_refused() -> None:
    interaction = make_interaction(discord.Permissions.all())
    interaction.channel_id = None
    with pytest.raises(MissingPermissionError, match="which channel"):
        check_app_permissions(interaction)
