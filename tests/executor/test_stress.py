"""Random submits, cancels and failures: every stream ends once, every result is right, every slot comes back."""

import asyncio
import random

import pytest

from bot.engine.fake import FakeEngine, Faults, Verb
from bot.errors import InvalidParameterError, JobCancelledError, JobFailedError, RequestError
from bot.executor.base import EngineState, UpdateStream
from bot.executor.local import LocalExecutor
from bot.requests import GenerationRequest

from .drive import PATIENCE_S, Outcome, ask, check_result, read

pytestmark = pytest.mark.usefixtures("no_blocking_calls")

REFUSED = "refused prompt"
NOT_FINITE_SEED = 13


def random_faults(rng: random.Random) -> Faults:
    """About one call in eight of the verbs that work on the state fails: some lose it, some only refuse."""
    verbs: list[Verb] = ["insert", "step", "wait", "collect", "free", "prefill"]
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
        image_tokens=range(rng.choice([0, 0, 5, 16])),
    )


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_every_stream_ends_once_and_no_slot_leaks(seed: int) -> None:
    rng = random.Random(seed)
    engine = FakeEngine(num_slots=rng.choice([1, 3, 8]), faults=random_faults(rng))
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
        else:
            assert isinstance(outcome.error, JobFailedError)
