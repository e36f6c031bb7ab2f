"""Which executor the settings open, and what happens where a cluster can't be used."""

import logging

import pytest

from bot.config import ExecutorSettings, Settings
from bot.engine.fake import FakeEngine
from bot.errors import ClusterNotReadyError, ConfigError, DalleBotError
from bot.executor import opening
from bot.executor.base import EngineState
from bot.executor.local import LocalExecutor
from bot.executor.opening import open_executor
from bot.executor.queued import QueuedExecutor
from bot.executor.remote import RemoteExecutor
from bot.telemetry.metrics import Metrics

from .drive import ask, read
from .near import NearReplicas


async def opened(settings: Settings, metrics: Metrics | None = None) -> type[QueuedExecutor]:
    """The class of what was opened and has drawn, where it can."""
    async with open_executor(settings, FakeEngine, start_up=None, metrics=metrics or Metrics()) as executor:
        if executor.status.state is not EngineState.LOADING or isinstance(executor, LocalExecutor):
            assert (await read(await executor.submit(ask()))).error is None
        return type(executor)


def on_ray(*, fallback: bool = False) -> Settings:
    return Settings(executor=ExecutorSettings(kind="ray", address="example:6379", fallback=fallback))


async def test_the_engine_is_in_this_process_unless_somebody_says_otherwise() -> None:
    metrics = Metrics()
    assert await opened(Settings(), metrics) is LocalExecutor
    assert metrics.registry.get_sample_value("dalle_bot_fallback") == 0


async def test_a_cluster_is_asked_with_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    async def connect(address: str, application: str, *, timeout_s: float) -> NearReplicas:
        asked.extend((address, application, timeout_s))
        return NearReplicas()

    monkeypatch.setattr(opening, "_import_connect", lambda: connect)
    metrics = Metrics()
    assert await opened(on_ray(), metrics) is RemoteExecutor
    assert metrics.registry.get_sample_value("dalle_bot_fallback") == 0
    assert asked == ["example:6379", "dalle-bot", 120.0]


@pytest.mark.parametrize("kind", [ConfigError, ClusterNotReadyError])
@pytest.mark.parametrize("is_installed", [False, True])
@pytest.mark.parametrize("fallback", [False, True])
async def test_a_cluster_that_can_not_be_used_is_said_so_and_may_be_done_without(
    kind: type[DalleBotError],
    is_installed: bool,
    fallback: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def connect(*_: object, **__: object) -> None:
        raise kind("No cluster answers.")

    def import_connect() -> object:
        if not is_installed:
            raise kind("No cluster answers.")
        return connect

    monkeypatch.setattr(opening, "_import_connect", import_connect)
    if not fallback:
        with pytest.raises(kind, match="No cluster answers"):
            await opened(on_ray())
        return
    metrics = Metrics()
    assert await opened(on_ray(fallback=True), metrics) is LocalExecutor
    assert metrics.registry.get_sample_value("dalle_bot_fallback") == 1
    (warned,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert (
        warned.getMessage() == "No cluster answers. The engine runs in this process instead, as executor.fallback says."
    )
