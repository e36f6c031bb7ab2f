"""The error policy: who is told what, and what is logged."""

import logging
import re
from unittest.mock import AsyncMock, MagicMock

import aiohttp
import discord
import pytest
from discord import app_commands

from bot.catalogues import Languages
from bot.error_handler import UNKNOWN_INTERACTION, answer_error, explain
from bot.errors import (
    IllegalMoveError,
    InvalidPromptError,
    JobFailedError,
    NoRoomError,
    QueueFullError,
    StoreError,
)
from bot.executor.scheduler import LATER
from bot.language import ENGLISH
from bot.store.refusals import LOCKED, UNKNOWN

GENERIC = re.compile(
    r"Something went wrong \(id ([0-9a-f]{6})\)\. Try again; if it goes on, tell the bot's owner this id\."
)


def invoke_error(original: Exception) -> app_commands.CommandInvokeError:
    return app_commands.CommandInvokeError(MagicMock(name="command"), original)


def make_interaction(*, answered: bool = False) -> MagicMock:
    interaction = MagicMock(spec=discord.Interaction)
    interaction.user = MagicMock(id=11)
    interaction.command = MagicMock(qualified_name="imagine")
    interaction.response = MagicMock(is_done=MagicMock(return_value=answered), send_message=AsyncMock())
    interaction.followup = MagicMock(send=AsyncMock())
    return interaction


def refusal(status: int, code: int) -> discord.HTTPException:
    kind = discord.NotFound if status == 404 else discord.HTTPException
    return kind(MagicMock(status=status, reason="refused"), {"code": code, "message": "refused"})


@pytest.mark.parametrize(
    "error", [InvalidPromptError("Write words."), QueueFullError("Full."), JobFailedError("Broken.")]
)
def test_errors_that_people_can_mend_are_told_unchanged_and_not_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    assert explain(invoke_error(error), doing="/imagine", language=ENGLISH) == str(error)
    assert not caplog.records


def test_a_store_error_is_an_id_for_the_user_and_its_sentence_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    sentence = explain(invoke_error(StoreError("/srv/bot.sqlite3 is locked.")), doing="/imagine", language=ENGLISH)
    match = re.fullmatch(
        r"The bot's database has a problem \(id ([0-9a-f]{6})\)\. Try again in some minutes\.", sentence
    )
    assert match
    assert match[1] in caplog.text
    assert "/srv/bot.sqlite3 is locked." in caplog.text


def late() -> StoreError:
    error = StoreError("The job could not be stored in time.")
    error.__cause__ = TimeoutError()
    return error


@pytest.mark.parametrize(
    "known",
    [LOCKED.error("The database x"), late(), NoRoomError("There is no room.")],
)
def test_what_the_database_is_known_to_refuse_takes_one_line_of_the_log(
    known: StoreError, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sentence = explain(raised(known), doing="/imagine", language=ENGLISH)
    (incident,) = re.findall(r"id ([0-9a-f]{6})", sentence)
    line, trace = caplog.records
    assert line.getMessage() == f"/imagine failed (id {incident}): {known}"
    assert (line.levelno, line.exc_info) == (logging.ERROR, None)
    assert (trace.levelno, incident in trace.getMessage()) == (logging.DEBUG, True)
    assert trace.exc_info is not None


@pytest.mark.parametrize(
    "unknown", [UNKNOWN.error("The database x"), StoreError("Odd."), IllegalMoveError("No such move.")]
)
def test_what_it_is_not_known_to_refuse_keeps_its_traceback(
    unknown: StoreError, caplog: pytest.LogCaptureFixture
) -> None:
    explain(raised(unknown), doing="/imagine", language=ENGLISH)
    (line,) = caplog.records
    assert line.exc_info is not None
    assert "in raised" in caplog.text


def raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


def test_anything_else_is_an_id_for_the_user_and_a_traceback_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ZeroDivisionError("secret internals")
    except ZeroDivisionError as error:
        sentence = explain(invoke_error(error), doing="/imagine", language=ENGLISH)
    match = GENERIC.fullmatch(sentence)
    assert match
    assert match[1] in caplog.text
    assert "ZeroDivisionError: secret internals" in caplog.text
    assert "/imagine failed" in caplog.text


def test_an_outdated_command_says_how_to_refresh(caplog: pytest.LogCaptureFixture) -> None:
    assert "Reload Discord" in explain(app_commands.CommandNotFound("imagine", []), doing="/imagine", language=ENGLISH)
    assert not caplog.records


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            QueueFullError(
                "The queue is full: {count} of {limit} places are taken. {when}", count=3, limit=3, when=LATER
            ),
            r"Die Warteschlange ist voll: 3 von 3 Plätzen sind belegt\. Versuche es in ein paar Minuten noch einmal\.",
        ),
        (StoreError("locked"), r"Die Datenbank des Bots hat ein Problem \(Kennung [0-9a-f]{6}\)\. .*"),
        (ZeroDivisionError("bug"), r"Etwas ist schiefgegangen \(Kennung [0-9a-f]{6}\)\. .*"),
        (app_commands.CommandNotFound("imagine", []), r"Dieser Befehl hat sich geändert, .*"),
    ],
)
def test_the_user_is_told_in_their_language(error: Exception, sentence: str) -> None:
    assert re.fullmatch(sentence, explain(error, doing="/imagine", language=Languages.load().of("de")))


async def test_the_first_answer_is_ephemeral() -> None:
    interaction = make_interaction()
    await answer_error(interaction, invoke_error(InvalidPromptError("Write words.")), ENGLISH)
    call = interaction.response.send_message.await_args
    assert call.args == ("Write words.",)
    assert call.kwargs["ephemeral"] is True
    assert call.kwargs["allowed_mentions"].to_dict() == {"parse": []}


async def test_after_an_answer_the_sentence_is_an_ephemeral_followup() -> None:
    interaction = make_interaction(answered=True)
    await answer_error(interaction, invoke_error(InvalidPromptError("Write words.")), ENGLISH)
    interaction.response.send_message.assert_not_awaited()
    assert interaction.followup.send.await_args.kwargs["ephemeral"] is True


@pytest.mark.parametrize("failure", [refusal(500, 0), refusal(404, 10015), aiohttp.ClientError(), OSError("reset")])
async def test_discord_refusing_the_answer_is_logged_and_goes_no_further(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    interaction = make_interaction()
    interaction.response.send_message.side_effect = failure
    await answer_error(interaction, invoke_error(InvalidPromptError("Write words.")), ENGLISH)
    assert "could not tell user 11 why /imagine failed" in caplog.text


async def test_an_interaction_that_died_is_not_answered_again(caplog: pytest.LogCaptureFixture) -> None:
    interaction = make_interaction()
    await answer_error(interaction, invoke_error(refusal(404, UNKNOWN_INTERACTION)), ENGLISH)
    interaction.response.send_message.assert_not_awaited()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("code", [10003, 10004, 10015])
async def test_a_place_that_is_gone_is_a_line_in_the_log(code: int, caplog: pytest.LogCaptureFixture) -> None:
    interaction = make_interaction(answered=True)
    await answer_error(interaction, refusal(404, code), ENGLISH)
    interaction.followup.send.assert_not_awaited()
    [record] = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert "its place is gone" in record.getMessage()
