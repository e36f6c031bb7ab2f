"""Presses reach whoever acts on them, and every failure is answered with a sentence."""

from typing import Any
from unittest.mock import AsyncMock, MagicMock

import discord
import pytest

from bot.catalogues import Languages
from bot.errors import JobEndedError, MissingPermissionError
from bot.views.custom_id import Action, CustomId
from bot.views.presses import Presses

JOB_ID = "0123456789ab"


def make_interaction() -> MagicMock:
    interaction = MagicMock(spec=discord.Interaction, locale="en-US", command=None)
    interaction.response = MagicMock(is_done=MagicMock(return_value=False), send_message=AsyncMock())
    return interaction


async def press(custom_id: str, handler: Any, check: Any = None) -> MagicMock:
    interaction = make_interaction()
    await Presses({Action.CANCEL: handler}, Languages({}), check or AsyncMock()).press(interaction, custom_id)
    return interaction


async def test_the_handler_is_told_what_was_pressed() -> None:
    handler = AsyncMock()
    interaction = await press(f"1:cancel:{JOB_ID}:x", handler)
    handler.assert_awaited_once_with(interaction, CustomId(Action.CANCEL, JOB_ID, "x"))
    interaction.response.send_message.assert_not_awaited()


async def test_nobody_acts_on_what_the_one_who_pressed_may_not_do() -> None:
    handler, check = AsyncMock(), AsyncMock(side_effect=MissingPermissionError("Not you."))
    interaction = await press(f"1:cancel:{JOB_ID}", handler, check)
    check.assert_awaited_once_with(interaction, CustomId(Action.CANCEL, JOB_ID))
    handler.assert_not_awaited()
    assert interaction.response.send_message.await_args.args == ("Not you.",)


@pytest.mark.parametrize(
    ("custom_id", "error", "sentence"),
    [
        (f"1:cancel:{JOB_ID}", JobEndedError("Too late."), "Too late."),
        (f"1:cancel:{JOB_ID}", ZeroDivisionError("bug"), "Something went wrong (id "),
        ("1:cancel:forged", None, "This control is not from this version of the bot."),
        (f"1:cancel_listed:{JOB_ID}", None, "Something went wrong (id "),
    ],
)
async def test_a_failure_is_one_sentence_for_whoever_pressed(
    custom_id: str, error: Exception | None, sentence: str
) -> None:
    sent = (await press(custom_id, AsyncMock(side_effect=error))).response.send_message.await_args
    assert sent.args[0].startswith(sentence)
    assert sent.kwargs["ephemeral"] is True
