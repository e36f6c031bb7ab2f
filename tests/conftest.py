"""What tests of the whole bot share: the real client in a sandbox thread, over a fake engine and a store on disk; and a
server of PostgreSQL, for those that want one."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from blockbuster import blockbuster_ctx
from sqlalchemy import URL

from bot.app import App, open_app, serving
from bot.bench.own_postgres import programs
from bot.catalogues import Languages
from bot.config import QueueSettings, Settings
from bot.engine.base import Engine
from bot.engine.fake import FakeEngine, Gate
from bot.sandbox import Event, EventKind, Patience, Sandbox
from bot.store import JobRecord, JobState, JobStore, NewJob
from bot.store.database import BUSY_TIMEOUT_S, parse_url, sqlite_file
from bot.store.migrate import migrate
from tests import accessibility, discord_description
from tests.store.postgres import PostgresServer, postgres_server

_COMPILE_CACHE = "JAX_COMPILATION_CACHE_DIR"

TIMEOUT_S = 30.0
COLD_START_S = 300.0  # of a process that compiles everything, on a machine with other things to do
ACK_LIMIT_S = 3.0
PATIENCE = Patience(moment_s=0.1, short_s=0.3, long_s=1.5)


def pytest_configure(config: pytest.Config) -> None:
    """What one test or process has compiled, the others of this run need not compile again."""
    if _COMPILE_CACHE in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="dalle-bot-tests-")
    os.environ[_COMPILE_CACHE] = folder
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
    # With a limit JAX locks the folder; otherwise a process may read what another one is still writing.
    os.environ["JAX_COMPILATION_CACHE_MAX_SIZE"] = str(2**34)
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    if config.getoption("markexpr") == "not slow":
        # LLVM's optimising is nearly half of what these tests of models cost. The slow ones, and .ci/parity, run what
        # users run.
        os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


_languages = cache(Languages.load)


@cache
def _migrated_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "store.sqlite3"
        migrate(parse_url(f"sqlite+aiosqlite:///{file}"), BUSY_TIMEOUT_S)
        return file.read_bytes()


@pytest.fixture(autouse=True)
def migrated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new SQLite database begins as a copy of one that has every migration, which takes a tenth of a second."""

    def copy_or_migrate(url: URL, busy_timeout_s: float) -> None:
        file = sqlite_file(url)
        if file is not None and not file.exists():
            file.write_bytes(_migrated_database())
        migrate(url, busy_timeout_s)

    monkeypatch.setattr("bot.store.store.migrate", copy_or_migrate)


