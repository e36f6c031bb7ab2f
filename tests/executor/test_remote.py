"""What RemoteExecutor promises beyond the contract: room decides where a job goes, and a lost replica costs no job."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from functools import partial

import pytest

from bot.engine.fake import FakeEngine, Faults, Gate
from bot.errors import EngineHungError, JobFailedError, NotReadyError, QueueFullError
from bot.executor.base import EngineState
from bot.executor.course import MAX_DEATHS
from bot.executor.remote import RemoteExecutor
from bot.executor.replica import Replica
from bot.executor.replicas import ClusterLostError, ReplicaLostError, ReplicaState, Sign
from bot.executor.scheduler import Alone, Scheduler
from bot.requests import GenerationRequest, Progress, Started
from tests.conftest import eventually

from .drive import ask, at_gate, check_result, read, soon
from .near import NearReplicas, near

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("no_blocking_calls")]

SLOW = partial(FakeEngine, num_slots=2, image_length=400, delay_s=0.002)


async def until_seen(executor: RemoteExecutor, num_slots: int) -> None:
    await eventually(lambda: executor.load.num_slots == num_slots)


async def drawing(replicas: NearReplicas, job_id: str) -> str:
    """The replica that draws this job, or drew it last."""
    await eventually(lambda: any(job == job_id for job, _ in replicas.drawn_by))
    return [replica_id for job, replica_id in replicas.drawn_by if job == job_id][-1]


def has_been_asked(replicas: NearReplicas, job_id: str, times: int) -> bool:
    """Whether replicas were asked to draw this job so often."""
    return [job for job, _ in replicas.drawn_by].count(job_id) >= times


async def test_jobs_go_where_slots_are_free(caplog: pytest.LogCaptureFixture) -> None:
    async with near(SLOW, num_replicas=3) as (executor, replicas):
        await until_seen(executor, 6)
        requests = [ask(f"prompt {n}", 2, seed=n) for n in range(3)]
        streams = [await executor.submit(request) for request in requests]
        places = {await drawing(replicas, request.job_id) for request in requests}
        assert places == {"replica 0", "replica 1", "replica 2"}
        for request, stream in zip(requests, streams, strict=True):
            assert executor.status.info is not None
            check_result((await read(stream)).result, request, executor.status.info)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_the_log_tells_of_each_replica_that_comes_or_goes_once_whatever_is_not_answered_meanwhile(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unanswered() -> list[ReplicaState]:
        raise ClusterLostError("No engine answers.")

    with caplog.at_level(logging.INFO, "bot.executor.remote"):
        async with near(SLOW, num_replicas=2) as (executor, replicas):
            await until_seen(executor, 4)
            with monkeypatch.context() as patch:
                patch.setattr(replicas, "states", unanswered)
                await until_seen(executor, 0)
                del replicas.there["replica 1"]
            await until_seen(executor, 2)
    assert caplog.text.count("Replica replica 0 draws with") == 1
    assert caplog.text.count("Replica replica 1 is gone.") == 1
    assert "Replica replica 0 is gone." not in caplog.text


async def test_a_job_waits_here_while_no_slot_is_free_and_keeps_its_place() -> None:
    gate = Gate()
    async with near(lambda: FakeEngine(num_slots=1, gate=gate)) as (executor, replicas):
        first, second = ask(requester="ann"), ask(requester="bob")
        streams = [await executor.submit(request) for request in (first, second)]
        await at_gate(gate, 1)
        assert (executor.status.num_queued, executor.status.num_running) == (1, 1)
        assert [job for job, _ in replicas.drawn_by] == [first.job_id]
        gate.open()
        for stream in streams:
            assert (await read(stream)).error is None


async def go_first(is_alone: bool) -> None:
    """What a job has that did not survive the process before."""


@pytest.mark.parametrize("alone", [None, go_first])
async def test_while_others_wait_no_more_than_a_share_of_the_slots_is_taken(alone: Alone | None) -> None:
    gate = Gate()
    async with near(lambda: FakeEngine(num_slots=4, gate=gate)) as (executor, replicas):
        await until_seen(executor, 4)
        executor.share_with(1.0)
        requests = [ask(f"prompt {n}", seed=n, requester=f"user {n}") for n in range(4)]
        streams = [await executor.submit(request, alone=alone) for request in requests]
        await eventually(lambda: len(replicas.drawn_by) == 2)
        # Two of this process's four jobs have half of the slots: as many guilds wait elsewhere as here.
        await asyncio.sleep(0.1)
        assert (executor.status.num_running, executor.demand) == (2, 1.0)
        executor.share_with(0.0)
        await eventually(lambda: len(replicas.drawn_by) == 4)
        assert executor.demand == 0.0
        gate.open()
        for stream in streams:
            assert (await read(stream)).error is None


async def test_jobs_that_lost_their_replica_have_their_share_of_the_others() -> None:
    gates = [Gate(), Gate()]
    engines = [partial(FakeEngine, num_slots=4, gate=gate) for gate in gates]
    async with near(*engines) as (executor, replicas):
        await until_seen(executor, 8)
        requests = [ask(f"prompt {n}", seed=n, requester=f"user {n}") for n in range(4)]
        streams = [await executor.submit(request) for request in requests]
        await eventually(lambda: len(replicas.drawn_by) == 4)
        killed = replicas.drawn_by[0][1]
        lost = sum(replica_id == killed for _, replica_id in replicas.drawn_by)
        assert lost == 2
        # So little waits elsewhere that it leaves all slots but a part of one.
        executor.share_with(0.01)
        del replicas.there[killed]
        gates[int(killed.removeprefix("replica "))].open()
        # The two that are left are at their gate meanwhile.
        await eventually(lambda: len(replicas.drawn_by) == 4 + lost)
        for gate in gates:
            gate.open()
        for stream in streams:
            assert (await read(stream)).error is None


async def test_a_killed_replica_costs_no_job(caplog: pytest.LogCaptureFixture) -> None:
    requests = [ask(f"prompt {n}", 2, seed=n, requester=f"user {n}") for n in range(4)]
    async with near(SLOW, num_replicas=2) as (executor, replicas):
        await until_seen(executor, 4)
        streams = [await executor.submit(request) for request in requests]
        killed = await drawing(replicas, requests[0].job_id)
        replica = replicas.there.pop(killed)
        await replica.aclose()
        info = executor.status.info
        assert info is not None
        for request, stream in zip(requests, streams, strict=True):
            outcome = await read(stream)
            check_result(outcome.result, request, info)
            assert outcome.updates.count(Started()) == 1
        assert (executor.status.num_queued, executor.status.num_running) == (0, 0)
        # The others did not have to wait for the one that came back.
        assert {replica_id for _, replica_id in replicas.drawn_by[2:]} == set(replicas.there)
    assert "lost its replica and starts again" in caplog.text


async def test_a_replica_that_says_nothing_is_lost_too() -> None:
    request = ask(num_images=2)
    async with near(SLOW, num_replicas=2, silence_timeout_s=2.0) as (executor, replicas):
        await until_seen(executor, 4)
        stream = await executor.submit(request)
        silent = await drawing(replicas, request.job_id)
        replicas.silent.add(silent)
        outcome = await read(stream)
        assert outcome.error is None
        assert await drawing(replicas, request.job_id) != silent


async def test_jobs_wait_for_the_first_replica_and_for_one_that_comes_back() -> None:
    request = ask()
    async with near(SLOW) as (executor, replicas):
        await until_seen(executor, 2)
        replica = replicas.there.pop("replica 0")
        stream = await executor.submit(request)
        await eventually(lambda: executor.status.state is EngineState.LOADING)
        replicas.there["replica 0"] = replica
        assert (await read(stream)).error is None
        await eventually(lambda: executor.status.state is EngineState.READY)


async def test_a_job_that_no_replica_survives_fails_and_others_go_on() -> None:
    async with near(SLOW) as (executor, replicas), AsyncExitStack() as stack:
        poison = ask("poison", 2)
        stream = await executor.submit(poison)
        for n in range(1, MAX_DEATHS + 1):
            await eventually(partial(has_been_asked, replicas, poison.job_id, n))
            replicas.there.clear()
            name = f"instead {n}"
            replicas.there[name] = await stack.enter_async_context(Replica(SLOW, id=name, chunk_tokens=4))
        outcome = await read(stream)
        assert isinstance(outcome.error, JobFailedError)
        assert f"lost {MAX_DEATHS} times" in str(outcome.error)
        assert (await read(await executor.submit(ask()))).error is None
        await executor.aclose()


async def test_replicas_that_are_lost_for_a_moment_only_cost_no_job() -> None:
    """One after the other, as by a cable that is cut: each is seen again before the one after the next is lost."""
    async with near(partial(FakeEngine, num_slots=2, image_length=40_000, delay_s=0.001), num_replicas=3) as (
        executor,
        replicas,
    ):
        await until_seen(executor, 6)
        endless = ask("endless", 2)
        await executor.submit(endless)
        out: list[tuple[str, Replica]] = []
        for n in range(1, MAX_DEATHS + 3):
            await eventually(partial(has_been_asked, replicas, endless.job_id, n))
            replica_id = replicas.drawn_by[-1][1]
            out.append((replica_id, replicas.there.pop(replica_id)))
            await until_seen(executor, 2 * len(replicas.there))
            if len(out) > 1:
                replicas.there.update([out.pop(0)])
                await until_seen(executor, 4)
        assert await executor.cancel(endless.job_id)
        replicas.there.update(out)


async def test_replicas_that_are_lost_within_a_moment_and_live_cost_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the bot's own cable is cut: one after the other, before anybody looks again."""
    async with near(SLOW, num_replicas=4) as (executor, replicas):
        await until_seen(executor, 8)
        draw, asked = replicas.draw, []

        async def draw_or_be_cut(request: GenerationRequest, *, client: str, replica_id: str) -> AsyncGenerator[Sign]:
            asked.append(replica_id)
            if len(asked) <= 2 * MAX_DEATHS:
                raise ReplicaLostError("The cable was cut.")
            async for sign in draw(request, client=client, replica_id=replica_id):
                yield sign

        monkeypatch.setattr(replicas, "draw", draw_or_be_cut)
        assert (await read(await executor.submit(ask()))).error is None
        assert len(asked) == 2 * MAX_DEATHS + 1


