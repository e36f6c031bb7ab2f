"""Loading: what arrives on the device, as what, where, and what is said of numbers that can't be used."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx
from safetensors.numpy import save_file

from bot.checkpoints.array_file import open_array_file
from bot.checkpoints.arrays import Arrays, read_arrays, write_msgpack
from bot.checkpoints.dalle_bart import load_dalle_bart, names_of, open_dalle_bart
from bot.checkpoints.places import Place, Places, places_by_name
from bot.checkpoints.staging import _aligned
from bot.checkpoints.weights import Weights
from bot.errors import CheckpointError, CheckpointMismatchError
from bot.models.int8 import quantize
from bot.models.network import Network, Params, walk
from bot.models.network import Path as ParamPath
from tests.golden.sets import Folders

# Enough numbers for a kernel to be converted on the device; the others are converted on the host.
ROWS, COLUMNS = 1024, 1100


class Small(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.embed = nnx.Embed(3, 2, rngs=rngs)
        self.small = nnx.Linear(2, 4, rngs=rngs)
        self.large = nnx.Linear(ROWS, COLUMNS, use_bias=False, rngs=rngs)


@cache
def shapes() -> Params:
    return Network(Small).shapes


def plain_name(path: ParamPath) -> str:
    return "/".join(map(str, path))


def random(shape: tuple[int, ...], dtype: Any = np.float16) -> npt.NDArray[Any]:
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def arrays(dtype: Any = np.float16) -> Arrays:
    sizes = {
        "embed/embedding": (3, 2),
        "small/kernel": (2, 4),
        "small/bias": (4,),
        "large/kernel": (ROWS, COLUMNS),
    }
    return {name: random(shape, dtype) for name, shape in sizes.items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flax_model.msgpack"


def opened(path: Path, given: Arrays, dtype: Any = jnp.float32) -> Weights:
    write_msgpack(path, given)
    return Weights("CLIP", open_array_file(path), shapes(), places_by_name(shapes(), plain_name), dtype=dtype)


def ignore(count: int) -> None:
    """Progress that nobody looks at."""


def loaded(path: Path, given: Arrays, dtype: Any = jnp.float32) -> dict[str, Any]:
    params = opened(path, given, dtype).load(None, ignore)
    return {plain_name(p): leaf for p, leaf in walk(params)}


def assert_same_bits(actual: Any, expected: npt.NDArray[Any]) -> None:
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    assert np.asarray(actual).tobytes() == expected.tobytes()


@pytest.mark.parametrize("stored", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32])
def test_kernels_get_the_dtype_of_computation_and_the_rest_keeps_its_own(path: Path, stored: Any, dtype: Any) -> None:
    given = arrays(stored)
    for name, leaf in loaded(path, given, dtype).items():
        kept = np.float32 if stored == np.float64 else stored
        assert_same_bits(leaf, given[name].astype(dtype if name.endswith("kernel") else kept))


def test_numbers_near_zero_are_rounded_as_elsewhere(path: Path) -> None:
    """Some CPU code takes them for zero."""
    given = arrays(np.float32)
    given["large/kernel"] *= np.float32(1e-7)
    given["small/kernel"] *= np.float32(1e-7)
    for name, leaf in loaded(path, given, np.float16).items():
        if name.endswith("kernel"):
            assert_same_bits(leaf, given[name].astype(np.float16))
            assert np.count_nonzero(leaf)


def test_sizes_are_known_before_loading(path: Path) -> None:
    weights = opened(path, arrays(np.float32), jnp.bfloat16)
    params = weights.load(None, ignore)
    assert weights.num_bytes == sum(leaf.nbytes for leaf in jax.tree.leaves(params))
    assert weights.largest_bytes == 4 * ROWS * COLUMNS
    assert weights.file_bytes == 4 * (6 + 8 + 4 + ROWS * COLUMNS)


def test_progress_comes_to_the_size_of_the_file(path: Path) -> None:
    weights = opened(path, arrays())
    counts: list[int] = []
    weights.load(None, counts.append)
    assert len(counts) == 4
    assert sum(counts) == weights.file_bytes


def test_the_tree_is_in_the_networks_order(path: Path) -> None:
    params = opened(path, dict(reversed(arrays().items()))).load(None, ignore)
    assert [p for p, _ in walk(params)] == [p for p, _ in walk(shapes())]


def stored(file: Arrays, path: ParamPath) -> npt.NDArray[Any]:
    """A parameter of DalleBart as an unscanned file has it, in our layout: matrices [out, in], some of them as one."""
    parts = [np.asarray(file[name]) for name in names_of(path)]
    return np.concatenate([part.T for part in parts]) if path[-1] == "kernel" else parts[0]


class TestLayouts:
    """All ways of keeping the same weights give the same parameters."""

    @pytest.mark.parametrize("model", ["mini", "mega"])
    @pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
    def test_stacked_layers_are_those_of_the_file(self, folders: Folders, model: str, dtype: Any) -> None:
        net, _, params = load_dalle_bart(folders(model), dtype=dtype)
        _, _, unscanned = load_dalle_bart(folders(f"{model}_unscanned"), dtype=dtype)
        file = read_arrays(folders(f"{model}_unscanned") / "flax_model.msgpack")
        assert [p for p, _ in walk(params)] == [p for p, _ in walk(net.shapes)]
        for (path, leaf), (_, other) in zip(walk(params), walk(unscanned), strict=True):
            expected = stored(file, path).astype(dtype if path[-1] == "kernel" else np.float32)
            assert_same_bits(leaf, expected)
            assert_same_bits(other, expected)

    @pytest.mark.parametrize("size", [(8, 16), (1024, 1100)])
    @pytest.mark.parametrize("dtype", [np.float16, np.float32])
    def test_permuted_arrays(self, tmp_path: Path, size: tuple[int, int], dtype: Any) -> None:
        file = tmp_path / "model.safetensors"
        weight = random((2, *reversed(size)), np.float32)
        save_file({"layers.weight": weight}, file)
        layers = {i: {"kernel": jax.ShapeDtypeStruct(size, np.float32)} for i in range(2)}
        places: Places = {(i, "kernel"): Place(("layers.weight",), i, (1, 0)) for i in range(2)}
        params = Weights("CLIP", open_array_file(file), layers, places, dtype=dtype).load(None, ignore)
        for i in range(2):
            assert_same_bits(params[i]["kernel"], weight[i].T.astype(dtype))


class TestInt8:
    def test_matrices_are_quantised_and_scales_added(self, folders: Folders) -> None:
        net, _, params = load_dalle_bart(folders("mini"), dtype=jnp.bfloat16, weights="int8")
        file = read_arrays(folders("mini_unscanned") / "flax_model.msgpack")
        assert [p for p, _ in walk(params)] == [p for p, _ in walk(net.shapes)]
        quantised = [path[:-1] for path, leaf in walk(params) if path[-1] == "kernel_scale"]
        assert len(quantised) == 2 * (2 + 2) + 2 * (5 + 2)
        assert params["lm_head"]["kernel"].dtype == jnp.bfloat16
        flat = dict(walk(params))
        for path in quantised:
            kernel, scale = jax.jit(quantize)(stored(file, (*path, "kernel")))
            assert_same_bits(flat[*path, "kernel"], np.asarray(kernel))
            assert_same_bits(flat[*path, "kernel_scale"], np.asarray(scale))

    def test_size_is_known_before_loading(self, folders: Folders) -> None:
        _, _, weights = open_dalle_bart(folders("mega"), dtype=jnp.float16, weights="int8")
        params = weights.load(None, ignore)
        assert weights.num_bytes == sum(leaf.nbytes for leaf in jax.tree.leaves(params))


def problems(path: Path, given: Arrays, dtype: Any = jnp.float32) -> list[str]:
    weights = opened(path, given, dtype)
    with pytest.raises(CheckpointMismatchError) as caught:
        weights.load(None, ignore)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("name", ["small/bias", "small/kernel", "large/kernel", "embed/embedding"])
@pytest.mark.parametrize(
    ("number", "problem"), [(np.nan, "holds NaN"), (np.inf, "holds infinite numbers"), (-np.inf, "holds infinite")]
)
@pytest.mark.parametrize("dtype", [jnp.float16, jnp.float32])
def test_what_is_not_finite_is_named(path: Path, name: str, number: float, problem: str, dtype: Any) -> None:
    given = arrays()
    given[name].flat[-1] = number
    [line] = problems(path, given, dtype)
    assert line.startswith(f"{path}: {name} {problem}")
    assert line.endswith("Fetch it again; if it stays, choose another model.")


def test_what_is_too_large_for_the_dtype_of_computation_is_named(path: Path) -> None:
    given = arrays(np.float32)
    for name in ("small/kernel", "large/kernel", "small/bias"):
        given[name].flat[3] = -7e4
    lines = problems(path, given, jnp.float16)
    # The bias stays float32, so its number does no harm.
    assert lines[0] == f"{path}: 2 arrays are wrong."
    assert sorted(lines[1:3]) == [
        f"  {name} holds 70000, which is too large for float16 (at most 65504)"
        for name in ("large/kernel", "small/kernel")
    ]
    loaded(path, given, jnp.bfloat16)


def test_layers_are_named_and_counted(folders: Folders, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders("mini"), tmp_path / "mini"))
    file = folder / "flax_model.msgpack"
    given = {name: array.copy() for name, array in read_arrays(file).items()}
    for array in given.values():
        array[-1] = np.nan
    write_msgpack(file, given)
    with pytest.raises(CheckpointMismatchError) as caught:
        load_dalle_bart(folder, weights="int8")
    first, *named, rest, _ = str(caught.value).splitlines()
    assert first == f"{file}: {len(given)} arrays are wrong."
    assert (len(named), rest) == (10, f"  and {len(given) - 10} more")
    assert all(line.endswith("holds NaN") for line in named)
    assert "  model/decoder/layers/FlaxBartDecoderLayers/FlaxBartAttention_0/k_proj/kernel (layer 1) holds NaN" in named


@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: file.write_bytes(b"\xff" * 20_000_000)])
@pytest.mark.parametrize("dtype", [jnp.float16, jnp.float32])
def test_parameters_do_not_depend_on_the_file(path: Path, spoil: Callable[[Path], object], dtype: Any) -> None:
    given = arrays()
    weights = opened(path, given, dtype)
    params = weights.load(None, ignore)
    # Written in place, the pages of a mapped file would change under the parameters.
    spoil(path)
    for p, leaf in walk(params):
        assert_same_bits(leaf, given[plain_name(p)].astype(leaf.dtype))


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux only")
def test_parameters_are_not_read_into_huge_pages() -> None:
    """Where a host gives a virtual machine its memory page by page, these took five times as long to be read into."""
    memory = _aligned(8 * 2**20)
    memory[:] = 1
    areas = re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text("utf-8"))[1:]
    bounds = [[int(bound, 16) for bound in area.split(" ", 1)[0].split("-")] for area in areas]
    [area] = [area for area, (low, high) in zip(areas, bounds, strict=True) if low <= memory.ctypes.data < high]
    flags = next(line for line in area.splitlines() if line.startswith("VmFlags:")).split()
    assert "hg" not in flags
    assert "sh" not in flags


def test_numbers_too_large_for_the_dtype_of_computation_as_int8(folders: Folders, tmp_path: Path) -> None:
    """int8 and a float32 scale hold them, but their product is infinite in float16."""
    folder = Path(shutil.copytree(folders("mini"), tmp_path / "mini"))
    file = folder / "flax_model.msgpack"
    given = {name: array.astype(np.float32) for name, array in read_arrays(file).items()}
    name = next(name for name in given if name.endswith("/k_proj/kernel"))
    given[name].flat[0] = 1e30
    write_msgpack(file, given)
    with pytest.raises(
        CheckpointMismatchError,
        match=r"(?s)holds 1e\+30, which is too large for float16.*choose another model\.dtype or",
    ):
        load_dalle_bart(folder, dtype=jnp.float16, weights="int8")
    load_dalle_bart(folder, dtype=jnp.bfloat16, weights="int8")


def test_parameters_do_not_share_memory(path: Path) -> None:
    """Loading reads into the same memory again and again."""
    weights = opened(path, arrays(), jnp.float32)
    first, second = (weights.load(None, ignore) for _ in range(2))
    pointers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves((first, second))]
    assert len(set(pointers)) == len(pointers)


def test_memory_is_not_read_into_while_the_device_still_converts_what_is_in_it(path: Path) -> None:
    num_layers, size = 16, (1024, 1024)
    write_msgpack(path, {"stacked": np.broadcast_to(np.arange(num_layers, dtype=np.float32), (*size, num_layers)).T})
    layers = {i: {"kernel": jax.ShapeDtypeStruct(size, np.float32)} for i in range(num_layers)}
    places: Places = {(i, "kernel"): Place(("stacked",), i) for i in range(num_layers)}
    weights = Weights("CLIP", open_array_file(path), layers, places, dtype=jnp.bfloat16)
    for _ in range(3):
        params = weights.load(None, ignore)
        assert [np.unique(np.asarray(params[i]["kernel"])) for i in range(num_layers)] == list(range(num_layers))


def test_a_file_cut_short_between_opening_and_loading(path: Path) -> None:
    weights = opened(path, arrays())
    os.truncate(path, 1000)
    with pytest.raises(CheckpointError, match=r"flax_model\.msgpack has changed since it was opened"):
        weights.load(None, ignore)


def test_on_one_device_or_none(path: Path) -> None:
    weights = opened(path, arrays())
    device = jax.devices()[0]
    everywhere = weights.load(None, ignore)
    assert not any(leaf.committed for leaf in jax.tree.leaves(everywhere))
    there = weights.load(device, ignore)
    assert all(leaf.committed and leaf.devices() == {device} for leaf in jax.tree.leaves(there))


TWO_DEVICES = """
import json, sys
from pathlib import Path
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from bot.checkpoints import staging
from bot.checkpoints.dalle_bart import load_dalle_bart, open_dalle_bart

staging._MIN_DEVICE_NUMBERS = 1  # every kernel is converted on the devices
folder = Path(sys.argv[1])
sharding = NamedSharding(Mesh(jax.devices(), "slots"), PartitionSpec())
for weights in ("same", "int8"):
    _, _, alone = load_dalle_bart(folder, dtype=jnp.bfloat16, weights=weights)
    assert all(leaf.devices() == {jax.devices()[0]} for leaf in jax.tree.leaves(alone))
    _, _, opened = open_dalle_bart(folder, dtype=jnp.bfloat16, weights=weights)
    params = opened.load(sharding, lambda _: None)
    for one, two in zip(jax.tree.leaves(alone), jax.tree.leaves(params), strict=True):
        assert two.sharding.is_equivalent_to(sharding, two.ndim), two.sharding
        assert len(two.addressable_shards) == 2
        for shard in two.addressable_shards:
            assert np.asarray(shard.data).tobytes() == np.asarray(one).tobytes()
    assert opened.num_bytes == sum(leaf.addressable_shards[1].data.nbytes for leaf in jax.tree.leaves(params))
print(json.dumps(len(jax.devices())))
"""


def test_replicated_over_two_devices(folders: Folders) -> None:
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, str(folders("mega_fp16"))],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == 2
