"""Which permissions the bot asks for, and where."""

from typing import Any
from unittest.mock import MagicMock
from urllib.parse import parse_qs, urlsplit

import discord
import pytest

from bot.cogs.permissions import (
    PERMISSION_NAMES,
    check_app_permissions,
    invite_link,
    may_see,
    readable_channels,
    required_permissions,
)
from bot.errors import MissingPermissionError
from bot.store import JobRecord


def make_interaction(permissions: discord.Permissions, kind: type = discord.TextChannel) -> MagicMock:
    interaction = MagicMock(spec=discord.Interaction)
    interaction.channel_id = 5
    interaction.channel = MagicMock(spec=kind, is_private=MagicMock(return_value=False))
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
    """A post in a forum is a thread too."""
    in_channels = discord.Permissions(view_channel=True, send_messages=True, attach_files=True)
    with pytest.raises(MissingPermissionError, match="I lack Send Messages in Threads in"):
        check_app_permissions(make_interaction(in_channels, discord.Thread))
    in_threads = discord.Permissions(view_channel=True, send_messages_in_threads=True, attach_files=True)
    assert check_app_permissions(make_interaction(in_threads, discord.Thread)) == 5


@pytest.mark.parametrize("kind", [discord.VoiceChannel, discord.StageChannel])
def test_the_chat_of_a_voice_channel_needs_connect(kind: type) -> None:
    in_channels = discord.Permissions(view_channel=True, send_messages=True, attach_files=True)
    with pytest.raises(MissingPermissionError, match="I lack Connect in this channel"):
        check_app_permissions(make_interaction(in_channels, kind))
    in_channels.connect = True
    assert check_app_permissions(make_interaction(in_channels, kind)) == 5


@pytest.mark.parametrize(
    ("is_private", "is_in", "manages", "may"),
    [
        (False, False, False, True),
        (True, True, False, True),
        (True, False, True, True),
        (True, False, False, False),
    ],
)
def test_a_private_thread_must_have_the_bot_in_it(is_private: bool, is_in: bool, manages: bool, may: bool) -> None:
    granted = discord.Permissions(
        view_channel=True, send_messages_in_threads=True, attach_files=True, manage_threads=manages
    )
    interaction = make_interaction(granted, discord.Thread)
    thread = interaction.channel
    thread.is_private.return_value = is_private
    thread.guild.get_thread.return_value = thread if is_in else None
    if may:
        assert check_app_permissions(interaction) == 5
    else:
        with pytest.raises(MissingPermissionError, match="not in this private thread"):
            check_app_permissions(interaction)


def test_what_is_needed_anywhere_is_what_the_invitation_asks_for() -> None:
    kinds = (discord.TextChannel, discord.Thread, discord.VoiceChannel, discord.StageChannel, discord.ForumChannel)
    needed = set[str]().union(*(required_permissions(MagicMock(spec=kind)) for kind in kinds))
    assert needed == set(PERMISSION_NAMES)
    (asked,) = parse_qs(urlsplit(invite_link(81384788765712384)).query)["permissions"]
    assert discord.Permissions(int(asked)) == discord.Permissions(**dict.fromkeys(needed, True))


def test_an_interaction_without_a_channel_is_refused() -> None:
    interaction = make_interaction(discord.Permissions.all())
    interaction.channel_id = None
    with pytest.raises(MissingPermissionError, match="which channel"):
        check_app_permissions(interaction)


@pytest.mark.parametrize(("guild_id", "is_member"), [(None, False), (7, False)])
def test_elsewhere_files_are_all_that_it_needs(guild_id: int | None, is_member: bool) -> None:
    interaction = make_interaction(discord.Permissions(attach_files=True))
    interaction.guild_id = guild_id
    interaction.is_guild_integration.return_value = is_member
    assert check_app_permissions(interaction) == 5
    interaction.app_permissions = discord.Permissions.none()
    with pytest.raises(MissingPermissionError, match="I lack Attach Files in this channel"):
        check_app_permissions(interaction)


def test_in_one_channel_of_direct_messages_people_see_each_others_results() -> None:
    interaction = MagicMock(spec=discord.Interaction, guild_id=None, channel_id=5, guild=None, user=MagicMock(id=2))
    job = MagicMock(spec=JobRecord, user_id=1, guild_id=None, channel_id=5, is_private=False)
    assert may_see(interaction, job)
    job.channel_id = 6
    assert not may_see(interaction, job)


