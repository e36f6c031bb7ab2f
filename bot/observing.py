"""Looks at a bot for its telemetry, from its first moment on: gauges for a scrape, verdicts for probes. Used by app.py,
on the event loop.

A standby is looked at too: it lives, and is not ready.
"""

import asyncio
import contextlib
import logging
import math
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from bot.client import DalleBot
from bot.config import Settings
from bot.errors import StoreError
from bot.executor.base import EngineState
from bot.executor.queued import QueuedExecutor
from bot.store import Store
from bot.store.file_faults import nearest_there
from bot.store.probe import StoreProbe
from bot.telemetry.metrics import ENGINE_STATES, Metrics
from bot.telemetry.process_watch import counting_log, watch_loop
from bot.telemetry.server import TelemetryRoutes, serving
from bot.telemetry.verdict import Check, Verdict

LOOK_TIMEOUT_S: Final = 2.0

_log = logging.getLogger(__name__)


class Observer:
    """One bot that is open. hang_timeout_s: of the engine. now: aware."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        store: Store,
        executor: QueuedExecutor,
        bot: DalleBot,
        hang_timeout_s: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._metrics = metrics
        self._store = store
        self._probe = StoreProbe(store.values)
        self._executor = executor
        self._bot = bot
        self._hang_timeout_s = hang_timeout_s
        self._now = now

    def health(self) -> Verdict:
        """Whether the process should go on living. That this is called proves that the event loop runs."""
        return Verdict([Check("event_loop", True, "running"), self._engine()])

    async def readiness(self) -> Verdict:
        """Whether a job that came now would be drawn and delivered."""
        state = self._executor.status.state
        model = Check("model", state is EngineState.READY, str(state))
        return Verdict([self._gateway(), await self._probe.check(), model])

    async def refresh(self) -> None:
        """Brings the gauges up to date."""
        metrics, status, load = self._metrics, self._executor.status, self._executor.load
        metrics.queue_jobs.set(status.num_queued)
        metrics.running_jobs.set(status.num_running)
        metrics.queue_oldest_age.set(load.oldest_wait_s)
        metrics.slots.set(load.num_slots)
        metrics.slots_used.set(load.num_occupied)
        metrics.engine_busy.set(load.busy_s)
        for state in ENGINE_STATES:
            metrics.engine_state.labels(state).set(state == status.state)
        shards = self._bot.shards.values()
        metrics.gateway_shards.set(self._num_shards)
        metrics.gateway_shards_connected.set(sum(not shard.is_closed() for shard in shards))
        metrics.gateway_latency.set(max((shard.latency for shard in shards), default=math.nan))
        metrics.guilds.set(len(self._bot.guilds))
        # Together: each has its time, and so has the scrape.
        await asyncio.gather(self._look_at_store(), _within(self._look_at_reviews()))

    async def aclose(self) -> None:
        """Before the store is closed."""
        await self._probe.aclose()

    @property
    def _num_shards(self) -> int:
        """Those that this process should have; 0 until Discord has said how many."""
        return len(self._bot.shard_ids or ()) or self._bot.shard_count or 0

    def _engine(self) -> Check:
        state, busy_s = self._executor.status.state, self._executor.load.busy_s
        if state in (EngineState.FAILED, EngineState.CLOSED):
            return Check("engine", False, str(state))
        if busy_s > self._hang_timeout_s:
            return Check("engine", False, f"at work without a sign of life for {busy_s:.0f} s")
        return Check("engine", True, str(state))

    def _gateway(self) -> Check:
        shards = self._bot.shards.values()
        num_connected = sum(not shard.is_closed() for shard in shards)
        is_ok = self._bot.is_ready() and 0 < len(shards) == num_connected
        return Check("gateway", is_ok, f"{num_connected} of {self._num_shards} shards connected")

    async def _look_at_store(self) -> None:
        self._metrics.store_ready.set((await self._probe.check()).is_ok)

    async def _look_at_reviews(self) -> None:
        backlog = await self._store.cases.backlog()
        waited = None if backlog.oldest_at is None else self._now() - backlog.oldest_at
        self._metrics.review_open_cases.set(backlog.num_open)
        self._metrics.review_oldest_age.set(0.0 if waited is None else max(0.0, waited.total_seconds()))


async def _within(look: Awaitable[None]) -> None:
    """A scrape shows what can be seen, however ill the rest is."""
    try:
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            await look
    except (StoreError, OSError, TimeoutError) as error:
        _log.warning("a metric could not be read: %s", str(error) or type(error).__name__)


class Telemetry:
    """What is seen of a process while it starts, stands by, runs and stops. address: of its pages; None where the
    settings want none. Made by `telemetry_of`."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._observer: Observer | None = None
        self._is_standby = False
        metrics.queue_max_jobs.set(settings.queue.max_jobs)
        self.address: str | None = None

    def stands_by(self, is_waiting: bool) -> None:
        """Whether the process waits for shards that another one has."""
        self._is_standby = is_waiting
        self._metrics.standby.set(is_waiting)

    @contextlib.asynccontextmanager
    async def observing(self, *, store: Store, executor: QueuedExecutor, bot: DalleBot) -> AsyncIterator[None]:
        """Inside, the bot is open."""
        self._observer = Observer(
            self._metrics,
            store=store,
            executor=executor,
            bot=bot,
            hang_timeout_s=self._settings.engine.hang_timeout_s,
        )
        observer = self._observer
        try:
            yield
        finally:
            self._observer = None
            await observer.aclose()

    def health(self) -> Verdict:
        """See Observer."""
        return Verdict([Check("event_loop", True, "running")]) if self._observer is None else self._observer.health()

    async def readiness(self) -> Verdict:
        """See Observer."""
        if self._observer is not None:
            return await self._observer.readiness()
        if self._is_standby:
            return Verdict([Check("shards", False, "another process has them, and this one stands by")])
        return Verdict([Check("bot", False, "starting or stopping")])

    async def refresh(self) -> None:
        """Brings the gauges up to date."""
        looks = [_within(self._look_at_disk())]
        if self._observer is not None:
            looks.append(self._observer.refresh())
        await asyncio.gather(*looks)

    async def _look_at_disk(self) -> None:
        usage = await asyncio.to_thread(lambda: shutil.disk_usage(nearest_there(self._settings.data_dir)))
        self._metrics.disk_free.set(usage.free)


@contextlib.asynccontextmanager
async def telemetry_of(settings: Settings, metrics: Metrics, *, wait_s: float = 0.0) -> AsyncIterator[Telemetry]:
    """Serves the pages of a process inside the block, if the settings want it. wait_s: for whoever has the port.

    Raises DalleBotError if somebody has it still, ConfigError if they can't be served there at all.
    """
    telemetry = Telemetry(settings, metrics)
    if not settings.telemetry.enabled:
        yield telemetry
        return
    routes = TelemetryRoutes(metrics, refresh=telemetry.refresh, health=telemetry.health, readiness=telemetry.readiness)
    lag = asyncio.create_task(watch_loop(metrics), name="event loop's lag")
    try:
        with counting_log(metrics):
            async with serving(
                routes, settings.telemetry.host, settings.telemetry.port, wait_s=wait_s
            ) as telemetry.address:
                yield telemetry
    finally:
        lag.cancel()
