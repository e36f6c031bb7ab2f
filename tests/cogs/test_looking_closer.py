"""What the buttons of one picture do when something is in their way."""

import asyncio
import io
from datetime import UTC, datetime
from unittest.mock import AsyncMock, MagicMock

import aiohttp
import discord
import numpy as np
import pytest
from PIL import Image

from bot.catalogues import Languages
from bot.cogs.looking_closer import LookingCloser, enlarge_png
from bot.cogs.picture_source import PictureSource, PngFile
from bot.cogs.results import KeptResult, Results, parse_rank
from bot.collage import encode_png, read_metadata
from bot.errors import DalleBotError, JobEndedError, JobFailedError, MissingPermissionError, UnknownControlError
from bot.store import FavouriteStore, JobRecord, JobState, StoredImage
from bot.views.custom_id import Action, CustomId
from tests.cogs.desk import refusal

JOB_ID = "0123456789ab"
IMAGE = StoredImage(
    rank=2, index=0, score=20.0, model="demo", tokens=np.zeros(4, np.int32), vector=np.zeros(2, np.float32)
)


def make_png(side: int) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return encode_png(Image.fromarray(noise), {"prompt": "a red circle", "software": "dalle-bot"})


def make_interaction() -> MagicMock:
    interaction = MagicMock(spec=discord.Interaction, user=MagicMock(id=5, send=AsyncMock()), locale="en-US")
    interaction.response = MagicMock(is_done=MagicMock(return_value=True))
    interaction.edit_original_response = AsyncMock()
    return interaction


def make_closer(favourites: FavouriteStore | MagicMock | None = None) -> LookingCloser:
    now = datetime.now(UTC)
    job = JobRecord(
        id=JOB_ID,
        prompt="a red circle",
        num_images=2,
        seed=7,
        user_id=5,
        channel_id=2,
        interaction_id=3,
        state=JobState.DELIVERED,
        message_id=4,
        created_at=now,
        updated_at=now,
        error=None,
        result=None,
        deleted_at=None,
    )
    results = MagicMock(spec=Results, result=AsyncMock(return_value=KeptResult(job, (IMAGE,))))
    source = MagicMock(spec=PictureSource, png=AsyncMock(return_value=PngFile(make_png(8), is_redrawn=False)))
    return LookingCloser(results, source, favourites or MagicMock(spec=FavouriteStore), Languages({}))


@pytest.mark.parametrize(("side", "large"), [(64, 256), (256, 1024), (300, 900), (600, 600), (1200, 1200)])
def test_a_picture_is_enlarged_as_far_as_it_goes(side: int, large: int) -> None:
    data, extension, size = enlarge_png(make_png(side), 10 * 2**20)
    assert (extension, size) == ("png", (large, large))
    assert Image.open(io.BytesIO(data)).size == (large, large)
    assert read_metadata(data) == {
        "prompt": "a red circle",
        "software": "dalle-bot",
        "enlarged": f"{large // side} times",
    }


def test_an_enlarged_picture_over_the_limit_becomes_smaller() -> None:
    data, extension, _ = enlarge_png(make_png(64), 30_000)
    assert extension == "webp"
    assert len(data) <= 30_000
    with pytest.raises(JobFailedError, match="may be attached here"):
        enlarge_png(make_png(64), 100)


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (refusal(403, 50007), MissingPermissionError, "does not let me write to you"),
        (refusal(403, 50278), MissingPermissionError, "does not let me write to you"),
        (TimeoutError(), JobEndedError, "did not take the direct message"),
        (aiohttp.ClientConnectionError(), JobEndedError, "did not take the direct message"),
    ],
)
async def test_a_copy_that_can_not_be_sent(error: Exception, kind: type[DalleBotError], sentence: str) -> None:
    interaction = make_interaction()
    interaction.user.send.side_effect = error
    with pytest.raises(kind, match=sentence):
        await make_closer().save(interaction, CustomId(Action.SAVE, JOB_ID, "2"))


async def test_another_refusal_of_a_copy_is_for_the_log() -> None:
    interaction = make_interaction()
    interaction.user.send.side_effect = refusal(403, 40001)
    with pytest.raises(discord.Forbidden):
        await make_closer().save(interaction, CustomId(Action.SAVE, JOB_ID, "2"))


async def test_a_favourite_of_what_has_just_been_deleted() -> None:
    favourites = MagicMock(spec=FavouriteStore, remove=AsyncMock(return_value=False), add=AsyncMock(return_value=False))
    with pytest.raises(JobEndedError, match="were deleted"):
        await make_closer(favourites).favourite(make_interaction(), CustomId(Action.FAVOURITE, JOB_ID, "2"))


@pytest.mark.parametrize("values", [[], ["0"], ["10"], ["x"], ["²"], ["3"]])
async def test_choices_that_are_not_offered(values: list[str]) -> None:
    interaction = make_interaction()
    interaction.data = {"values": values}
    with pytest.raises((UnknownControlError, JobEndedError)):
        await make_closer().look(interaction, CustomId(Action.LOOK, JOB_ID))


@pytest.mark.parametrize("text", ["", "0", "10", "-1", "1 ", "²", "١"])
def test_what_is_no_rank(text: str) -> None:
    with pytest.raises(UnknownControlError):
        parse_rank(text)


async def test_the_answer_waits_for_no_slow_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cogs.looking_closer.STORE_TIMEOUT_S", 0.01)

    async def slow(*_: object) -> bool:
        await asyncio.sleep(10)
        return True

    favourites = MagicMock(spec=FavouriteStore, remove=slow)
    with pytest.raises(DalleBotError, match="could not be stored in time"):
        await make_closer(favourites).favourite(make_interaction(), CustomId(Action.FAVOURITE, JOB_ID, "2"))
