"""The context menus as members meet them: the real client in a sandbox."""

from unittest.mock import MagicMock

import discord
import pytest

from bot.cogs.menus import Menus
from bot.engine.fake import FakeEngine, Gate
from bot.errors import InvalidPromptError
from bot.sandbox import EventKind
from bot.store import JobState
from tests.cogs.test_cancelling import answer_alone, post_button
from tests.cogs.test_gallery import draw, engine, look, prompts
from tests.conftest import OpenStage

NO_RESULT = "This message shows no result of mine."
FIELDS = "Remix\n[The prompt]\n[The negative prompt]\n[Number of pictures]\n[Seed]\n[condition_scale]"


async def test_the_text_of_a_message_is_drawn(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await stage.play("as alice")
        await stage.play("say  a red circle \non  grass")
        await stage.play("as bob")
        shown = (await stage.play("menu Draw this"))[-1]
        job = await stage.job(JobState.DELIVERED)
    assert (job.prompt, job.kind, job.num_images) == ("a red circle on grass", "imagine", 9)
    assert "9 images for @bob" in shown.text


async def test_alternatives_in_a_message_are_asked_about_first(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await stage.play("say a {red|blue} circle")
        assert "This makes 2 jobs" in (await stage.answer("menu Draw this")).text
        assert stage.job_ids == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("?!", "The prompt has no letters or digits: describe the picture in words."),
        (
            "x" * 1001,
            "This message has 1001 characters; a prompt has at most 1000. Use /imagine with a part of it.",
        ),
        ("a {b", "The { at character 3 has no } behind it. Put a backslash before a brace that is only a brace."),
    ],
)
async def test_odd_messages_are_not_drawn(open_stage: OpenStage, text: str, sentence: str) -> None:
    async with open_stage(engine) as stage:
        await stage.play(f"say {text}")
        assert await answer_alone(stage, "menu Draw this") == sentence
        assert await answer_alone(stage, "menu Remix") == NO_RESULT
        assert stage.job_ids == []


async def test_a_message_without_text_is_not_drawn() -> None:
    menus = Menus(*(MagicMock() for _ in range(6)))
    interaction = MagicMock(spec=discord.Interaction, application_id=1)
    for content in ("", " \n"):
        message = MagicMock(spec=discord.Message, content=content, author=MagicMock(id=2))
        with pytest.raises(InvalidPromptError, match="There is no text in this message that could be drawn"):
            await menus.draw_this(interaction, message)


