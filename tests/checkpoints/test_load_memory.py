"""How much memory loading takes, in a process of its own: parameters, one array of the file and little more."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bot.checkpoints.arrays import write_msgpack

NUM_ARRAYS, SHAPE = 4, (16, 1024, 1024)
ARRAY_BYTES = 4 * 16 * 1024 * 1024
FILE_BYTES = NUM_ARRAYS * ARRAY_BYTES
# Programs, buffers of two layers, what the allocator keeps; less than a third of the file.
SPARE_BYTES = 64 * 10**6

SCRIPT = """
import json, sys
from pathlib import Path
import jax, jax.numpy as jnp
from bot.bench.memory_watch import MemoryWatch
from bot.checkpoints.array_file import open_array_file
from bot.checkpoints.arrays import read_arrays
from bot.checkpoints.places import Place
from bot.checkpoints.weights import Weights

file, way, dtype = Path(sys.argv[1]), sys.argv[2], jnp.dtype(sys.argv[3])
jax.block_until_ready(jnp.zeros(()))
with MemoryWatch() as watch:
    before = watch.anon_bytes
    if way == "streamed":
        arrays = open_array_file(file).arrays
        layers = {f"{name}{i}": (name, i) for name in arrays for i in range(arrays[name].shape[0])}
        shapes = {key: {"kernel": jax.ShapeDtypeStruct(arrays[name].shape[1:], dtype)}
                  for key, (name, _) in layers.items()}
        places = {(key, "kernel"): Place((name,), i) for key, (name, i) in layers.items()}
        weights = Weights("CLIP", open_array_file(file), shapes, places, dtype=dtype)
        assert watch.anon_bytes - before < 10e6
        params = weights.load(None, lambda _: None)
        num_bytes = weights.num_bytes
    else:
        params = [jnp.array(layer, dtype) for array in read_arrays(file).values() for layer in array]
        num_bytes = sum(leaf.nbytes for leaf in params)
    jax.block_until_ready(params)
print(json.dumps({"grown": watch.peak_anon_bytes - before, "parameters": num_bytes}))
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("memory") / "flax_model.msgpack"
    array = np.full(SHAPE, 0.5, np.float32)
    write_msgpack(path, {f"layers/{i}": array for i in range(NUM_ARRAYS)})
    return path


def growth(file: Path, way: str, dtype: str) -> int:
    """By how many bytes more than the parameters anonymous memory grew."""
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is measured with /proc, which is not here")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(file), way, dtype],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["parameters"] == FILE_BYTES // 4 * np.dtype(dtype if dtype != "bfloat16" else "float16").itemsize
    return int(measured["grown"] - measured["parameters"])


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_no_more_than_one_array_beside_the_parameters(file: Path, dtype: str) -> None:
    assert growth(file, "streamed", dtype) < ARRAY_BYTES + SPARE_BYTES


def test_reading_the_whole_file_would_be_noticed(file: Path) -> None:
    assert growth(file, "whole", "bfloat16") > ARRAY_BYTES + SPARE_BYTES
