"""CLIP checkpoints as transformers writes them: config.json and flax_model.msgpack or model.safetensors in a folder.

Called while a model is loaded, on the engine thread, and by the demo's training program.
"""

from pathlib import Path

import jax.numpy as jnp
from jax.typing import DTypeLike

from bot.checkpoints.arrays import Arrays, read_arrays
from bot.checkpoints.fill import check
from bot.checkpoints.json_file import read_json
from bot.checkpoints.weights import Weights
from bot.errors import CheckpointNotFoundError
from bot.models.clip import Clip
from bot.models.clip_config import ClipConfig
from bot.models.clip_preprocess import ClipPreprocessing
from bot.models.network import Network, Params, walk
from bot.models.network import Path as ParamPath

_FLAX_FILE = "flax_model.msgpack"
_TORCH_FILE = "model.safetensors"

# PyTorch stores [out, in] and [out, in, height, width]; these are the permutations to Flax's kernels, by rank.
_TO_FLAX = {2: (1, 0), 4: (2, 3, 1, 0)}
_TO_TORCH = {2: (1, 0), 4: (3, 2, 0, 1)}


def name_of(path: ParamPath) -> str:
    """('text_model', 'encoder', 'layers', 0, 'mlp', 'fc1', 'bias') -> 'text_model/encoder/layers/0/mlp/fc1/bias'."""
    return "/".join(map(str, path))


def torch_name_of(path: ParamPath) -> str:
    """(…, 'fc1', 'bias') -> '….fc1.bias'; kernels, scales and embeddings are all called 'weight' there."""
    *parents, last = path
    return ".".join(map(str, (*parents, "weight" if last in ("kernel", "scale", "embedding") else last)))


def network(config: ClipConfig, *, dtype: DTypeLike = jnp.float32) -> Network[Clip]:
    """The structure for `config`, computing in `dtype`."""
    return Network(lambda rngs: Clip(config, dtype=dtype, rngs=rngs))


def open_clip(folder: Path, *, dtype: DTypeLike = jnp.float32) -> tuple[Network[Clip], ClipConfig, Weights]:
    """Opens both towers and checks all but the values; flax_model.msgpack goes first where both files are there.

    Raises CheckpointError.
    """
    config_file = folder / "config.json"
    config = ClipConfig.from_json(read_json(config_file), str(config_file))
    net = network(config, dtype=dtype)
    flax_file, torch_file = folder / _FLAX_FILE, folder / _TORCH_FILE
    if flax_file.exists():
        return net, config, Weights(flax_file, net.shapes, read_arrays(flax_file), name_of, dtype=dtype)
    if torch_file.exists():
        arrays = _from_torch(net.shapes, read_arrays(torch_file), torch_file)
        return net, config, Weights(torch_file, net.shapes, arrays, name_of, dtype=dtype)
    raise CheckpointNotFoundError(
        f"{folder}: neither {_FLAX_FILE} nor {_TORCH_FILE} is there. Fetch one; pickled weights (*.bin) are never read."
    )


def load_clip(folder: Path, *, dtype: DTypeLike = jnp.float32) -> tuple[Network[Clip], ClipConfig, Params]:
    """Opens and loads a folder onto the default device. Raises CheckpointError."""
    net, config, weights = open_clip(folder, dtype=dtype)
    return net, config, weights.load(None, lambda _: None)


def load_preprocessing(folder: Path, config: ClipConfig) -> ClipPreprocessing:
    """Reads preprocessor_config.json; without it, CLIP's own values. Raises CheckpointError."""
    file = folder / "preprocessor_config.json"
    if not file.exists():
        return ClipPreprocessing(config.vision.image_size)
    return ClipPreprocessing.from_json(read_json(file), config.vision.image_size, str(file))


def _from_torch(shapes: Params, arrays: Arrays, file: Path) -> Arrays:
    """PyTorch's arrays under Flax's names and layouts. Checks here, so that messages speak of the file's own names and
    shapes. Raises CheckpointMismatchError."""
    # Buffers of older files: 0, 1, 2, …
    arrays = {name: array for name, array in arrays.items() if not name.endswith(".position_ids")}
    wanted = {}
    for path, leaf in walk(shapes):
        axes = _TO_TORCH[leaf.ndim] if path[-1] == "kernel" else range(leaf.ndim)
        wanted[torch_name_of(path)] = tuple(leaf.shape[axis] for axis in axes)
    check(wanted, arrays, file)
    ours = {}
    for path, leaf in walk(shapes):
        array = arrays[torch_name_of(path)]
        ours[name_of(path)] = array.transpose(_TO_FLAX[leaf.ndim]) if path[-1] == "kernel" else array
    return ours
