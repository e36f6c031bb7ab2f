"""How often a private answer is edited, and until when."""

from unittest.mock import AsyncMock, MagicMock

import discord

from bot.cogs.job_message import TOKEN_LIFE_S
from bot.cogs.progress_note import EDIT_INTERVAL_S, ProgressNote, write_to
from tests.clock import Clock
from tests.cogs.desk import refusal


def make_note(*outcomes: Exception | None) -> tuple[ProgressNote, Clock, AsyncMock]:
    clock, edit = Clock(), AsyncMock(side_effect=outcomes or None)
    interaction = MagicMock(spec=discord.Interaction, edit_original_response=edit, user=MagicMock(id=5))
    return ProgressNote(interaction, clock=clock), clock, edit


def told(edit: AsyncMock) -> list[str]:
    return [call.kwargs["content"] for call in edit.await_args_list]


async def test_it_is_edited_at_most_every_few_seconds_but_for_its_end() -> None:
    assert EDIT_INTERVAL_S == 3.0
    note, clock, edit = make_note()
    await note.tell("too early")
    clock.now_s += EDIT_INTERVAL_S
    await note.tell("one")
    clock.now_s += EDIT_INTERVAL_S - 0.1
    await note.tell("too early")
    assert await note.end("the end")
    assert told(edit) == ["one", "the end"]


async def test_after_its_time_somebody_else_has_to_tell() -> None:
    note, clock, edit = make_note()
    clock.now_s += TOKEN_LIFE_S
    await note.tell("too late")
    assert not await note.end("the end")
    assert told(edit) == []


async def test_an_edit_that_discord_refuses_ends_nothing() -> None:
    note, clock, _ = make_note(refusal(404, 10008), TimeoutError())
    clock.now_s += EDIT_INTERVAL_S
    await note.tell("one")
    assert not await note.end("the end")


async def test_whoever_takes_no_direct_messages_is_not_written_to() -> None:
    client = MagicMock(spec=discord.Client)
    client.create_dm = AsyncMock(return_value=MagicMock(send=AsyncMock()))
    assert await write_to(client, 5, "hello")
    client.create_dm.side_effect = refusal(403, 50007)
    assert not await write_to(client, 5, "hello")
