"""Engines on a Ray cluster of the test's own process, for the tests with the marker `ray`."""

import asyncio
import importlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from bot.engine.fake import FakeEngine, Faults
from bot.executor.remote import RemoteExecutor
from bot.executor.replicas import Replicas
from bot.executor.scheduler import Scheduler

_TOLD: Final = ("raises", "refused_prompts", "not_finite", "hangs")


class Engines:
    """Applications of the cluster, one for each description of an engine, deployed when it is first asked for."""

    def __init__(self, connect: Callable[..., Awaitable[Replicas]], deploy: Callable[..., None]) -> None:
        self.connect = connect
        self._deploy = deploy
        self._names: dict[str, str] = {}

    def name_of(self, *, chunk_tokens: int, num_replicas: int, faults: Faults | None = None, **engine: Any) -> str:
        # Faults themselves hold an event of threads, which stays where it is.
        wrong = {} if faults is None else {name: getattr(faults, name) for name in _TOLD}
        key = repr((chunk_tokens, num_replicas, wrong, sorted(engine.items())))

        def open_engine() -> FakeEngine:
            return FakeEngine(**engine, faults=Faults(**wrong))

        if key not in self._names:
            name = f"engines-{len(self._names)}"
            self.deploy(name, open_engine, chunk_tokens=chunk_tokens, options={"num_replicas": num_replicas})
            self._names[key] = name
        return self._names[key]

    def wait_until_running(self, name: str) -> None:
        """Until Serve's controller answers, and says so of an application."""
        serve = importlib.import_module("ray.serve")
        end_s = time.monotonic() + 90.0
        while serve.status().applications[name].status != "RUNNING":
            assert time.monotonic() < end_s
            time.sleep(0.1)

    def delete(self, name: str) -> None:
        """Takes an application away."""
        importlib.import_module("ray.serve").delete(name)

    def deploy(
        self, name: str, engine: Callable[[], FakeEngine], options: dict[str, Any], *, chunk_tokens: int = 4
    ) -> None:
        """Brings up an application, or changes it. options: of its deployment."""
        how = {"ray_actor_options": {"num_cpus": 0.1}, "health_check_period_s": 1.0, "health_check_timeout_s": 3.0}
        self._deploy(engine, chunk_tokens=chunk_tokens, name=name, **how | options)

    @asynccontextmanager
    async def executor(
        self,
        *,
        max_jobs: int = 64,
        max_jobs_per_user: int = 16,
        chunk_tokens: int = 4,
        num_replicas: int = 1,
        silence_timeout_s: float = 30.0,
        **engine: Any,
    ) -> AsyncIterator[RemoteExecutor]:
        name = await asyncio.to_thread(
            partial(self.name_of, chunk_tokens=chunk_tokens, num_replicas=num_replicas, **engine)
        )
        scheduler = Scheduler(max_jobs=max_jobs, max_jobs_per_user=max_jobs_per_user)
        async with self.executor_of(name, scheduler, silence_timeout_s=silence_timeout_s) as executor:
            yield executor

    @asynccontextmanager
    async def executor_of(
        self, name: str, scheduler: Scheduler, *, silence_timeout_s: float = 30.0
    ) -> AsyncIterator[RemoteExecutor]:
        replicas = await self.connect("auto", name, timeout_s=60.0)
        async with RemoteExecutor(
            replicas, scheduler, client="tests", look_s=0.2, silence_timeout_s=silence_timeout_s
        ) as executor:
            yield executor


def pids_of(title: str) -> list[int]:
    """The processes of this test's cluster that have this in their title."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                line = Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace")
                is_it = line.startswith("ray::") and title in line and is_ours(int(entry))
            except OSError:
                continue
            if is_it:
                found.append(int(entry))
    return found


def is_ours(pid: int) -> bool:
    """Whether this process, or one that it has started, has started that one. Raises OSError if it is gone."""
    while pid > 1 and pid != os.getpid():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid == os.getpid()