@dataclass(frozen=True)
class Limits:
    """Of what must be quick, since an answer to Discord waits for it. true: as users have them."""

    true: tuple[tuple[ModuleType, str, float], ...]

    def make(self, factor: float, patch: pytest.MonkeyPatch) -> None:
        """They become that many times as long."""
        for module, key, seconds in self.true:
            patch.setattr(module, key, factor * seconds)

    @contextmanager
    def as_users_have_them(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            self.make(1.0, patch)
            yield


@pytest.fixture(autouse=True)
def limits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Limits:
    """They are longer here, where several tests share the processors. Tests of the limits themselves are marked
    `true_limits`, or set them."""
    found = Limits(
        tuple(
            (module, key, seconds)
            for name, module in sys.modules.items()
            if name.startswith("bot.cogs.")
            for key, seconds in vars(module).items()
            if key.endswith("TIMEOUT_S") and seconds < ACK_LIMIT_S
        )
    )
    if not request.node.get_closest_marker("true_limits"):
        found.make(10.0, monkeypatch)
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is slow may be slower still on a busy machine."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(COLD_START_S + TIMEOUT_S))


def pytest_xdist_auto_num_workers() -> int:
    """Tests of the whole bot wait for half of their time, so that two keep a processor busy."""
    return 2 * (os.cpu_count() or 1)


async def eventually(is_so: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
    """Returns once `is_so()`; fails with TimeoutError after `timeout_s`. For what no event announces."""
    async with asyncio.timeout(timeout_s):
        while not is_so():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


@dataclass(frozen=True)
class Stage:
    """A bot that is online in a sandbox. job_ids: every job that was stored, oldest first, in all runs of the test."""

    sandbox: Sandbox
    app: App
    job_ids: list[str]

    async def play(self, line: str) -> list[Event]:
        """What the player sees of one line until its answer is final."""
        return await self.sandbox.play(line, timeout_s=TIMEOUT_S)

    async def answer(self, line: str) -> Event:
        """The answer to a line that ends with it, at once."""
        said, answer = await self.play(line)
        assert said.kind is EventKind.SAY
        assert answer.t_s < ACK_LIMIT_S
        return answer

    async def begin(self, line: str, *, player: str = "main") -> Event:
        """The acknowledgement of a line whose end is not waited for; the player's next line needs another player."""
        async with aclosing(self.sandbox.watch(line, TIMEOUT_S, player)) as events:
            async for event in events:
                if event.kind is not EventKind.SAY:
                    assert event.t_s < ACK_LIMIT_S
                    return event
        raise AssertionError(f"{line!r} was not answered")

    async def begin_running(self, line: str, *, player: str = "main") -> Event:
        """The same of a line whose job is being drawn then."""
        acknowledged = await self.begin(line, player=player)
        await self.job(JobState.RUNNING)
        return acknowledged

    async def leave_running(self, line: str, gate: Gate) -> Event:
        """The same, and the bot goes offline. gate: of the engine, which may end."""
        acknowledged = await self.begin_running(line)
        await self.app.bot.close()
        gate.open()
        return acknowledged

    async def messages(self, channel_id: str) -> list[dict[str, Any]]:
        """What everybody sees in a channel, newest first."""
        headers = {"Authorization": f"Bot {self.sandbox.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{self.sandbox.address}/api/v10/channels/{channel_id}/messages?limit=100") as response,
        ):
            found: list[dict[str, Any]] = await response.json()
            return found

    async def job(self, state: JobState, *, index: int = -1) -> JobRecord:
        """The newest job, or another one, once it is in `state`."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                job = await self.app.store.jobs.get(self.job_ids[index]) if self.job_ids else None
                if job is not None and job.state is state:
                    return job
                await asyncio.sleep(0.02)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server of this worker's. Skips where PostgreSQL isn't installed."""
    pytest.importorskip("psycopg", reason="psycopg isn't installed")
    if programs() is None:
        pytest.skip("PostgreSQL's server isn't installed")
    with postgres_server() as server:
        yield server


OpenStage = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a bot that keeps everything in the test's folder."""
    return Settings(data_dir=tmp_path / "data", queue=QueueSettings(max_jobs=3, max_jobs_per_user=2))


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    """A sandbox on a thread, with discord.py pointed at it. What was said is checked at the end, where possible."""
    async with Sandbox.start(process=False, out=tmp_path / "out", patience=PATIENCE) as sandbox:
        with sandbox.patch_discord():
            yield sandbox
        accessibility.check(sandbox.requests)
        if discord_description.PATH.exists():
            discord_description.check_exchange(sandbox.requests)


@pytest.fixture
def open_stage(sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> OpenStage:
    """Brings a bot online: `async with open_stage(engine_factory) as stage`. May be used again after it closed.

    Meanwhile a call in `bot` that blocks the event loop raises BlockingError.
    """
    job_ids: list[str] = []
    create = JobStore.create

    async def recording_create(store: JobStore, *jobs: NewJob, **options: Any) -> JobRecord:
        job_ids.extend(job.id for job in jobs)
        return await create(store, *jobs, **options)

    monkeypatch.setattr(JobStore, "create", recording_create)
    monkeypatch.setattr(Languages, "load", _languages)

    @asynccontextmanager
    async def open_stage(
        engine_factory: Callable[[], Engine] = FakeEngine, *, settings: Settings = settings
    ) -> AsyncIterator[Stage]:
        with blockbuster_ctx("bot"):
            async with open_app(settings, engine_factory) as app, serving(app, sandbox.token):
                # The sandbox may still remember the client of an earlier stage.
                await eventually(lambda: bool(app.bot.shards))
                await sandbox.wait_until_connected(TIMEOUT_S)
                yield Stage(sandbox, app, job_ids)

    return open_stage
