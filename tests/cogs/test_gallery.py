"""/gallery as members meet it: the real client in a sandbox."""

import asyncio
import re
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from bot.config import QueueSettings, Settings
from bot.engine.fake import FakeEngine
from bot.sandbox import Event
from bot.store import Gallery, JobRecord, JobState, NewJob
from tests.cogs.test_cancelling import answer_alone, post_button
from tests.conftest import OpenStage, Stage
from tests.store.samples import picture

EMPTY = "There is nothing here yet that you may see."
OUTDATED = "This control is not from this version of the bot. Use the command again."
STEPS = (JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING, JobState.DELIVERED)


def engine() -> FakeEngine:
    return FakeEngine(image_length=16, num_rows=4, image_size_px=8)


async def draw(stage: Stage, prompt: str = "a red circle", options: str = "images:2") -> JobRecord:
    await stage.play(f"/imagine prompt:{prompt} {options}")
    return await stage.job(JobState.DELIVERED)


async def store_results(stage: Stage, like: JobRecord, *prompts: str, **changes: Any) -> list[str]:
    """Results as `like`, which nobody had to wait for; their files are missing. Their ids, oldest first."""
    jobs = []
    for number, prompt in enumerate(prompts):
        values = {"guild_id": like.guild_id, "channel_id": like.channel_id, "user_id": like.user_id} | changes
        new = NewJob(prompt=prompt, num_images=1, seed=1, interaction_id=like.interaction_id + 1 + number, **values)
        await stage.app.store.jobs.create(new)
        await stage.app.store.images.save(new.id, [picture(1, model="fake")])
        await stage.app.store.jobs.acknowledge(new.id, new.channel_id, 1000 + number)
        for state in STEPS:
            await stage.app.store.jobs.move(new.id, state)
        jobs.append(new.id)
    return jobs


async def look(stage: Stage, line: str = "/gallery") -> Event:
    """What a line has shown in the end, to the player alone."""
    seen = (await stage.play(line))[-1]
    assert seen.is_ephemeral
    return seen


def prompts(page: Event) -> list[str]:
    """Of the pictures of a page, in its order."""
    return re.findall(r"^\d\. (.+) for @", page.text, re.MULTILINE)