async def test_a_message_of_the_bot_that_is_no_result(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await post_button(stage, "1:cancel:0123456789ab")
        for menu in ("Draw this", "Remix"):
            assert await answer_alone(stage, f"menu {menu}") == NO_RESULT


async def test_of_a_result_its_prompt_is_drawn_also_where_it_is_shown_once_more(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        first = await draw(stage)
        await stage.play("menu Draw this")
        second = await stage.job(JobState.DELIVERED)
        assert (second.prompt, second.parent_id) == ("a red circle", None)
        await stage.play("in gallery")
        await stage.play(f"/show job:{first.id}")
        await stage.play("menu Draw this")
        assert (await stage.job(JobState.DELIVERED)).prompt == "a red circle"
        assert len(stage.job_ids) == 3


async def test_what_is_unfinished_or_deleted(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin_running("/imagine prompt:a red circle images:1", player="another")
        for menu in ("Draw this", "Remix"):
            assert await answer_alone(stage, f"menu {menu}") == "This job is not finished yet."
        gate.open()
        job = await stage.job(JobState.DELIVERED)
        await stage.app.store.jobs.delete(job.id)
        assert await answer_alone(stage, "menu Remix") == "The pictures of this job were deleted."


async def test_a_remix_begins_with_what_was(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await stage.play(
            "/imagine prompt:a red circle images:2 seed:5 negative:green condition_scale:7.5 top_k:9 temperature:0.5"
        )
        first = await stage.job(JobState.DELIVERED)
        await stage.play("as alice")
        form = (await stage.play("menu Remix"))[-1]
        assert (form.kind, form.text) == (EventKind.MODAL, FIELDS)
        shown = (await stage.play("submit The prompt:a blue star Seed:9"))[-1]
        job = await stage.job(JobState.DELIVERED)
    assert (job.prompt, job.seed, job.kind, job.parent_id) == ("a blue star", 9, "remix", first.id)
    same = ("num_images", "negative_prompt", "condition_scale", "top_k", "temperature")
    assert all(getattr(job, name) == getattr(first, name) for name in same)
    assert job.user_id != first.user_id
    assert f"Remixed from job {first.id}." in shown.text
    assert "2 images for @alice" in shown.text


async def test_a_remix_takes_what_is_written_and_a_new_seed(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        first = await draw(stage, "a red circle", "images:2 seed:5")
        await stage.play("menu Remix")
        await stage.play("submit The negative prompt:green Number of pictures:1 condition_scale:2,5")
        job = await stage.job(JobState.DELIVERED)
    assert (job.prompt, job.negative_prompt, job.num_images, job.condition_scale) == ("a red circle", "green", 1, 2.5)
    assert job.seed != first.seed


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("Number of pictures:0", "Number of pictures must be between 1 and 9, not 0."),
        ("Number of pictures:many", "Number of pictures must be a whole number between 1 and 9, not 'many'."),
        ("Number of pictures:²", "Number of pictures must be a whole number between 1 and 9, not '²'."),
        ("Seed:-1", "Seed must be a whole number between 0 and 4294967295, not '-1'."),
        ("Seed:4294967296", "Seed must be between 0 and 4294967295, not 4294967296."),
        ("condition_scale:high", "condition_scale must be a number between 0 and 50, not high."),
        ("condition_scale:nan", "condition_scale must be between 0 and 50, not nan."),
        ("The prompt:?!", "The prompt has no letters or digits: describe the picture in words."),
    ],
)
async def test_a_remix_of_nonsense_is_refused(open_stage: OpenStage, written: str, sentence: str) -> None:
    async with open_stage(engine) as stage:
        await draw(stage)
        await stage.play("menu Remix")
        assert await answer_alone(stage, f"submit {written}") == sentence
        assert len(stage.job_ids) == 1


async def test_a_form_may_be_submitted_after_a_restart(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        first = await draw(stage)
        await stage.play("menu Remix")
    async with open_stage(engine) as stage:
        await stage.play("submit The prompt:a blue star")
        assert (await stage.job(JobState.DELIVERED)).parent_id == first.id


async def test_a_form_of_what_was_deleted_meanwhile(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        job = await draw(stage)
        await stage.play("menu Remix")
        await stage.app.store.jobs.delete(job.id)
        assert await answer_alone(stage, "submit Seed:1") == "The pictures of this job were deleted."


async def test_a_remix_of_a_variation_starts_from_nothing(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await draw(stage)
        await stage.play("choose 1")
        await stage.play("click Vary")
        varied = await stage.job(JobState.DELIVERED)
        await stage.play("menu Remix")
        await stage.play("submit Seed:1")
        job = await stage.job(JobState.DELIVERED)
    assert varied.image_tokens
    assert (job.parent_id, job.image_tokens) == (varied.id, ())


async def test_the_gallery_of_a_member(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await draw(stage, "first")
        await stage.play("as alice")
        await draw(stage, "second")
        page = await look(stage, "menu Their gallery on user")
        assert page.text.startswith("Pictures for @user\n")
        assert prompts(page) == ["first"]
        assert prompts(await look(stage, "menu Their gallery")) == [], "the bot itself asks for nothing"


async def test_in_german(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await stage.play("say a red circle")
        await stage.play("as anna in de")
        assert "9 Bilder für @anna" in (await stage.play("menu Das zeichnen"))[-1].text
        form = (await stage.play("menu Abwandeln"))[-1]
        assert form.text.startswith("Abwandeln\n[Die Beschreibung]\n")
