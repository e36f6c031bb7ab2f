"""/show as members meet it: the real client in a sandbox."""

import asyncio
from pathlib import Path
from unittest.mock import MagicMock

import discord
import numpy as np
import pytest
from PIL import Image

from bot.cogs.picture_source import PictureSource
from bot.cogs.show import check_age_limit
from bot.config import Settings
from bot.errors import JobFailedError, MissingPermissionError
from bot.sandbox import EventKind
from bot.store import JobState, JobStore, NewJob, ShowingStore
from bot.store.showings import MAX_SHOWINGS
from tests.cogs.test_cancelling import answer_alone, post_button
from tests.cogs.test_gallery import draw, engine, look, store_results
from tests.cogs.test_result_controls import evict
from tests.conftest import OpenStage, eventually

UNKNOWN = "This job is not known any more."


def pixels(file: Path) -> np.ndarray:
    with Image.open(file) as shown:
        return np.asarray(shown.convert("RGB"))


async def test_a_result_is_shown_once_more_in_another_channel(open_stage: OpenStage, tmp_path: Path) -> None:
    async with open_stage(engine) as stage:
        first = (await stage.play("/imagine prompt:a red circle images:3 seed:5"))[-1]
        job = await stage.job(JobState.DELIVERED)
        await stage.play("as alice")
        await stage.play("in gallery")
        shown = (await stage.play(f"/show job:{job.id}"))[-1]
        assert not shown.is_ephemeral
        assert shown.message_id != first.message_id
        lines = shown.text.splitlines()
        assert lines[:2] == first.text.splitlines()[:2]
        assert f"@alice shows job {job.id} once more." in lines
        assert lines[-2:] == first.text.splitlines()[-2:]
        out = tmp_path / "out"
        np.testing.assert_array_equal(pixels(out / shown.files[0]), pixels(out / first.files[0]))
        (showing,) = await stage.app.store.showings.of(job.id)
        assert str(showing.message_id) == shown.message_id
    link = f"[{job.id}](https://discord.com/channels/{job.guild_id}/{job.channel_id}/{job.message_id})"
    assert any(link in str(e.payload) for e in stage.sandbox.requests)


