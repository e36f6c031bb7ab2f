"""The whole bot, as it is run, with its engines on a Ray cluster of this machine. See test_ray.py."""

import asyncio
import logging
from functools import partial
from typing import NoReturn

import pytest

from bot.app import open_app, serving
from bot.config import ExecutorSettings, Settings
from bot.executor.base import EngineState
from bot.executor.remote import RemoteExecutor
from bot.sandbox import Sandbox
from tests.conftest import TIMEOUT_S, eventually

from .ray_engines import Engines

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]


def none_here() -> NoReturn:
    raise AssertionError("the engines are on the cluster")


async def test_a_prompt_is_drawn_on_the_cluster_and_delivered(
    engines: Engines, sandbox: Sandbox, settings: Settings
) -> None:
    name = await asyncio.to_thread(partial(engines.name_of, chunk_tokens=4, num_replicas=2, num_slots=4))
    on_ray = ExecutorSettings(kind="ray", address="auto", application=name)
    async with (
        open_app(settings.model_copy(update={"executor": on_ray}), none_here) as app,
        serving(app, sandbox.token),
    ):
        assert isinstance(app.executor, RemoteExecutor)
        assert logging.getLogger("ray.serve").handlers == logging.getLogger("ray").handlers == []
        await eventually(lambda: app.executor.status.state is EngineState.READY)
        await sandbox.wait_until_connected(TIMEOUT_S)
        said = await sandbox.play("/imagine prompt:a red circle images:4", timeout_s=2 * TIMEOUT_S)
        assert len(said[-1].files) > 0

        def shown(metric: str, **labels: str) -> float | None:
            return app.metrics.registry.get_sample_value(f"dalle_bot_{metric}", labels)

        await eventually(lambda: shown("job_transitions_total", state="delivered") == 1)
        await eventually(lambda: shown("replicas") == 2)
        # What is drawn elsewhere reaches this bot's metrics.
        image_length = app.executor.status.info.image_length if app.executor.status.info is not None else 0
        await eventually(lambda: shown("engine_tokens_total") == 4 * image_length)
        assert (shown("engine_step_seconds_count") or 0) > 0
        assert (shown("fallback"), shown("replicas_lost_total")) == (0, 0)