async def test_nothing_to_look_back_at(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        page = await look(stage)
        assert page.text.splitlines() == ["Pictures of this server", EMPTY]
        assert not page.files
        favourites = await look(stage, "/gallery favourites:true")
        assert "look closer at a picture and press “Favourite”" in favourites.text


async def test_a_page_shows_pictures_with_numbers_descriptions_and_links(open_stage: OpenStage, tmp_path: Any) -> None:
    async with open_stage(engine) as stage:
        first = await draw(stage)
        await draw(stage, "a <@1> blue star", "images:1")
        page = await look(stage)
        lines = page.text.splitlines()
    assert lines[:3] == [
        "Pictures of this server",
        "(picture: Picture 1 of 1 of: a <@1> blue star)",
        "(picture: Picture 1 of 2 of: a red circle)",
    ]
    assert re.fullmatch(r"1\. a <@\u200b1> blue star for @user, (in )?\d+ seconds?( ago)? · message", lines[3])
    assert lines[5] == "[Look closer: 1. a <@1> blue star | 2. a red circle]"
    assert len(lines) == 6
    for name in page.files:
        with Image.open(tmp_path / "out" / name) as shown:
            assert (shown.format, shown.size) == ("WEBP", (256, 256))
    link = f"https://discord.com/channels/{first.guild_id}/{first.channel_id}/{first.message_id}"
    edits = [e.payload for e in stage.sandbox.requests if "webhooks" in e.path and "components" in str(e.payload)]
    assert link in str(edits[-1])
    assert [a["description"] for a in edits[-1]["attachments"]] == [line[10:-1] for line in lines[1:3]]


async def test_a_picture_is_looked_at_closely(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await look(stage)
        closer = await stage.answer("choose 1. a red circle")
    assert closer.is_ephemeral
    assert f"Picture 1 of 2 · score {(job.result or {})['scores'][0]:.1f}" in closer.text
    assert "[Vary]" in closer.text
    assert len(closer.files) == 1


async def test_pages_are_turned_also_after_a_restart(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage, "oldest")
        await store_results(stage, job, *(f"picture {n}" for n in range(12)))
        first = await look(stage)
        assert prompts(first) == [f"picture {n}" for n in range(11, 5, -1)]
        assert first.text.endswith("[Newer (off)] [Older]")
        assert "its file is not kept any more: look closer to make it again" in first.text
    async with open_stage(engine) as stage:
        second = await look(stage, "click Older")
        assert prompts(second) == [f"picture {n}" for n in range(5, -1, -1)]
        assert second.text.endswith("[Newer] [Older]")
        last = await look(stage, "click Older")
        assert prompts(last) == ["oldest"]
        assert last.text.endswith("[Newer] [Older (off)]")
        assert last.message_id == first.message_id
        assert len(last.files) == 1
        assert prompts(await look(stage, "click Newer")) == prompts(second)
        back = await look(stage, "click Newer")
        assert (prompts(back), back.files) == (prompts(first), ())


@pytest.mark.parametrize("count", [1, 5, 6, 7])
async def test_the_last_page_has_nothing_behind_it(open_stage: OpenStage, count: int) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage, "0")
        await store_results(stage, job, *map(str, range(1, count)))
        page = await look(stage)
    assert len(prompts(page)) == min(count, 6)
    assert ("[Older]" in page.text) is (count > 6)
    assert ("Older" in page.text) is (count > 6)


async def test_what_is_deleted_between_two_pages(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage, "oldest")
        ids = [job.id, *await store_results(stage, job, *(f"picture {n}" for n in range(7)))]
        await look(stage)
        # The last one of the first page, whose id the button holds, and the first one of the second page.
        for job_id in (ids[2], ids[1]):
            await stage.app.store.jobs.delete(job_id)
        second = await look(stage, "click Older")
        assert prompts(second) == ["oldest"]
        newer = await look(stage, "click Newer")
        assert prompts(newer) == [*(f"picture {n}" for n in range(6, 1, -1)), "oldest"]


async def test_when_the_next_page_was_deleted_the_first_one_is_shown(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage, "oldest")
        await store_results(stage, job, *(f"picture {n}" for n in range(6)))
        first = await look(stage)
        await stage.app.store.jobs.delete(job.id)
        page = await look(stage, "click Older")
    assert page.text.splitlines()[1] == "There was nothing more, so this is the first page."
    assert prompts(page) == prompts(first)
    assert "Older" not in page.text


async def test_channels_that_the_asker_can_not_see(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await stage.play("as moderator")
        await stage.play("in staff")
        await draw(stage, "for the staff")
        assert prompts(await look(stage)) == ["for the staff"]
        await stage.play("in general")
        assert prompts(await look(stage)) == ["for the staff"]
        await stage.play("as alice")
        assert (await look(stage)).text.endswith(EMPTY)
        assert (await look(stage, "/gallery user:moderator")).text.endswith(EMPTY)


async def test_private_results_are_for_their_requester(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await draw(stage, "a secret", "images:1 private:true")
        own = await look(stage)
        assert prompts(own) == ["a secret"]
        assert "only you can see it" in own.text
        assert "message" not in own.text
        await stage.play("as moderator")
        assert (await look(stage)).text.endswith(EMPTY)


async def test_other_servers_and_deleted_results(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await store_results(stage, job, "elsewhere", guild_id=5)
        assert prompts(await look(stage)) == ["a red circle"]
        await stage.app.store.jobs.delete(job.id)
        assert (await look(stage)).text.endswith(EMPTY)


async def test_the_pictures_of_one_member(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await draw(stage, "first")
        await stage.play("as alice")
        await draw(stage, "second")
        page = await look(stage, "/gallery user:user")
        assert page.text.startswith("Pictures for @user\n")
        assert prompts(page) == ["first"]
        assert (await look(stage, "/gallery user:bob")).text.endswith(EMPTY)


async def test_favourites(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        first = await draw(stage, "first", "images:3")
        second = await draw(stage, "second")
        for job, rank in ((second, 1), (first, 2), (first, 3)):
            await stage.app.store.favourites.add(first.user_id, job.id, rank)
        page = await look(stage, "/gallery favourites:true")
        assert page.text.startswith("Your favourites in this server\n")
        assert prompts(page) == ["first", "first", "second"]
        assert "(picture: Picture 3 of 3 of: first)" in page.text
        assert "Picture 2 of 3 · " in (await stage.answer("choose 2. first")).text
        await stage.play("as alice")
        assert prompts(await look(stage, "/gallery favourites:true")) == []


async def test_pages_of_favourites_are_turned(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage, "first", "images:8")
        for rank in range(1, 9):
            await stage.app.store.favourites.add(job.user_id, job.id, rank)
        assert len(prompts(await look(stage, "/gallery favourites:true"))) == 6
        await stage.app.store.favourites.remove(job.user_id, job.id, 3)
        last = await look(stage, "click Older")
        assert re.findall(r"Picture (\d) of 8 of", last.text) == ["2", "1"]
        # Too few are newer for a page, so it is the first one again.
        newer = await look(stage, "click Newer")
        assert re.findall(r"Picture (\d) of 8 of", newer.text) == ["8", "7", "6", "5", "4", "2"]


async def test_who_is_not_the_asker_gets_a_page_of_their_own(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage, "a secret", "images:1 private:true")
        gallery = Gallery(user_id=job.user_id, guild_id=job.guild_id or 0)
        await stage.app.store.galleries.add(gallery)
        await post_button(stage, f"1:turn:{gallery.id}:newer.{job.id}")
        await stage.play("as alice")
        page = await look(stage, "click Forged")
        assert page.text.endswith(EMPTY)


@pytest.mark.parametrize(
    ("of", "argument", "sentence"),
    [
        ({}, "older", OUTDATED),
        ({}, "older.12", OUTDATED),
        ({}, "sideways.0123456789ab", OUTDATED),
        ({"is_favourites": True}, "older.0123456789ab", OUTDATED),
        ({"is_favourites": True}, "older.9999999999999999999", OUTDATED),
        (None, "older.0123456789ab", "This gallery is too old to turn its pages: use /gallery again."),
    ],
)
async def test_turns_that_lead_nowhere(
    open_stage: OpenStage, of: dict[str, Any] | None, argument: str, sentence: str
) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        gallery = Gallery(user_id=job.user_id, guild_id=job.guild_id or 0)
        if of is not None:
            await stage.app.store.galleries.add(replace(gallery, **of))
        await post_button(stage, f"1:turn:{gallery.id}:{argument}")
        assert await answer_alone(stage, "click Forged") == sentence


async def test_a_gallery_of_another_server_is_opened_anew(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        gallery = Gallery(user_id=job.user_id, guild_id=1, of_user_id=2)
        await stage.app.store.galleries.add(gallery)
        await post_button(stage, f"1:turn:{gallery.id}:older.{job.id}")
        assert prompts(await look(stage, "click Forged")) == ["a red circle"]


async def test_damaged_files_cost_their_picture_alone(open_stage: OpenStage, settings: Settings) -> None:
    async with open_stage(engine) as stage:
        await draw(stage)
        await draw(stage, "another")

        def damage() -> None:
            newest = max(settings.pictures_dir.glob("*/*/1.png"), key=lambda file: file.stat().st_mtime_ns)
            newest.write_bytes(b"no picture" + b"IEND\xaeB`\x82")

        await asyncio.to_thread(damage)
        page = await look(stage)
    assert prompts(page) == ["another", "a red circle"]
    assert len(page.files) == 1


async def test_in_german(open_stage: OpenStage, settings: Settings) -> None:
    settings = settings.model_copy(update={"queue": QueueSettings(max_jobs=3, max_jobs_per_user=2)})
    async with open_stage(engine, settings=settings) as stage:
        await draw(stage)
        await stage.play("as anna in de")
        page = await look(stage, "/galerie mitglied:user")
    assert page.text.startswith("Bilder für @user\n(picture: Bild 1 von 2 zu: a red circle)\n")
    assert "[Genauer ansehen: 1. a red circle]" in page.text