@pytest.mark.parametrize(
    ("user_id", "guild_id", "channel_id", "granted", "is_private", "may"),
    [
        (1, 7, 9, None, False, True),
        (1, None, 9, None, True, True),
        (2, 7, 5, None, False, True),
        (2, 7, 5, None, True, False),
        (2, 8, 5, discord.Permissions.all(), False, False),
        (2, None, 5, None, False, False),
        (2, 7, 9, None, False, False),
        (2, 7, 9, discord.Permissions(view_channel=True, read_message_history=True), False, True),
        (2, 7, 9, discord.Permissions(view_channel=True), False, False),
        (2, 7, 9, discord.Permissions(read_message_history=True), False, False),
    ],
)
def test_who_may_look_at_a_result(
    user_id: int,
    guild_id: int | None,
    channel_id: int,
    granted: discord.Permissions | None,
    is_private: bool,
    may: bool,
) -> None:
    """granted: in the job's channel; None where the bot doesn't know that channel."""
    guild = MagicMock(spec=discord.Guild)
    channel = MagicMock(spec=discord.TextChannel, permissions_for=MagicMock(return_value=granted))
    guild.get_channel_or_thread.return_value = None if granted is None else channel
    interaction = MagicMock(spec=discord.Interaction, guild_id=guild_id, channel_id=channel_id, guild=guild)
    interaction.user = MagicMock(spec=discord.Member, id=user_id)
    job = MagicMock(spec=JobRecord, user_id=1, guild_id=7, channel_id=5, is_private=is_private)
    assert may_see(interaction, job) is may


ALL = discord.Permissions.all()
READER = discord.Permissions(view_channel=True, read_message_history=True)


def make_channel(kind: type, id_: int, granted: discord.Permissions, **more: Any) -> MagicMock:
    return MagicMock(spec=kind, id=id_, permissions_for=MagicMock(return_value=granted), **more)


def make_thread(id_: int, parent: MagicMock | None, *, is_private: bool = False) -> MagicMock:
    thread = MagicMock(
        spec=discord.Thread,
        id=id_,
        parent_id=7 if parent is None else parent.id,
        is_private=MagicMock(return_value=is_private),
        permissions_for=MagicMock(return_value=None if parent is None else parent.permissions_for()),
    )
    thread.parent = parent
    return thread


def make_asker(*channels: MagicMock, here: discord.Permissions = READER, channel_id: int | None = 100) -> MagicMock:
    threads = [channel for channel in channels if isinstance(channel, discord.Thread)]
    others = [channel for channel in channels if channel not in threads]
    guild = MagicMock(spec=discord.Guild, channels=others, threads=threads)
    guild.get_channel_or_thread = {channel.id: channel for channel in channels}.get
    user = MagicMock(spec=discord.Member, id=2)
    return MagicMock(
        spec=discord.Interaction, guild=guild, guild_id=7, user=user, permissions=here, channel_id=channel_id
    )


@pytest.mark.parametrize(
    ("kind", "granted", "may"),
    [
        (discord.TextChannel, READER, True),
        (discord.TextChannel, discord.Permissions(view_channel=True), False),
        (discord.TextChannel, discord.Permissions(read_message_history=True), False),
        (discord.VoiceChannel, READER, False),
        (discord.VoiceChannel, READER | discord.Permissions(connect=True), True),
    ],
)
def test_channels_whose_past_somebody_may_read(kind: type, granted: discord.Permissions, may: bool) -> None:
    asker = make_asker(make_channel(kind, 1, granted))
    assert readable_channels(asker) == ({1, 100} if may else {100})
    job = MagicMock(spec=JobRecord, user_id=1, guild_id=7, channel_id=1, is_private=False)
    assert may_see(asker, job) is may


def test_threads_are_as_their_channels_and_private_ones_for_those_who_manage_them() -> None:
    seen, unseen = make_channel(discord.TextChannel, 1, READER), make_channel(discord.TextChannel, 2, ALL)
    unseen.permissions_for.return_value = discord.Permissions.none()
    managed = make_channel(discord.ForumChannel, 3, ALL)
    threads = [
        make_thread(11, seen),
        make_thread(12, seen, is_private=True),
        make_thread(21, unseen),
        make_thread(31, managed, is_private=True),
        make_thread(41, None),
    ]
    asker = make_asker(seen, unseen, managed, *threads)
    assert readable_channels(asker) == {1, 3, 11, 31, 100}
    for thread in threads:
        job = MagicMock(spec=JobRecord, user_id=1, guild_id=7, channel_id=thread.id, is_private=False)
        assert may_see(asker, job) is (thread.id in {11, 31})


def test_of_the_channel_where_somebody_asks_discord_says_it_itself() -> None:
    channel = make_channel(discord.TextChannel, 1, READER)
    assert readable_channels(make_asker(channel, channel_id=1, here=discord.Permissions(view_channel=True))) == set()
    assert readable_channels(make_asker(channel, channel_id=9, here=READER)) == {1, 9}
    assert readable_channels(make_asker(channel, channel_id=9, here=discord.Permissions(administrator=True))) == {1, 9}
    assert readable_channels(make_asker(channel, channel_id=None)) == {1}
    asker = make_asker(channel)
    asker.guild = None
    assert readable_channels(asker) == {100}
