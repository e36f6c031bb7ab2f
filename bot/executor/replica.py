"""An engine that draws for bots in other processes. Runs in a process of its own, on its event loop, around a
LocalExecutor; whoever carries its answers (ray/serving.py) calls it.

It takes every job: a bot sends no more than there are free slots for, as far as it can tell. Where several bots judge
at the same time, the LocalExecutor's turns are fair among them.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, Self

from bot.code_version import code_version
from bot.engine.base import Engine
from bot.errors import ExecutorClosedError, JobCancelledError, JobFailedError
from bot.executor.base import EngineState, TextVector, UpdateStream
from bot.executor.forecast import EngineLoad
from bot.executor.local import LocalExecutor
from bot.executor.replicas import Accepted, Alive, Refused, ReplicaLostError, ReplicaState, Sign
from bot.requests import GenerationRequest, Update
from bot.startup import StartUp

MAX_JOBS: Final = 10_000
ALIVE_S: Final = 2.0
_LOOK_S: Final = 0.05


class Replica:
    """engine_factory: called once, on a thread. The others but id: see LocalExecutor."""

    def __init__(
        self,
        engine_factory: Callable[[], Engine],
        *,
        id: str,
        chunk_tokens: int,
        hang_timeout_s: float | None = None,
        load_timeout_s: float | None = None,
        start_up: StartUp | None = None,
    ) -> None:
        self._id = id
        self._executor = LocalExecutor(
            engine_factory,
            chunk_tokens=chunk_tokens,
            max_jobs=MAX_JOBS,
            max_jobs_per_user=MAX_JOBS,
            hang_timeout_s=hang_timeout_s,
            load_timeout_s=load_timeout_s,
            start_up=start_up,
        )
        # Job id → who asked, and for what. A job that is asked for again is another object.
        self._jobs: dict[str, tuple[str, GenerationRequest]] = {}

    async def start(self) -> None:
        """Returns once the engine is ready. Raises ReplicaLostError if it can't be built; its log says why."""
        await asyncio.to_thread(code_version)
        await self._executor.start()
        while self._executor.engine_load is None:
            self.check()
            await asyncio.sleep(_LOOK_S)

    async def aclose(self) -> None:
        """Ends every job."""
        await self._executor.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def check(self) -> None:
        """Raises ReplicaLostError if the engine can't draw any more: only a new process helps."""
        if self._executor.status.state in (EngineState.FAILED, EngineState.CLOSED):
            raise ReplicaLostError(f"The engine of replica {self._id} has failed; its log holds the reason.")

    @property
    def busy_share(self) -> float:
        """Images of unfinished jobs, per slot; 0.0 before it is ready."""
        load = self._executor.engine_load
        return 0.0 if load is None else self._demand(load).total() / load.num_slots

    def state(self) -> ReplicaState:
        """Raises ReplicaLostError if the engine can't draw."""
        self.check()
        load, info = self._executor.engine_load, self._executor.status.info
        assert load is not None
        assert info is not None
        age_s = time.monotonic() - load.at_s
        demand = dict(self._demand(load))
        return ReplicaState(self._id, code_version(), info, load, age_s, demand, self._executor.work)

    def _demand(self, load: EngineLoad) -> Counter[str]:
        """Images by client, of each job no more than there are slots."""
        demand: Counter[str] = Counter()
        for client, request in self._jobs.values():
            demand[client] += min(request.num_images, load.num_slots)
        return demand

    async def draw(self, request: GenerationRequest, *, client: str) -> AsyncGenerator[Sign]:
        """See Replicas.draw."""
        yield Accepted(self._id, self.state().model)
        # The bot has lost the stream of an earlier one.
        await self._executor.cancel(request.job_id)
        mine = client, request
        self._jobs[request.job_id] = mine
        try:
            stream = await self._executor.submit(request, accepted_before=True)
            async with aclosing(_with_signs_of_life(stream)) as signs:
                async for sign in signs:
                    yield sign
        except JobFailedError as error:
            yield Refused(error.text)
        except (JobCancelledError, ExecutorClosedError) as error:
            raise ReplicaLostError(error.text) from None
        finally:
            if self._jobs.get(request.job_id) is mine:
                del self._jobs[request.job_id]
                await self._executor.cancel(request.job_id)

    async def text_vector(self, text: str, *, timeout_s: float) -> TextVector | Refused:
        """See Replicas.text_vector. Raises NotReadyError and ReplicaLostError."""
        try:
            return await self._executor.text_vector(text, timeout_s=timeout_s)
        except JobFailedError as error:
            return Refused(error.text)
        except ExecutorClosedError as error:
            raise ReplicaLostError(error.text) from None


async def _with_signs_of_life(stream: UpdateStream) -> AsyncGenerator[Update | Alive]:
    updates = aiter(stream)
    following: asyncio.Future[Update] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(updates))
            await asyncio.wait({following}, timeout=ALIVE_S)
            if not following.done():
                yield Alive()
                continue
            try:
                update = following.result()
            except StopAsyncIteration:
                return
            following = None
            yield update
    finally:
        if following is not None:
            following.cancel()
