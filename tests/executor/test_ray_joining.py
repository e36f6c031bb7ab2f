"""How a process gets into a Ray cluster and out of it: what it leaves behind. See test_ray.py."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from bot.engine.fake import FakeEngine

from .ray_engines import Engines
from .ray_modules import ray_module

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]

# Enters and leaves, and says each time how many threads of Python's there are; the way of RayReplicas, without its
# waits. In another process, as this one stays in its cluster.
REJOINS = """
import asyncio
import sys
import threading
from bot.executor.ray.joining import enter, find, leave

async def stay(address, application):
    await asyncio.to_thread(enter, address)
    membership = await asyncio.to_thread(find, address, application)
    assert await membership.is_alive()
    while not membership.handle.running_replicas_populated():
        await asyncio.sleep(0.05)
    await membership.handle.broadcast("state").results_async()
    await asyncio.sleep(0.5)
    await membership.end()
    assert await membership.is_alive()
    await asyncio.to_thread(leave)

async def main(address, application):
    for _ in range(3):
        await stay(address, application)
        print(threading.active_count())
    await asyncio.sleep(1.0)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.filterwarnings("ignore:The .metrics_interval_s. field:DeprecationWarning")
async def test_nothing_goes_on_for_a_cluster_that_was_left(engines: Engines) -> None:
    """Serve's own part of a handle reports to the controller, and complains where it can't."""
    often = {"min_replicas": 1, "max_replicas": 1, "metrics_interval_s": 0.1, "look_back_period_s": 0.5}
    await asyncio.to_thread(engines.deploy, "rejoined", FakeEngine, {"autoscaling_config": often})
    address = ray_module("ray").get_runtime_context().gcs_address
    command = [sys.executable, "-c", REJOINS, address, "rejoined"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=120, check=False)
    # Whoever asks Serve for anything is warned as long as it is there.
    await asyncio.to_thread(engines.delete, "rejoined")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    first, *others = done.stdout.split()
    assert others == [first, first]


def test_sigterm_does_what_it_did_before_ray_came() -> None:
    joining: Any = ray_module("bot.executor.ray.joining")
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        # As Ray does: from C, so that Python is not told.
        ctypes.CDLL(None).signal(signal.SIGTERM, ctypes.c_void_p(signal.SIG_IGN))
        os.kill(os.getpid(), signal.SIGTERM)
        assert received == []
        joining.take_sigterm_back()
        os.kill(os.getpid(), signal.SIGTERM)
        assert received == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
