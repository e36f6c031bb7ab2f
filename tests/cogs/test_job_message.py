"""One job's message: which token edits it, and what Discord's refusals mean."""

from unittest.mock import AsyncMock, MagicMock

import aiohttp
import discord
import pytest

from bot.cogs.job_message import TOKEN_LIFE_S, UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, JobMessage, Shown
from bot.language import ENGLISH
from bot.render import Controls, Picture, Rendered
from tests.clock import Clock

JOB_ID = "0123456789ab"
TEXT = Rendered("Queued, place 2.")
PICTURE = Rendered("done", Picture("a.png", b"png", "A picture"))


class Setup:
    """A message with both ways to it mocked."""

    def __init__(self, *, shown: Rendered | None = None) -> None:
        self.clock = Clock()
        self.by_token = AsyncMock()
        self.by_bot = AsyncMock()
        interaction = MagicMock(spec=discord.Interaction, edit_original_response=self.by_token)
        partial = MagicMock(spec=discord.PartialMessage, id=99, edit=self.by_bot)
        self.message = JobMessage(partial, JOB_ID, ENGLISH, interaction=interaction, shown=shown, clock=self.clock)

    def counts(self) -> tuple[int, int]:
        return self.by_token.await_count, self.by_bot.await_count


def refusal(status: int, code: int) -> discord.HTTPException:
    kind = {403: discord.Forbidden, 404: discord.NotFound}.get(status, discord.HTTPException)
    return kind(MagicMock(status=status, reason="refused"), {"code": code, "message": "refused"})


async def test_the_interactions_token_goes_first() -> None:
    setup = Setup()
    assert await setup.message.show(TEXT) is Shown.DONE
    assert setup.counts() == (1, 0)
    kwargs = setup.by_token.await_args_list[0].kwargs
    assert kwargs["content"] == TEXT.content
    assert kwargs["attachments"] is discord.utils.MISSING
    assert kwargs["allowed_mentions"].to_dict() == {"parse": []}


async def test_a_follow_up_is_edited_by_its_own_id() -> None:
    edit = AsyncMock()
    interaction = MagicMock(spec=discord.Interaction, followup=MagicMock(edit_message=edit))
    partial = MagicMock(spec=discord.PartialMessage, id=99, edit=AsyncMock(side_effect=AssertionError))
    message = JobMessage(partial, JOB_ID, ENGLISH, interaction=interaction, is_follow_up=True)
    assert await message.show(TEXT) is Shown.DONE
    assert (edit.await_args_list[0].args, edit.await_args_list[0].kwargs["content"]) == ((99,), TEXT.content)


async def test_the_same_content_is_not_sent_twice() -> None:
    setup = Setup(shown=TEXT)
    assert await setup.message.show(TEXT) is Shown.DONE
    assert setup.counts() == (0, 0)
    await setup.message.show(Rendered("Queued, place 1."))
    await setup.message.show(Rendered("Queued, place 1."))
    assert setup.counts() == (1, 0)


async def test_controls_come_with_every_edit_and_go_with_the_last() -> None:
    setup = Setup()
    await setup.message.show(Rendered("Drawing", controls=Controls.RUNNING))
    await setup.message.show(Rendered("Drawing"))
    running, ended = (call.kwargs["view"] for call in setup.by_token.await_args_list)
    assert [item.custom_id for item in running.children] == [f"1:cancel:{JOB_ID}"]
    assert ended is None


async def test_a_preview_stays_until_something_else_is_shown() -> None:
    setup = Setup()
    for rendered in (PICTURE, TEXT, Rendered("Cancelled.", drops_picture=True)):
        await setup.message.show(rendered)
    uploaded, kept, dropped = (call.kwargs["attachments"] for call in setup.by_token.await_args_list)
    assert [file.filename for file in uploaded] == ["a.png"]
    assert kept is discord.utils.MISSING
    assert dropped == []


async def test_the_same_words_are_sent_again_to_drop_a_picture_and_then_no_more() -> None:
    setup = Setup(shown=TEXT)
    for _ in range(2):
        await setup.message.show(Rendered(TEXT.content, drops_picture=True))
    assert setup.counts() == (1, 0)


async def test_the_bots_own_token_takes_over_before_the_interactions_dies() -> None:
    setup = Setup()
    setup.clock.now_s += TOKEN_LIFE_S
    assert await setup.message.show(TEXT) is Shown.DONE
    assert setup.counts() == (0, 1)


@pytest.mark.parametrize("error", [refusal(401, 50027), refusal(404, 10015), refusal(503, 0)])
async def test_a_token_that_fails_is_not_tried_again(error: discord.HTTPException) -> None:
    setup = Setup()
    setup.by_token.side_effect = error
    assert await setup.message.show(PICTURE) is Shown.DONE
    assert setup.by_bot.await_args_list[0].kwargs["attachments"][0].filename == "a.png"
    await setup.message.show(TEXT)
    assert setup.counts() == (1, 2)


async def test_content_that_discord_refuses_is_not_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    setup = Setup()
    setup.by_token.side_effect = refusal(413, 40005)
    assert await setup.message.show(PICTURE) is Shown.TOO_LARGE
    assert setup.counts() == (1, 0)
    assert "message 99 could not be edited" in caplog.text


@pytest.mark.parametrize("code", [UNKNOWN_CHANNEL, UNKNOWN_MESSAGE])
async def test_a_deleted_message_is_left_alone(code: int) -> None:
    setup = Setup()
    setup.by_token.side_effect = refusal(404, code)
    assert await setup.message.show(TEXT) is Shown.GONE
    assert await setup.message.show(PICTURE) is Shown.GONE
    assert setup.counts() == (1, 0)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (refusal(400, 50035), Shown.REFUSED),
        (refusal(403, 50001), Shown.FORBIDDEN),
        (refusal(429, 0), Shown.UNREACHED),
        (refusal(503, 0), Shown.UNREACHED),
        (aiohttp.ServerDisconnectedError(), Shown.UNREACHED),
        (OSError("reset"), Shown.UNREACHED),
        (TimeoutError(), Shown.UNREACHED),
    ],
)
async def test_failures_of_the_last_way_are_logged_and_may_be_tried_again(
    error: Exception, shown: Shown, caplog: pytest.LogCaptureFixture
) -> None:
    setup = Setup()
    setup.clock.now_s += TOKEN_LIFE_S
    setup.by_bot.side_effect = [error, None]
    assert await setup.message.show(TEXT) is shown
    assert "message 99 could not be edited" in caplog.text
    assert await setup.message.show(TEXT) is Shown.DONE
