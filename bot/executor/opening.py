"""The executor that the settings ask for. Called by app.py, on the event loop."""

import asyncio
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bot.config import ExecutorSettings, QueueSettings, Settings
from bot.engine.base import Engine
from bot.errors import ClusterNotReadyError, ConfigError
from bot.executor.local import LocalExecutor
from bot.executor.queued import QueuedExecutor
from bot.executor.remote import RemoteExecutor
from bot.executor.replicas import Replicas
from bot.executor.scheduler import Scheduler
from bot.startup import StartUp
from bot.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)


@asynccontextmanager
async def open_executor(
    settings: Settings,
    engine_factory: Callable[[], Engine],
    *,
    start_up: StartUp | None,
    metrics: Metrics,
) -> AsyncIterator[QueuedExecutor]:
    """Starts it, and closes it in the end.

    engine_factory: for an engine in this process; called once, on a thread of the executor's. start_up: its start,
    which is cancelled on closing. Raises ConfigError, or ClusterNotReadyError if it may pass by itself, where a cluster
    is asked for and can't be used, unless `executor.fallback` allows an engine in this process then.
    """
    replicas = await _cluster(settings.executor)
    metrics.fallback.set(settings.executor.kind != "local" and replicas is None)
    if replicas is not None:
        async with RemoteExecutor(
            replicas,
            _scheduler(settings.queue),
            client=f"{socket.gethostname()}-{secrets.token_hex(4)}",
            silence_timeout_s=settings.executor.silence_timeout_s,
            metrics=metrics,
        ) as remote:
            yield remote
        return
    async with LocalExecutor(
        engine_factory,
        scheduler=_scheduler(settings.queue),
        chunk_tokens=settings.engine.chunk_tokens,
        start_up=start_up,
        hang_timeout_s=settings.engine.hang_timeout_s,
        load_timeout_s=settings.engine.load_timeout_s,
        metrics=metrics,
    ) as local:
        yield local


def _scheduler(queue: QueueSettings) -> Scheduler:
    return Scheduler(
        max_jobs=queue.max_jobs,
        max_jobs_per_user=queue.max_jobs_per_user,
        max_jobs_per_guild=queue.max_jobs_per_guild,
    )


async def _cluster(settings: ExecutorSettings) -> Replicas | None:
    """None for an engine in this process."""
    if settings.kind == "local":
        return None
    try:
        return await join_cluster(settings)
    except (ConfigError, ClusterNotReadyError) as error:
        if not settings.fallback:
            raise
        _log.warning("%s The engine runs in this process instead, as executor.fallback says.", error)
        return None


async def join_cluster(settings: ExecutorSettings) -> Replicas:
    """The engines of a cluster, once one of them has answered. Whoever calls this closes them. Raises ConfigError and
    ClusterNotReadyError."""
    # Importing Ray takes a second.
    connect = await asyncio.to_thread(_import_connect)
    return await connect(settings.address, settings.application, timeout_s=settings.connect_timeout_s)


def _import_connect() -> Callable[..., Awaitable[Replicas]]:
    try:
        from bot.executor.ray.connecting import connect
        from bot.executor.ray.logs import take_over_logs
    except ImportError as error:
        raise ConfigError(
            f"executor.kind is ray, and {error.name or 'ray'} is not installed: `pip install -e '.[ray]'`."
        ) from None
    take_over_logs()
    return connect
