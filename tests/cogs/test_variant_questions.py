"""The question before one prompt becomes many jobs, as its users meet it: the real client in a sandbox."""

import asyncio

import pytest

from bot.cogs import variant_questions
from bot.config import QueueSettings, Settings
from bot.engine.fake import FakeEngine, Gate
from bot.sandbox import EventKind
from bot.store import JobState
from tests.conftest import TIMEOUT_S, OpenStage
from tests.sandbox_guild import guild_of

TOO_LATE = "This question was answered already, or it is too old. Use the command again."


async def test_alternatives_are_drawn_after_a_question(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        question = await stage.answer("/imagine prompt:a {red|blue} circle images:2")
        assert question.is_ephemeral
        assert question.text.splitlines() == [
            "This makes 2 jobs with 4 pictures in all:",
            "1. a red circle",
            "2. a blue circle",
            "[Draw 2 jobs] [Never mind]",
        ]
        assert stage.job_ids == []
        events = await stage.play("click Draw 2 jobs")
        jobs = [await stage.job(JobState.DELIVERED, index=index) for index in (0, 1)]
    assert [job.prompt for job in jobs] == ["a red circle", "a blue circle"]
    assert jobs[0].interaction_id == jobs[1].interaction_id
    (deleted,) = [event for event in events if event.kind is EventKind.DELETE]
    assert deleted.message_id == question.message_id


async def test_the_answer_to_a_private_question_is_private(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.answer("/imagine prompt:a {red|blue} circle images:1 private:true")
        events = await stage.play("click Draw 2 jobs")
        assert (await stage.job(JobState.DELIVERED, index=1)).is_private
    assert all(event.is_ephemeral for event in events[1:])


async def test_the_question_in_german(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("as anna in de")
        question = await stage.answer("/zeichne beschreibung:ein {roter|blauer} Kreis bilder:1 privat:true")
        assert question.text.splitlines() == [
            "Das ergibt 2 Aufträge mit zusammen 2 Bildern:",
            "1. ein roter Kreis",
            "2. ein blauer Kreis",
            "[2 Aufträge zeichnen] [Lieber nicht]",
        ]
        assert (await stage.answer("click Lieber nicht")).text == "Es wird nichts gezeichnet."


async def test_never_mind(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.answer("/imagine prompt:a {red|blue} circle")
        assert (await stage.answer("click Never mind")).text == "Nothing is drawn."
        assert stage.job_ids == []


async def test_pressed_twice_draws_once(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.answer("/imagine prompt:a {red|blue} circle")

        async def press(player: str) -> str:
            return (await stage.begin("click Draw 2 jobs", player=player)).text

        texts = await asyncio.gather(press("one"), press("two"))
        assert TOO_LATE in texts
        assert len(stage.job_ids) == 2
        gate.open()
        await stage.job(JobState.DELIVERED, index=1)


async def test_a_refusal_leaves_the_question_open(open_stage: OpenStage, settings: Settings) -> None:
    gate = Gate()
    queue = QueueSettings(max_jobs=5, max_jobs_per_user=2)
    async with open_stage(
        lambda: FakeEngine(gate=gate), settings=settings.model_copy(update={"queue": queue})
    ) as stage:
        await stage.answer("/imagine prompt:a {red|blue} circle images:1")
        await stage.begin("/imagine prompt:first images:1", player="one")
        refused = await stage.answer("click Draw 2 jobs")
        assert refused.text.startswith("You ask for 2 jobs and have 1 unfinished")
        gate.open()
        await stage.job(JobState.DELIVERED)
        await stage.play("click Draw 2 jobs")
        await stage.job(JobState.DELIVERED, index=2)


@pytest.mark.parametrize(
    "line", ["/imagine prompt:a {red|blue|green} circle", "/again prompt:a {red|blue|green} circle"]
)
async def test_what_would_be_refused_is_not_asked(open_stage: OpenStage, settings: Settings, line: str) -> None:
    queue = QueueSettings(max_jobs=5, max_jobs_per_user=2)
    async with open_stage(settings=settings.model_copy(update={"queue": queue})) as stage:
        await stage.play("/imagine prompt:first images:1")
        answer = await stage.answer(f"{line} images:1")
        assert answer.is_ephemeral
        assert answer.text.startswith("You ask for 3 jobs and have 0 unfinished; 2 is the limit for one person.")
        assert len(stage.job_ids) == 1


async def test_the_guilds_limits_are_asked_first(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        guild = await guild_of(stage)
        await stage.app.store.guilds.change(guild.id, 1, daily_images=3)
        answer = await stage.answer("/imagine prompt:a {red|blue} circle images:2")
        assert answer.text.startswith("In this server each member may ask for 3 pictures within 24 hours, and this")
        assert stage.job_ids == []


async def test_a_restart_closes_the_question(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.answer("/imagine prompt:a {red|blue} circle")
    async with open_stage() as stage:
        answer = await stage.answer("click Draw 2 jobs")
        assert (answer.text, answer.is_ephemeral) == (TOO_LATE, True)


async def test_an_old_question_is_closed(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variant_questions, "TOKEN_LIFE_S", -1.0)
    async with open_stage() as stage:
        await stage.answer("/imagine prompt:a {red|blue} circle")
        assert (await stage.answer("click Draw 2 jobs")).text == TOO_LATE


async def test_only_so_many_questions_are_kept(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variant_questions, "MAX_QUESTIONS", 1)
    async with open_stage() as stage:
        await stage.answer("/imagine prompt:a {red|blue} circle")
        await stage.sandbox.play("as alice", player="alice")
        await stage.sandbox.play("/imagine prompt:a {red|blue} star", TIMEOUT_S, "alice")
        assert (await stage.answer("click Draw 2 jobs")).text == TOO_LATE


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/imagine prompt:a {red|blue circle", "The { at character 3 has no } behind it."),
        ("/imagine prompt:{a|b|c|d|e} prompt2:{f|g|h|i}", "The prompts stand for 9 variants together; at most 8"),
    ],
)
async def test_alternatives_that_can_not_be_drawn(open_stage: OpenStage, line: str, sentence: str) -> None:
    async with open_stage() as stage:
        answer = await stage.answer(line)
        assert answer.is_ephemeral
        assert answer.text.startswith(sentence)
        assert stage.job_ids == []