async def test_the_controls_work_for_whoever_sees_the_new_message(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await stage.play("as moderator")
        await stage.play("in staff")
        job = await draw(stage, "for the staff")
        await post_button(stage, f"1:enlarge:{job.id}:1")
        await stage.play("in general")
        await stage.play("as alice")
        assert await answer_alone(stage, "click Forged") == UNKNOWN
        assert await answer_alone(stage, f"/show job:{job.id}") == UNKNOWN
        await stage.play("as moderator")
        await stage.play(f"/show job:{job.id}")
        await stage.play("as alice")
        assert (await stage.answer("choose 2")).files
        assert (await stage.play("click Enlarge"))[-1].files
        await stage.play("click Reroll")
        assert (await stage.job(JobState.DELIVERED)).parent_id == job.id
        # It was shown here and nowhere else, and the gallery goes by the channel where it was drawn.
        await post_button(stage, f"1:enlarge:{job.id}:1", channel="gallery")
        await stage.play("in gallery")
        assert await answer_alone(stage, "click Forged") == UNKNOWN
        assert "for the staff for" not in (await look(stage, "/gallery user:moderator")).text


async def test_a_deletion_takes_every_message_along(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        ids = {str(job.message_id)}
        for channel in ("gallery", "general"):
            await stage.play(f"in {channel}")
            ids.add((await stage.play(f"/show job:{job.id}"))[-1].message_id)
        await stage.play("click Delete")
        assert (await stage.play("click Delete for good"))[-1].text == "Deleted."
        assert await stage.app.store.showings.of(job.id) == []
        deleted = {e.path.rsplit("/", 1)[1] for e in stage.sandbox.requests if e.method == "DELETE"}
        assert deleted == ids
        assert await answer_alone(stage, f"/show job:{job.id}") == "The pictures of this job were deleted."


async def test_a_private_result_is_shown_to_its_requester_alone(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage, "a secret", "images:2 private:true")
        shown = (await stage.play(f"/show job:{job.id}"))[-1]
        assert shown.is_ephemeral
        assert "[Reroll]" in shown.text
        assert await stage.app.store.showings.of(job.id) == []
        await stage.play("as moderator")
        assert await answer_alone(stage, f"/show job:{job.id}") == UNKNOWN


async def test_pictures_that_gave_way_are_drawn_again(open_stage: OpenStage, settings: Settings) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await asyncio.to_thread(evict, settings)
        shown = (await stage.play(f"/show job:{job.id}"))[-1]
        assert len(shown.files) == 1
        assert len(stage.job_ids) == 1


async def test_what_can_not_be_drawn_again_is_a_sentence_for_the_asker(
    open_stage: OpenStage, settings: Settings
) -> None:
    other = engine()
    object.__setattr__(other.info, "name", "other")
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await asyncio.to_thread(evict, settings)
    async with open_stage(lambda: other) as stage:
        await eventually(lambda: stage.app.executor.status.info is not None)
        assert "drawn by the model fake, and the bot has other now" in await answer_alone(stage, f"/show job:{job.id}")


async def test_a_failure_after_the_promise_leaves_nothing_in_the_channel(
    open_stage: OpenStage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise JobFailedError("The device is gone.")

    async with open_stage(engine) as stage:
        job = await draw(stage)
        await asyncio.to_thread(evict, settings)
        monkeypatch.setattr(PictureSource, "png", fail)
        seen = await stage.play(f"/show job:{job.id}")
        assert [event.kind for event in seen[1:]] == [EventKind.ACK, EventKind.DELETE, EventKind.MESSAGE]
        assert (seen[-1].text, seen[-1].is_ephemeral) == ("The device is gone.", True)


async def test_a_result_is_shown_only_so_often(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> bool:
        return False

    monkeypatch.setattr(ShowingStore, "add", full)
    async with open_stage(engine) as stage:
        job = await draw(stage)
        said = (await stage.play(f"/show job:{job.id}"))[-1]
        assert said.text == f"This result was shown again {MAX_SHOWINGS} times, as often as it can be."
        assert said.is_ephemeral


@pytest.mark.parametrize(
    ("job_id", "sentence"),
    [
        ("0123456789ab", UNKNOWN),
        ("0123456789", "A job's id has 12 characters, from 0 to 9 and from a to f; 0123456789 is none."),
        ("../../../etc", "A job's id has 12 characters, from 0 to 9 and from a to f; ../../../etc is none."),
        ("x" * 100, f"A job's id has 12 characters, from 0 to 9 and from a to f; {'x' * 40} is none."),
    ],
)
async def test_ids_of_nothing(open_stage: OpenStage, job_id: str, sentence: str) -> None:
    async with open_stage(engine) as stage:
        assert await answer_alone(stage, f"/show job:{job_id}") == sentence


async def test_results_of_other_servers_and_unfinished_jobs(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        (elsewhere,) = await store_results(stage, job, "elsewhere", guild_id=5)
        assert await answer_alone(stage, f"/show job:{elsewhere}") == UNKNOWN
        new = NewJob(
            prompt="new",
            num_images=1,
            seed=1,
            user_id=job.user_id,
            guild_id=job.guild_id,
            channel_id=1,
            interaction_id=1,
        )
        await stage.app.store.jobs.create(new)
        assert await answer_alone(stage, f"/show job: `{new.id.upper()}`") == "This job is not finished yet."
        await stage.play("in read-only")
        assert await answer_alone(stage, f"/show job:{job.id}") == (
            "I lack Send Messages and Attach Files in this channel. Ask a moderator to grant this to me."
        )


async def test_only_where_the_servers_settings_allow_pictures(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        private = await draw(stage, "a secret", "images:1 private:true")
        assert job.guild_id is not None
        await stage.app.store.guilds.change(
            job.guild_id, 1, allowed_channels=(job.channel_id,), language="de", result_format="webp"
        )
        await stage.play("in gallery")
        said = await answer_alone(stage, f"/show job:{job.id}")
        assert said == "In this server I draw in certain channels only: #general. Ask again there."
        assert (await stage.play(f"/show job:{private.id}"))[-1].files, "for one's own eyes it disturbs nobody"
        await stage.play("in general")
        shown = (await stage.play(f"/show job:{job.id}"))[-1]
        assert f"@user zeigt Auftrag {job.id} noch einmal." in shown.text
        assert shown.files[0].endswith(".webp")


async def test_ones_own_latest_results_are_suggested(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_stage(engine) as stage:
        first = await draw(stage, "a red circle", "images:1")
        second = await draw(stage, "a BLUE star", "images:1")
        gone = await draw(stage, "a red star", "images:1")
        await stage.app.store.jobs.delete(gone.id)

        async def suggested(typed: str) -> str:
            return (await stage.answer(f"type /show job:{typed}")).text

        assert await suggested("") == f"a BLUE star · {second.id}\na red circle · {first.id}"
        assert await suggested("blue") == f"a BLUE star · {second.id}"
        assert await suggested(first.id[:6]) == f"a red circle · {first.id}"
        await stage.play("as alice")
        assert await suggested("") == "No options match your search."
        monkeypatch.setattr("bot.cogs.show.SUGGEST_TIMEOUT_S", 0.01)

        async def slow(*_: object, **__: object) -> None:
            await asyncio.sleep(5)

        monkeypatch.setattr(JobStore, "latest_of", slow)
        assert await suggested("") == "No options match your search."


@pytest.mark.parametrize(("from_adults", "to_adults"), [(True, False), (True, True), (False, False), (None, False)])
def test_age_restricted_results_stay_among_adults(from_adults: bool | None, to_adults: bool) -> None:
    """from_adults: None where the bot doesn't know the channel."""
    origin = None if from_adults is None else MagicMock(spec=discord.TextChannel, is_nsfw=lambda: from_adults)
    guild = MagicMock(spec=discord.Guild)
    guild.get_channel_or_thread.return_value = origin
    here = MagicMock(spec=discord.Thread, is_nsfw=lambda: to_adults)
    interaction = MagicMock(spec=discord.Interaction, guild=guild, channel=here, channel_id=2)
    job = MagicMock(channel_id=1)
    if from_adults and not to_adults:
        with pytest.raises(MissingPermissionError, match="age-restricted"):
            check_age_limit(interaction, job)
    else:
        check_age_limit(interaction, job)
