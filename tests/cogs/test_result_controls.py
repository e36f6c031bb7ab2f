"""The controls of finished jobs as members meet them: the real client in a sandbox."""

import asyncio
import io
import json
import zipfile
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import numpy as np
import pytest
from PIL import Image

from bot.cogs.message_removal import Left, MessageRemoval
from bot.collage import read_metadata
from bot.config import Settings
from bot.engine.fake import FakeEngine, expected_image
from bot.sandbox import Event, EventKind
from bot.store import JobRecord, JobState, JobStore
from tests.cogs.test_cancelling import answer_alone, post_button
from tests.conftest import TIMEOUT_S, OpenStage, Stage, eventually

DRAW = "/imagine prompt:a red circle images:3 seed:5"
DELETED = "The pictures of this job were deleted."


def engine() -> FakeEngine:
    return FakeEngine(image_length=16, num_rows=4, image_size_px=8)


async def draw(stage: Stage) -> JobRecord:
    """A delivered job of the member `user`."""
    await stage.play(DRAW)
    return await stage.job(JobState.DELIVERED)


def pixels_of(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def result_of(job: JobRecord) -> dict[str, Any]:
    assert job.result is not None
    return job.result


def expected_pixels(job: JobRecord, rank: int) -> np.ndarray:
    index = result_of(job)["order"][rank - 1]
    return expected_image(job.prompt, job.seed, index, image_length=16, image_size_px=8).pixels


def evict(settings: Settings) -> None:
    for file in settings.pictures_dir.glob("*/*/*.png"):
        file.unlink()


async def test_a_picture_in_full_with_its_metadata_and_alternative_text(open_stage: OpenStage, tmp_path: Path) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        answer = await stage.answer("choose 2")
    assert answer.is_ephemeral
    assert f"Picture 2 of 3 · score {result_of(job)['scores'][1]:.1f} · seed 5 · job {job.id}" in answer.text
    assert answer.text.endswith("[Vary subtly] [Vary] [Vary strongly]\n[Enlarge] [Send me a copy] [Favourite]")
    data = (tmp_path / "out" / answer.files[0]).read_bytes()
    np.testing.assert_array_equal(pixels_of(data), expected_pixels(job, 2))
    metadata = read_metadata(data)
    assert (metadata["prompt"], metadata["seed"], metadata["rank"], metadata["job"]) == (
        "a red circle",
        "5",
        "2",
        job.id,
    )
    described = [e.payload for e in stage.sandbox.requests if "Picture 2 of 3 of: a red circle" in str(e.payload)]
    assert len(described) == 1


async def test_other_members_may_look_and_another_channel_shows_what_they_could_see(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await post_button(stage, f"1:enlarge:{job.id}:1", channel="gallery")
        await stage.play("as alice")
        assert (await stage.answer("choose 1")).files
        await stage.play("in gallery")
        assert (await stage.play("click Forged"))[-1].files


async def test_an_enlarged_picture(open_stage: OpenStage, tmp_path: Path) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await stage.play("choose 1")
        enlarged = (await stage.play("click Enlarge"))[-1]
    assert enlarged.is_ephemeral
    assert enlarged.text.endswith("Enlarged to 32 x 32 pixels.")
    data = (tmp_path / "out" / enlarged.files[0]).read_bytes()
    np.testing.assert_array_equal(pixels_of(data), np.repeat(np.repeat(expected_pixels(job, 1), 4, 0), 4, 1))
    assert read_metadata(data)["enlarged"] == "4 times"


@pytest.mark.parametrize(("label", "num_tokens"), [("Vary subtly", 12), ("Vary", 8), ("Vary strongly", 4)])
async def test_a_variation_keeps_the_rows_from_the_top(open_stage: OpenStage, label: str, num_tokens: int) -> None:
    async with open_stage(engine) as stage:
        first = await draw(stage)
        await stage.play("as alice")
        await stage.play("choose 2")
        shown = (await stage.play(f"click {label}"))[-1]
        job = await stage.job(JobState.DELIVERED)
        (_, parent_image, _) = await stage.app.store.images.of(first.id)
        images = await stage.app.store.images.of(job.id)
    assert (job.kind, job.parent_id, job.parent_rank) == ("vary", first.id, 2)
    assert (job.prompt, job.num_images) == (first.prompt, first.num_images)
    assert job.user_id != first.user_id
    assert job.seed != first.seed
    assert job.image_tokens == tuple(parent_image.tokens[:num_tokens])
    assert all(tuple(image.tokens[:num_tokens]) == job.image_tokens for image in images)
    assert f"Varied from picture 2 of job {first.id}." in shown.text
    assert "3 images for @alice" in shown.text


async def test_a_reroll_is_a_job_of_whoever_presses_and_links_to_the_first(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await stage.play(f"{DRAW} temperature:0.5 top_k:9")
        first = await stage.job(JobState.DELIVERED)
        await stage.play("as alice")
        shown = (await stage.play("click Reroll"))[-1]
        job = await stage.job(JobState.DELIVERED)
        again = (await stage.play("click Reroll"))[-1]
    assert (job.kind, job.parent_id, job.parent_rank, job.image_tokens) == ("reroll", first.id, None, ())
    assert (job.prompt, job.num_images, job.temperature, job.top_k) == ("a red circle", 3, 0.5, 9)
    assert job.seed != first.seed
    assert f"Drawn again after job {first.id}." in shown.text
    assert f"Drawn again after job {job.id}." in again.text
    link = f"[{first.id}](https://discord.com/channels/{first.guild_id}/{first.channel_id}/{first.message_id})"
    assert any(link in str(e.payload) for e in stage.sandbox.requests)


async def test_all_pictures_in_a_zip(open_stage: OpenStage, tmp_path: Path) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        answer = (await stage.play("click Download all"))[-1]
    assert answer.is_ephemeral
    assert answer.text == "3 pictures, with their prompt and parameters in job.json."
    with zipfile.ZipFile(tmp_path / "out" / answer.files[0]) as archive:
        assert archive.namelist() == ["job.json", "1.png", "2.png", "3.png"]
        about = json.loads(archive.read("job.json"))
        np.testing.assert_array_equal(pixels_of(archive.read("3.png")), expected_pixels(job, 3))
    assert (about["job"], about["prompt"], about["seed"]) == (job.id, "a red circle", 5)
    assert about["sampling"] == result_of(job)["sampling"]
    assert [image["score"] for image in about["images"]] == result_of(job)["scores"]
    assert [image["file"] for image in about["images"]] == ["1.png", "2.png", "3.png"]


async def test_a_zip_that_is_too_large_is_a_sentence(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cogs.downloading.MAX_REQUEST_BYTES", 1000)
    async with open_stage(engine) as stage:
        await draw(stage)
        answer = (await stage.play("click Download all"))[-1]
    assert answer.text.endswith("Discord takes 0.0 MB here. Look closer at single pictures instead.")
    assert not answer.files


async def test_a_favourite_and_none_any_more(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await stage.play("choose 3")
        assert await answer_alone(stage, "click Favourite") == "Picture 3 is one of your favourites now."
        (favourite,) = await stage.app.store.favourites.of(job.user_id, 10)
        assert (favourite.job_id, favourite.rank) == (job.id, 3)
        assert await answer_alone(stage, "click Favourite") == "Picture 3 is no favourite of yours any more."
        assert await stage.app.store.favourites.of(job.user_id, 10) == []


async def delete(stage: Stage) -> list[Event]:
    await stage.play("click Delete")
    return await stage.play("click Delete for good")


async def test_the_requester_deletes_after_being_asked(open_stage: OpenStage, settings: Settings) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await stage.play("choose 1")
        await stage.play("click Favourite")
        asked = await stage.answer("click Delete")
        assert asked.is_ephemeral
        assert asked.text == "Delete the message and its 3 pictures for good?\n[Delete for good]"
        assert (await stage.job(JobState.DELIVERED)).deleted_at is None
        assert (await stage.play("click Delete for good"))[-1].text == "Deleted."
        assert (await stage.job(JobState.DELIVERED)).deleted_at is not None
        assert await stage.app.store.images.of(job.id) == []
        assert await stage.app.store.favourites.of(job.user_id, 10) == []
        assert list(settings.pictures_dir.glob("*/*/*.png")) == []
        # What was on the screen before offers nothing any more.
        for line in ("click Vary", "click Enlarge", "click Favourite", "click Send me a copy"):
            assert await answer_alone(stage, line) == DELETED
    deletions = [e for e in stage.sandbox.requests if e.method == "DELETE"]
    assert [e.path.rsplit("/", 1)[1] for e in deletions] == [str(job.message_id)]


async def test_a_moderator_deletes_and_others_may_not(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await post_button(stage, f"1:delete_confirmed:{job.id}")
        await stage.play("as alice")
        refusal = "Only whoever asked for it can do this, or a moderator."
        assert await answer_alone(stage, "click Delete") == refusal
        assert await answer_alone(stage, "click Forged") == refusal
        assert (await stage.job(JobState.DELIVERED)).deleted_at is None
        await stage.play("as moderator")
        assert (await delete(stage))[-1].text == "Deleted."


async def test_two_who_confirm_at_once(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    both = asyncio.Barrier(2)
    mark = JobStore.delete

    async def together(store: JobStore, job_id: str, **rest: Any) -> bool:
        await both.wait()
        return await mark(store, job_id, **rest)

    monkeypatch.setattr(JobStore, "delete", together)
    monkeypatch.setattr("bot.cogs.deleting.STORE_TIMEOUT_S", TIMEOUT_S)
    async with open_stage(engine) as stage:
        await draw(stage)
        await stage.sandbox.play("as moderator", player="second")
        for player in ("main", "second"):
            await stage.sandbox.play("click Delete", TIMEOUT_S, player)
        confirmed = (stage.sandbox.play("click Delete for good", TIMEOUT_S, player) for player in ("main", "second"))
        seen = await asyncio.gather(*confirmed)
    assert {events[-1].text for events in seen} == {"Deleted.", DELETED}
    assert list(settings.pictures_dir.glob("*/*/*.png")) == []


async def test_a_message_that_discord_keeps_goes_with_the_next_press(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        with monkeypatch.context() as patched:
            left = (Left("https://discord.com/channels/1/2/3", may_pass=True),)
            patched.setattr(MessageRemoval, "remove", AsyncMock(return_value=left))
            said = (await delete(stage))[-1].text
        assert said.startswith("The pictures are deleted, but Discord did not let me delete the message.")
        assert (await stage.play("click Delete"))[-1].text == DELETED
    assert any(e.method == "DELETE" and e.path.endswith(f"/{job.message_id}") for e in stage.sandbox.requests)


async def test_a_message_that_somebody_deleted_first(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await stage.play("choose 1")
        await stage.play("click Delete")
        assert job.message_id is not None
        channel = stage.app.bot.get_partial_messageable(job.channel_id)
        await channel.get_partial_message(job.message_id).delete()
        shown = (await stage.play("click Vary"))[-1]
        assert f"Varied from picture 1 of job {job.id}." in shown.text
        assert (await stage.play("click Delete for good"))[-1].text == "Deleted."
        assert (await stage.app.store.images.of(job.id)) == []


async def test_what_comes_from_a_private_job_is_private(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await stage.play(f"{DRAW} private:True")
        first = await stage.job(JobState.DELIVERED)
        await stage.play("choose 2")
        for line in ("click Vary", "click Reroll"):
            assert all(event.is_ephemeral for event in (await stage.play(line))[1:])
            job = await stage.job(JobState.DELIVERED)
            assert job.is_private
            assert job.id != first.id
        await post_button(stage, f"1:enlarge:{first.id}:1")
        await stage.play("as moderator")
        assert await answer_alone(stage, "click Forged") == "This job is not known any more."


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        ("reroll:{}", DELETED),
        ("look:{}", DELETED),
        ("download:{}", DELETED),
        ("vary:{}:1.medium", DELETED),
        ("reroll:0123456789ab", "This job is not known any more."),
        ("enlarge:0123456789ab:1", "This job is not known any more."),
        ("delete:0123456789ab", "This job is not known any more."),
        ("vary:{}:1.wild", "This control is not from this version of the bot. Use the command again."),
        ("vary:{}", "This control is not from this version of the bot. Use the command again."),
        ("enlarge:{}:12", "This control is not from this version of the bot. Use the command again."),
    ],
)
async def test_presses_on_what_is_gone_or_forged(open_stage: OpenStage, action: str, sentence: str) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await stage.app.store.jobs.delete(job.id)
        line = "click Forged"
        await post_button(stage, "1:" + action.format(job.id))
        if action.startswith("look"):
            line = "choose 1"
        assert await answer_alone(stage, line) == sentence
        assert len(stage.job_ids) == 1


async def test_a_job_of_another_guild_is_not_known(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await post_button(stage, f"1:enlarge:{job.id}:1", channel="gallery")
        await stage.play("as alice")
        await stage.play("in gallery")
        with pytest.MonkeyPatch.context() as patched:
            found = JobStore.get

            async def moved(store: JobStore, job_id: str) -> JobRecord | None:
                record = await found(store, job_id)
                assert record is not None
                object.__setattr__(record, "guild_id", 1)
                return record

            patched.setattr(JobStore, "get", moved)
            assert await answer_alone(stage, "click Forged") == "This job is not known any more."


async def test_evicted_pictures_are_drawn_again_from_their_tokens(
    open_stage: OpenStage, settings: Settings, tmp_path: Path
) -> None:
    made: list[FakeEngine] = []

    def remembered() -> FakeEngine:
        made.append(engine())
        return made[-1]

    async with open_stage(remembered) as stage:
        job = await draw(stage)
        kept = [file.read_bytes() for file in sorted(settings.pictures_dir.glob("*/*/*.png"))]
        await asyncio.to_thread(evict, settings)
        seen = await stage.play("choose 2")
        assert "so the picture was made again from its tokens" in seen[-1].text
        data = (tmp_path / "out" / seen[-1].files[0]).read_bytes()
        # The fake engine paints with the last token, the seed and the index, and this one is image 0 of its job.
        assert pixels_of(data)[0, 0, 0] == expected_pixels(job, 2)[0, 0, 0]
        assert len(made[0].assignments[-1].image_tokens) == 16
        assert read_metadata(data) == read_metadata(kept[1])
        answer = (await stage.play("click Download all"))[-1]
        assert answer.files
        assert stage.app.executor.status.num_running == 0


async def test_another_model_can_not_go_on_from_a_picture(open_stage: OpenStage, settings: Settings) -> None:
    other = engine()
    object.__setattr__(other.info, "name", "other")
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await stage.play("choose 1")
    async with open_stage(lambda: other) as stage:
        await eventually(lambda: stage.app.executor.status.info is not None)
        said = await answer_alone(stage, "click Vary")
        assert said == (
            "This picture was drawn by the model fake, and the bot has other now, which can't go on from it."
        )
        await asyncio.to_thread(evict, settings)
        assert await answer_alone(stage, "choose 1") == said
        await stage.play("click Reroll")
        assert (await stage.job(JobState.DELIVERED)).parent_id == job.id


async def test_every_control_works_after_a_restart(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        first = await draw(stage)
        await stage.play("choose 2")
    async with open_stage(engine) as stage:
        await eventually(lambda: stage.app.executor.status.info is not None)
        assert (await stage.play("click Enlarge"))[-1].files
        assert (await stage.play("click Favourite"))[-1].text == "Picture 2 is one of your favourites now."
        assert (await stage.answer("choose 3")).files
        assert (await stage.play("click Download all"))[-1].files
        assert (await stage.play("click Vary"))[-1].files
        assert (await stage.job(JobState.DELIVERED)).parent_id == first.id
        assert (await stage.play("click Reroll"))[-1].kind is EventKind.EDIT
        assert (await delete(stage))[-1].text == "Deleted."


async def test_a_result_that_could_not_be_kept_has_no_controls(open_stage: OpenStage, settings: Settings) -> None:
    settings.pictures_dir.parent.mkdir(parents=True, exist_ok=True)
    settings.pictures_dir.write_text("a file")
    async with open_stage(engine) as stage:
        assert "[" not in (await stage.play(DRAW))[-1].text


async def test_a_copy_as_a_direct_message(open_stage: OpenStage, tmp_path: Path) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await stage.play("as alice")
        await stage.play("choose 2")
        seen = await stage.play("click Send me a copy")
    (copy,) = (event for event in seen if event.text.startswith("Direct message:\n"))
    assert f"Picture 2 of 3 · score {result_of(job)['scores'][1]:.1f} · seed 5 · job {job.id}" in copy.text
    data = (tmp_path / "out" / copy.files[0]).read_bytes()
    np.testing.assert_array_equal(pixels_of(data), expected_pixels(job, 2))
    assert "I sent it to you as a direct message." in [event.text for event in seen if event.is_ephemeral]


async def test_closed_direct_messages_are_a_sentence(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await draw(stage)
        await stage.play("as hermit")
        await stage.play("choose 2")
        said = (await stage.play("click Send me a copy"))[-1]
    assert said.is_ephemeral
    assert said.text.startswith("Discord does not let me write to you: allow direct messages")
