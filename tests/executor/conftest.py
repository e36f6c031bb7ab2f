from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import pytest
from blockbuster import blockbuster_ctx

from bot.engine.fake import FakeEngine
from bot.executor.base import Executor
from bot.executor.local import LocalExecutor

from .near import near
from .ray_engines import Engines
from .ray_modules import ray_module


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests on a Ray cluster run only where `-m` names them; see test_ray.py."""
    if "ray" in config.getoption("markexpr"):
        return
    theirs = [item for item in items if item.get_closest_marker("ray")]
    if theirs:
        items[:] = [item for item in items if item not in theirs]
        config.hook.pytest_deselected(items=theirs)


class ExecutorFactory(Protocol):
    """Makes an executor over a FakeEngine of the given arguments; entering it starts it, leaving closes it."""

    def __call__(
        self, *, max_jobs: int = 64, max_jobs_per_user: int = 16, chunk_tokens: int = 4, **engine: Any
    ) -> AbstractAsyncContextManager[Executor]: ...


def _local(
    *, max_jobs: int = 64, max_jobs_per_user: int = 16, chunk_tokens: int = 4, **engine: Any
) -> AbstractAsyncContextManager[Executor]:
    return LocalExecutor(
        lambda: FakeEngine(**engine),
        max_jobs=max_jobs,
        max_jobs_per_user=max_jobs_per_user,
        chunk_tokens=chunk_tokens,
    )


@asynccontextmanager
async def _remote(
    *, max_jobs: int = 64, max_jobs_per_user: int = 16, chunk_tokens: int = 4, **engine: Any
) -> AsyncIterator[Executor]:
    async with near(
        lambda: FakeEngine(**engine),
        max_jobs=max_jobs,
        max_jobs_per_user=max_jobs_per_user,
        chunk_tokens=chunk_tokens,
    ) as (executor, _):
        yield executor


@pytest.fixture(params=[_local, _remote], ids=["local", "remote"])
def executor_factory(request: pytest.FixtureRequest) -> ExecutorFactory:
    """Every implementation of the Executor protocol."""
    factory: Callable[..., Any] = request.param
    return factory


@pytest.fixture
def no_blocking_calls() -> Iterator[None]:
    """Code of `bot` that blocks the event loop raises BlockingError."""
    with blockbuster_ctx("bot"):
        yield


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """A Ray cluster; for tests with the marker `ray`."""
    connecting = ray_module("bot.executor.ray.connecting")
    own_cluster = ray_module("bot.executor.ray.own_cluster")
    with own_cluster.own_cluster(4):
        yield Engines(connecting.connect, own_cluster.deploy)
