"""Starts in processes of their own: on one, two and four devices, and twice with the same compile cache."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

_CACHE = "/jax/compilation_cache/"
REQUESTS, HITS, MISSES = (_CACHE + name for name in ("compile_requests_use_cache", "cache_hits", "cache_misses"))


def start(model: Path, data_dir: Path, num_devices: int) -> dict[str, Any]:
    """What tests/engine/one_start.py tells."""
    args = [sys.executable, "-m", "tests.engine.one_start", str(model), str(data_dir), str(num_devices)]
    env = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={num_devices}"}
    done = subprocess.run(args, env=env, capture_output=True, text=True, timeout=110, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def alone(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """A first start on one device, and its data_dir."""
    data_dir = tmp_path_factory.mktemp("alone")
    return start(tiny_model, data_dir, 1), data_dir


@pytest.mark.parametrize("num_devices", [2, 4])
def test_devices_share_the_slots_and_draw_the_same(
    tiny_model: Path, tmp_path: Path, alone: tuple[dict[str, Any], Path], num_devices: int
) -> None:
    one, many = alone[0], start(tiny_model, tmp_path, num_devices)
    assert (one["num_devices"], many["num_devices"]) == (1, num_devices)
    assert (one["shard"][0], many["shard"][0]) == (8, 8 // num_devices)
    assert many["tokens"] == one["tokens"]
    assert len({tuple(tokens) for tokens in one["tokens"]}) == 5
    np.testing.assert_allclose(many["logits"], one["logits"], atol=2e-5)
    assert np.std(one["logits"]) > 0.1
    assert np.abs(np.subtract(many["pixels"], one["pixels"])).max() <= 1
    np.testing.assert_allclose(many["scores"], one["scores"], atol=1e-3)


def test_a_second_start_compiles_nothing(tiny_model: Path, alone: tuple[dict[str, Any], Path]) -> None:
    first, data_dir = alone
    assert first["started"][MISSES] > 10
    second = start(tiny_model, data_dir, 1)
    assert MISSES not in second["started"]
    assert second["started"][HITS] == second["started"][REQUESTS] == first["started"][REQUESTS]
    # Whatever a picture needs was compiled before, the first time too.
    assert (first["afterwards"], second["afterwards"]) == ({}, {})
    assert second["tokens"] == first["tokens"]
