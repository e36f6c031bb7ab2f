"""Replicas in this very process: what RemoteExecutor does, without a cluster."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from bot.engine.base import Engine
from bot.executor.base import TextVector
from bot.executor.remote import RemoteExecutor
from bot.executor.replica import Replica
from bot.executor.replicas import Refused, ReplicaLostError, ReplicaState, Sign
from bot.executor.scheduler import Scheduler
from bot.requests import GenerationRequest
from bot.telemetry.metrics import Metrics


class NearReplicas:
    """Implements Replicas. there: by id; what is taken out was killed. silent: ids of those that say nothing any more.
    instead: where jobs for one that was killed go. drawn_by: (job id, replica id), as they were asked."""

    def __init__(self) -> None:
        self.there: dict[str, Replica] = {}
        self.silent: set[str] = set()
        self.instead: str | None = None
        self.drawn_by: list[tuple[str, str]] = []

    async def states(self) -> list[ReplicaState]:
        found = []
        for replica_id, replica in self.there.items():
            if replica_id not in self.silent:
                try:
                    found.append(replica.state())
                except ReplicaLostError:
                    continue
        return found

    async def draw(self, request: GenerationRequest, *, client: str, replica_id: str) -> AsyncGenerator[Sign]:
        if replica_id not in self.there and self.instead is not None:
            replica_id = self.instead
        replica = self._replica(replica_id)
        self.drawn_by.append((request.job_id, replica_id))
        async with aclosing(replica.draw(request, client=client)) as signs:
            async for sign in signs:
                if replica_id in self.silent:
                    await asyncio.sleep(60.0)
                self._replica(replica_id)
                yield sign

    async def text_vector(self, text: str, *, timeout_s: float, replica_id: str) -> TextVector | Refused:
        return await self._replica(replica_id).text_vector(text, timeout_s=timeout_s)

    async def aclose(self) -> None:
        return

    def _replica(self, replica_id: str) -> Replica:
        if replica_id not in self.there:
            raise ReplicaLostError(f"Replica {replica_id} was killed.")
        return self.there[replica_id]


@asynccontextmanager
async def near(
    engine_factory: Callable[[], Engine],
    *others: Callable[[], Engine],
    num_replicas: int = 1,
    max_jobs: int = 64,
    max_jobs_per_user: int = 16,
    chunk_tokens: int = 4,
    silence_timeout_s: float = 30.0,
    metrics: Metrics | None = None,
) -> AsyncIterator[tuple[RemoteExecutor, NearReplicas]]:
    """num_replicas: with engines of `engine_factory`; each of `others` makes one more."""
    replicas = NearReplicas()
    executor = RemoteExecutor(
        replicas,
        Scheduler(max_jobs=max_jobs, max_jobs_per_user=max_jobs_per_user),
        client="a bot",
        silence_timeout_s=silence_timeout_s,
        look_s=0.02,
        metrics=metrics,
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(executor)
        for number, factory in enumerate([engine_factory] * num_replicas + list(others)):
            replica = Replica(factory, id=f"replica {number}", chunk_tokens=chunk_tokens)
            replicas.there[f"replica {number}"] = await stack.enter_async_context(replica)
        yield executor, replicas
        await executor.aclose()
