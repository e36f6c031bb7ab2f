"""What RemoteExecutor does while replicas draw with different models, as in the middle of a change of weights."""

from functools import partial
from unittest.mock import AsyncMock

import pytest

from bot.engine.fake import FakeEngine
from bot.errors import JobFailedError

from .drive import ask, check_result, read
from .near import NearReplicas, near
from .test_remote import drawing, until_seen

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("no_blocking_calls")]

OLD = partial(FakeEngine, num_slots=2, image_length=200, delay_s=0.002, version="1")
NEW = partial(OLD, num_slots=4, version="2")
OTHER = partial(OLD, num_slots=4, name="other")


async def kill(replicas: NearReplicas, replica_id: str) -> None:
    await replicas.there.pop(replica_id).aclose()


async def test_a_lost_job_starts_again_with_the_weights_that_it_had_started_with() -> None:
    request = ask(num_images=2)
    async with near(OLD, NEW, num_replicas=2) as (executor, replicas):
        await until_seen(executor, 8)
        new = replicas.there.pop("replica 2")
        await until_seen(executor, 4)
        stream = await executor.submit(request)
        first = await drawing(replicas, request.job_id)
        # It has more free slots than any other.
        replicas.there["replica 2"] = new
        await until_seen(executor, 8)
        await kill(replicas, first)
        check_result((await read(stream)).result, request, OLD().info)
        (last,) = {"replica 0", "replica 1"} - {first}
        assert await drawing(replicas, request.job_id) == last


async def test_where_that_model_is_gone_the_job_is_drawn_as_a_whole_with_what_there_is() -> None:
    request = ask(num_images=2)
    async with near(OLD, OTHER) as (executor, replicas):
        await until_seen(executor, 6)
        other = replicas.there.pop("replica 1")
        await until_seen(executor, 2)
        stream = await executor.submit(request)
        await drawing(replicas, request.job_id)
        await kill(replicas, "replica 0")
        replicas.there["replica 1"] = other
        result = (await read(stream)).result
        check_result(result, request, OTHER().info)
        assert result.model == "other"
        await until_seen(executor, 4)
        assert (executor.status.info, executor.status.others) == (OTHER().info, ())


async def test_codes_are_drawn_on_from_by_the_model_whose_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the replica that was asked is gone, its cluster has sent the job on, and the bot doesn't know yet."""
    request = ask(num_images=2, image_tokens=range(9), codes_of="fake")
    async with near(OLD, OTHER, num_replicas=2) as (executor, replicas):
        await until_seen(executor, 8)
        assert {info.name for info in (executor.status.info, *executor.status.others) if info} == {"other", "fake"}
        monkeypatch.setattr(replicas, "states", AsyncMock(return_value=await replicas.states()))
        await kill(replicas, "replica 0")
        replicas.instead = "replica 2"
        check_result((await read(await executor.submit(request))).result, request, OLD().info)
        assert replicas.drawn_by[0] == (request.job_id, "replica 2")
        assert replicas.drawn_by[-1] == (request.job_id, "replica 1")
        await kill(replicas, "replica 1")
        refused = (await read(await executor.submit(ask(image_tokens=[1], codes_of="fake")))).error
        assert isinstance(refused, JobFailedError)
        assert str(refused) == "This job goes on from a picture of the model fake, and the bot has other now."