async def test_a_cancelled_job_frees_its_slots_over_there() -> None:
    endless = ask("endless", 2)
    async with near(partial(FakeEngine, num_slots=2, image_length=40_000, delay_s=0.001)) as (executor, replicas):
        stream = await executor.submit(endless)
        async for update in stream:
            if isinstance(update, Progress):
                break
        assert await executor.cancel(endless.job_id)
        await eventually(lambda: not replicas.there["replica 0"].state().demand)
        quick = ask("quick", image_tokens=[7] * 39_999)
        assert (await read(await executor.submit(quick))).error is None


async def test_a_job_that_is_cancelled_before_anybody_draws_it_keeps_no_slot() -> None:
    async with near(SLOW) as (executor, _):
        await until_seen(executor, 2)
        request = ask(num_images=2)
        await executor.submit(request)
        await asyncio.sleep(0)
        assert await executor.cancel(request.job_id)
        assert (await read(await executor.submit(ask(num_images=2)))).error is None


async def test_a_cancellation_from_elsewhere_is_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    async with near(SLOW) as (executor, replicas):
        draw, num_calls = replicas.draw, 0

        async def draw_or_be_cancelled(request: GenerationRequest, **rest: str) -> AsyncGenerator[Sign]:
            nonlocal num_calls
            num_calls += 1
            if num_calls == 1:
                raise asyncio.CancelledError
            async for sign in draw(request, **rest):
                yield sign

        monkeypatch.setattr(replicas, "draw", draw_or_be_cancelled)
        assert (await read(await executor.submit(ask()))).error is None
        assert num_calls == 2


