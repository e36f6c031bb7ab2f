"""Starts in processes of their own: on one, two and four devices, and again with the same compile cache."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import COLD_START_S

pytestmark = pytest.mark.slow

_CACHE = "/jax/compilation_cache/"
REQUESTS, HITS, MISSES = (_CACHE + name for name in ("compile_requests_use_cache", "cache_hits", "cache_misses"))
MAX_DEVICES = 4


def start(model: Path, data_dir: Path, *num_devices: int) -> dict[str, Any]:
    """What tests/engine/one_start.py tells."""
    args = [sys.executable, "-m", "tests.engine.one_start", str(model), str(data_dir), *map(str, num_devices)]
    env = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={MAX_DEVICES}"}
    done = subprocess.run(
        args, env=env, capture_output=True, text=True, timeout=COLD_START_S, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def first(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """A first start on one device, engines on two and on four in the same process, and their data_dir."""
    data_dir = tmp_path_factory.mktemp("first")
    return start(tiny_model, data_dir, 1, 2, MAX_DEVICES), data_dir


@pytest.mark.parametrize(("engine", "num_devices"), [(1, 2), (2, MAX_DEVICES)])
def test_devices_share_the_slots_and_draw_the_same(
    first: tuple[dict[str, Any], Path], engine: int, num_devices: int
) -> None:
    one, many = first[0]["engines"][0], first[0]["engines"][engine]
    assert (one["num_devices"], many["num_devices"]) == (1, num_devices)
    assert (one["shard"][0], many["shard"][0]) == (8, 8 // num_devices)
    assert many["tokens"] == one["tokens"]
    assert len({tuple(tokens) for tokens in one["tokens"]}) == 5
    np.testing.assert_allclose(many["logits"], one["logits"], atol=2e-5)
    assert np.std(one["logits"]) > 0.1
    assert np.abs(np.subtract(many["pixels"], one["pixels"])).max() <= 1
    np.testing.assert_allclose(many["scores"], one["scores"], atol=1e-3)


def test_a_second_start_compiles_nothing(tiny_model: Path, first: tuple[dict[str, Any], Path]) -> None:
    told, data_dir = first
    again = start(tiny_model, data_dir, 1)
    (started, afterwards), (started_again, afterwards_again) = told["starts"], again["starts"]
    assert started[MISSES] > 10
    assert MISSES not in started_again
    assert started_again[HITS] == started_again[REQUESTS] == started[REQUESTS]
    # Whatever a picture needs was compiled before, the first time too.
    assert (afterwards, afterwards_again) == ({}, {})
    assert again["engines"][0]["tokens"] == told["engines"][0]["tokens"]
