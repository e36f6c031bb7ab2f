"""/again as its users meet it: the real client in a sandbox."""

import threading

from bot.engine.fake import FakeEngine
from bot.store import JobState, NewJob
from tests.cogs.test_cancelling import answer_alone
from tests.cogs.test_gallery import engine
from tests.conftest import OpenStage, eventually


async def test_without_a_last_job(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        answer = await stage.answer("/again")
        assert answer.is_ephemeral
        assert answer.text == ("You have asked for nothing in this server that could be repeated: use /imagine first.")


async def test_the_last_job_is_repeated_with_a_new_seed(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("/imagine prompt:a red circle images:2 seed:7 top_k:64 temperature:0.5 negative:green")
        first = await stage.job(JobState.DELIVERED)
        await stage.play("/again")
        again = await stage.job(JobState.DELIVERED, index=1)
        assert (again.kind, again.parent_id) == ("again", first.id)
        same = ("prompt", "num_images", "negative_prompt", "top_k", "top_p", "temperature", "condition_scale")
        assert all(getattr(again, name) == getattr(first, name) for name in same)
        assert again.seed != 7


async def test_what_is_given_takes_the_place_of_what_was(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("/imagine prompt:a red circle images:2 top_k:64 temperature:0.5")
        await stage.play("/again prompt:a blue star images:1 seed:9 top_k:0 negative:red")
        job = await stage.job(JobState.DELIVERED, index=1)
        assert (job.prompt, job.num_images, job.seed, job.negative_prompt) == ("a blue star", 1, 9, "red")
        assert (job.top_k, job.temperature) == (0, 0.5)


async def test_alternatives_ask_first_and_stay_repetitions(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("/imagine prompt:a red circle images:1")
        await stage.answer("/again prompt:a {blue|green} star")
        await stage.play("click Draw 2 jobs")
        jobs = [await stage.job(JobState.DELIVERED, index=index) for index in (1, 2)]
        assert [(job.kind, job.parent_id) for job in jobs] == [("again", stage.job_ids[0])] * 2


async def test_a_variation_is_repeated_with_the_model_that_drew_its_start_alone(open_stage: OpenStage) -> None:
    other = engine()
    object.__setattr__(other.info, "name", "other")
    async with open_stage(engine) as stage:
        await stage.play("/imagine prompt:a red circle images:2")
        await stage.play("choose 1")
        await stage.play("click Vary")
        varied = await stage.job(JobState.DELIVERED)
        await stage.play("/again")
        again = await stage.job(JobState.DELIVERED, index=2)
        assert (varied.model, again.model) == ("fake", "fake")
        assert again.image_tokens == varied.image_tokens != ()
    async with open_stage(lambda: other) as stage:
        await eventually(lambda: stage.app.executor.status.info is not None)
        sentence = (
            "This job goes on from a picture of the model fake, and the bot has other now. Use its prompt with "
            "/imagine instead."
        )
        assert await answer_alone(stage, "/again") == sentence
        assert await answer_alone(stage, "click Reroll") == sentence
        assert len(stage.job_ids) == 3


async def test_a_variation_is_not_repeated_before_its_model_is_known(open_stage: OpenStage) -> None:
    may_load = threading.Event()

    def load() -> FakeEngine:
        assert may_load.wait(30)
        return engine()

    async with open_stage(engine) as stage:
        await stage.play("/imagine prompt:a red circle images:2")
        await stage.play("choose 1")
        await stage.play("click Vary")
        await stage.job(JobState.DELIVERED)
    async with open_stage(load) as stage:
        assert await answer_alone(stage, "/again") == "The model is still loading. Try again in a minute."
        may_load.set()
        await eventually(lambda: stage.app.executor.status.info is not None)


async def test_a_job_of_another_server_is_not_repeated(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("/imagine prompt:here images:1")
        here = await stage.job(JobState.DELIVERED)
        elsewhere = NewJob(
            prompt="elsewhere",
            num_images=1,
            seed=1,
            user_id=here.user_id,
            guild_id=5,
            channel_id=6,
            interaction_id=7,
        )
        await stage.app.store.jobs.create(elsewhere)
        await stage.play("/again")
        assert (await stage.job(JobState.DELIVERED)).prompt == "here"