async def test_a_cluster_that_can_not_be_asked_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with near(SLOW) as (executor, replicas):
        await until_seen(executor, 2)
        states = replicas.states

        async def fail() -> list[ReplicaState]:
            raise RuntimeError("no idea")

        monkeypatch.setattr(replicas, "states", fail)
        await eventually(lambda: executor.status.state is EngineState.LOADING)
        monkeypatch.setattr(replicas, "states", states)
        await eventually(lambda: executor.status.state is EngineState.READY)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "The cluster can't be asked which replicas it has."
    ]


async def test_a_cluster_that_can_never_be_asked_again_ends_the_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    async with near(SLOW) as (executor, replicas):
        await until_seen(executor, 2)

        async def hang() -> list[ReplicaState]:
            raise EngineHungError("Ray does not come back.")

        monkeypatch.setattr(replicas, "states", hang)
        await eventually(lambda: executor.status.state is EngineState.FAILED)
        assert executor.status.hung_because == "Ray does not come back."


async def test_two_bots_share_the_slots_of_one_replica() -> None:
    gate = Gate()
    async with near(lambda: FakeEngine(num_slots=3, gate=gate)) as (executor, replicas):
        await until_seen(executor, 3)
        mine = await executor.submit(ask(num_images=2))
        await at_gate(gate, 1)
        other = RemoteExecutor(replicas, Scheduler(max_jobs=9, max_jobs_per_user=9), client="another", look_s=0.02)
        async with other:
            await until_seen(other, 3)
            theirs = [await other.submit(ask(requester=name)) for name in ("bob", "eve")]
            await asyncio.sleep(0.2)
            assert (other.status.num_queued, other.status.num_running) == (1, 1)
            gate.open()
            for stream in (mine, *theirs):
                assert (await read(stream)).error is None


