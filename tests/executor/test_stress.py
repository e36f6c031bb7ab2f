"""Random arrivals, cancels, faults and previews: each job ends once, results are right, no slot is lost."""

import asyncio
import random
from collections import Counter

import pytest

from bot.engine.fake import FakeEngine, Faults, Verb
from bot.errors import InvalidParameterError, JobCancelledError, JobFailedError, RequestError
from bot.executor.base import EngineState, UpdateStream
from bot.executor.events import Event, JobFailure
from bot.executor.local import LocalExecutor
from bot.requests import Finished, GenerationRequest, Preview

from .drive import PATIENCE_S, Outcome, ask, check_result, read
from .play import FakeClock, Play

pytestmark = pytest.mark.usefixtures("no_blocking_calls")

REFUSED = "refused prompt"
NOT_FINITE_SEED = 13


def random_faults(rng: random.Random) -> Faults:
    """About one call in eight of the verbs that work on the state fails: some lose it, some only refuse."""
    verbs: list[Verb] = ["insert", "step", "wait", "collect", "wait for images", "preview", "wait for preview", "free"]
    verbs += ["prefill", "label_vectors"]
    errors: list[Exception] = [RuntimeError("boom"), InvalidParameterError("Refused for a test.")]
    raises = {(rng.choice(verbs), rng.randrange(1, 60)): rng.choice(errors) for _ in range(rng.choice([0, 4, 40]))}
    return Faults(raises=raises, refused_prompts=[REFUSED], not_finite=[(NOT_FINITE_SEED, 0)])


def random_request(rng: random.Random, number: int) -> GenerationRequest:
    prompt = REFUSED if rng.random() < 0.1 else f"prompt {number}"
    return ask(
        prompt,
        rng.randint(1, 9),
        seed=NOT_FINITE_SEED if rng.random() < 0.1 else rng.randrange(100, 10_000),
        requester=f"user {rng.randrange(5)}",
        guild=f"guild {rng.randrange(3)}",
        weight=rng.choice([0.5, 1.0, 4.0]),
        labels=(REFUSED,) if rng.random() < 0.05 else rng.choice([(), ("a label",)]),
        preview_interval_s=rng.choice([None, 0.1]),
        image_tokens=range(rng.choice([0, 0, 5, 16])),
    )


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_every_stream_ends_once_and_no_slot_leaks(seed: int) -> None:
    rng = random.Random(seed)
    engine = FakeEngine(
        num_slots=rng.choice([1, 3, 8]),
        num_rows=4,
        preview_polls=rng.randint(1, 3),
        delay_s=rng.choice([0.0, 0.002]),
        faults=random_faults(rng),
    )
    chunk_tokens = rng.randint(1, 20)
    requests: dict[str, GenerationRequest] = {}
    readers: dict[str, asyncio.Task[Outcome]] = {}
    read_at_the_end: dict[str, UpdateStream] = {}
    cancelled: set[str] = set()
    async with LocalExecutor(lambda: engine, max_jobs=12, max_jobs_per_user=5, chunk_tokens=chunk_tokens) as executor:
        for number in range(60):
            request = random_request(rng, number)
            try:
                stream = await executor.submit(request)
            except RequestError:
                readers |= {job_id: asyncio.create_task(read(stream)) for job_id, stream in read_at_the_end.items()}
                read_at_the_end.clear()
                if pending := [reader for reader in readers.values() if not reader.done()]:
                    await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
                continue
            requests[request.job_id] = request
            if rng.random() < 0.2:
                read_at_the_end[request.job_id] = stream
            else:
                readers[request.job_id] = asyncio.create_task(read(stream))
            if rng.random() < 0.3:
                victim = rng.choice(list(requests))
                if await executor.cancel(victim):
                    cancelled.add(victim)
            await asyncio.sleep(0)
        outcomes = {job_id: await reader for job_id, reader in readers.items()}
        outcomes |= {job_id: await read(stream) for job_id, stream in read_at_the_end.items()}
        # Slots of the last cancelled job come back with the next chunk, and this one waits for it.
        await read(await executor.submit(ask("the last one")))
        status = executor.status

    assert (status.state, status.num_queued, status.num_running) == (EngineState.READY, 0, 0)
    assert engine.num_occupied == 0
    assert outcomes.keys() == requests.keys()
    for job_id, outcome in outcomes.items():
        if job_id in cancelled:
            assert isinstance(outcome.error, JobCancelledError)
        elif outcome.error is None:
            check_result(outcome.result, requests[job_id], engine.info)
            assert all(image.label_scores.shape == (len(requests[job_id].labels),) for image in outcome.result.images)
        else:
            assert isinstance(outcome.error, JobFailedError)


def random_play(seed: int) -> tuple[Play, FakeEngine, set[int]]:
    """Jobs that come and are cancelled while others run, to their end. Returns also the numbers of the cancelled."""
    rng = random.Random(seed)
    clock = FakeClock()
    late = [random_request(rng, number) for number in range(20)]
    play = Play(*(random_request(rng, number) for number in range(10)), clock=clock)
    cancelled: set[int] = set()

    def meddle(event: Event) -> None:
        if late and rng.random() < 0.2:
            play.add(late.pop())
        number = rng.randrange(len(play.jobs))
        if rng.random() < 0.05 and play.backlog.cancel(play.jobs[number]):
            cancelled.add(number)

    play.on_event = meddle
    engine = FakeEngine(
        num_slots=rng.choice([1, 3, 8]),
        num_rows=4,
        preview_polls=rng.randint(1, 3),
        delay_s=0.1,
        sleep=clock.sleep,
        faults=random_faults(rng),
    )
    return play.run(engine, chunk_tokens=rng.randint(1, 20)), engine, cancelled


def test_whatever_happens_on_the_engine_thread_every_job_ends_once() -> None:
    """The same without threads, so that each run is the same, and on a fake clock, so that previews come often."""
    seen: Counter[str] = Counter()
    for seed in range(30):
        play, engine, cancelled = random_play(seed)
        for number, job in enumerate(play.jobs):
            events = play.of(number)
            ends = [e for e in events if isinstance(e, JobFailure) or isinstance(e.update, Finished)]
            seen["preview"] += any(isinstance(update, Preview) for update in play.updates(number))
            if number in cancelled:
                assert ends == []
                seen["cancelled"] += 1
                continue
            assert ends == events[-1:]
            if isinstance(ends[0], JobFailure):
                seen["lost twice" if "lost twice" in str(ends[0].error) else "failed"] += 1
            else:
                seen["finished"] += 1
                check_result(play.result(number), job.request, engine.info)
    # Otherwise this shows less than it seems to.
    assert all(seen[kind] > 20 for kind in ("preview", "cancelled", "lost twice", "failed", "finished")), seen
