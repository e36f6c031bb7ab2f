"""Which answers can be edited for 15 minutes only, and how long a job may take for one."""

from unittest.mock import MagicMock

import discord
import pytest
from discord import app_commands

from bot.cogs.edit_window import check_wait, is_short_lived
from bot.errors import WaitTooLongError


@pytest.mark.parametrize(
    ("is_private", "is_member", "is_direct", "is_own_app", "expected"),
    [
        (False, True, False, False, False),
        (True, True, False, False, True),
        (False, False, False, True, True),
        (False, False, True, False, False),
        (False, False, True, True, True),
        (True, False, True, False, True),
    ],
)
def test_only_the_token_edits_what_is_private_or_where_the_bot_is_no_member(
    is_private: bool, is_member: bool, is_direct: bool, is_own_app: bool, expected: bool
) -> None:
    interaction = MagicMock(
        spec=discord.Interaction,
        context=app_commands.AppCommandContext(guild=not is_direct, dm_channel=is_direct),
        is_guild_integration=MagicMock(return_value=is_member),
        is_user_integration=MagicMock(return_value=is_own_app),
    )
    assert is_short_lived(interaction, is_private=is_private) is expected


@pytest.mark.parametrize("expected_end_s", [None, 0.0, 719.0, 720.0])
def test_what_is_done_in_time_or_unknown_is_accepted(expected_end_s: float | None) -> None:
    check_wait(expected_end_s, is_private=True)


@pytest.mark.parametrize(
    ("is_private", "advice"),
    [
        (True, "Ask without “private” in one of the server's channels, or try again later."),
        (False, "Ask in a server that I am in, or try again later."),
    ],
)
def test_what_takes_longer_is_refused_with_its_time(is_private: bool, advice: str) -> None:
    with pytest.raises(WaitTooLongError) as caught:
        check_wait(900.0, is_private=is_private)
    assert str(caught.value).startswith("This would be done in about 15 min, and ")
    assert str(caught.value).endswith(advice)