@pytest.mark.parametrize("others", [0.0, 1.0])
async def test_a_bot_that_fills_each_slot_again_at_once_leaves_others_their_turns(others: float) -> None:
    """others: what is known of what waits in the other one, which may have another database."""
    gate = Gate()
    async with near(lambda: FakeEngine(num_slots=2, gate=gate)) as (executor, replicas):
        await until_seen(executor, 2)
        busy = [await executor.submit(ask(requester=f"user {number}")) for number in range(6)]
        await at_gate(gate, 1)
        assert executor.status.num_running == 2
        other = RemoteExecutor(replicas, Scheduler(max_jobs=9, max_jobs_per_user=9), client="another", look_s=0.02)
        async with other:
            await until_seen(other, 2)
            other.share_with(others)
            first, second = ask(requester="bob", guild="theirs"), ask(requester="eve", guild="theirs")
            theirs = [await other.submit(request) for request in (first, second)]
            await eventually(lambda: first.job_id in [job for job, _ in replicas.drawn_by])
            assert (executor.status.num_running, other.status.num_running) == (2, 1)
            gate.open()
            for stream in (*theirs, *busy):
                assert (await read(stream)).error is None


async def test_codes_of_a_model_that_is_not_there_are_refused_and_not_lost() -> None:
    async with near(SLOW, num_replicas=2) as (executor, replicas):
        request = ask(num_images=2, image_tokens=[1, 2, 3], codes_of="another model")
        outcome = await read(await executor.submit(request))
        assert isinstance(outcome.error, JobFailedError)
        assert "another model" in str(outcome.error)
        assert len(replicas.drawn_by) == 1


async def test_no_replica_reads_no_text() -> None:
    replicas = NearReplicas()
    async with RemoteExecutor(replicas, Scheduler(max_jobs=1, max_jobs_per_user=1), client="a bot") as executor:
        with pytest.raises(NotReadyError, match="still loading"):
            await executor.text_vector("a red circle", timeout_s=1.0)


async def test_a_full_queue_says_when_to_come_back() -> None:
    async with near(SLOW, max_jobs=1) as (executor, _):
        stream = await executor.submit(ask(num_images=2, requester="ann"))
        async for update in stream:
            if isinstance(update, Progress) and update.done_tokens > 40:
                break
        await eventually(lambda: executor.drawing_s(ask()) is not None)
        with pytest.raises(QueueFullError, match="The next picture is done in about"):
            await executor.submit(ask(requester="bob"))


async def test_draining_ends_what_has_started_and_refuses_the_rest() -> None:
    gate = Gate()
    async with near(lambda: FakeEngine(num_slots=1, gate=gate)) as (executor, _):
        running, waiting = [await executor.submit(ask(requester=name)) for name in ("ann", "bob")]
        await at_gate(gate, 1)
        drained = asyncio.create_task(executor.drain())
        assert (await read(waiting)).error is not None
        gate.open()
        assert (await read(running)).error is None
        await soon(drained)


async def test_what_an_engine_refuses_is_no_fault_of_its_replica(caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults(refused_prompts=["unreadable"])
    async with near(lambda: FakeEngine(faults=faults)) as (executor, replicas):
        outcome = await read(await executor.submit(ask("unreadable")))
        assert isinstance(outcome.error, JobFailedError)
        assert len(replicas.drawn_by) == 1
    assert "lost" not in caplog.text
