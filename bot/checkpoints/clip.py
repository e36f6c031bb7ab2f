"""CLIP checkpoints as transformers writes them: config.json and flax_model.msgpack or model.safetensors in a folder.

Called while a model is loaded, on the engine thread, and by the demo's training program.
"""

from pathlib import Path

import jax.numpy as jnp
from jax.typing import DTypeLike

from bot.checkpoints.array_file import open_array_file
from bot.checkpoints.json_file import read_json
from bot.checkpoints.kinds import CLIP, check_config, find_weights
from bot.checkpoints.places import Place, places_by_name
from bot.checkpoints.weights import Weights
from bot.models.clip import Clip
from bot.models.clip_config import ClipConfig
from bot.models.clip_preprocess import ClipPreprocessing
from bot.models.network import Network, Params, walk
from bot.models.network import Path as ParamPath

# PyTorch stores [out, in] and [out, in, height, width]; these are the permutations to Flax's kernels, by rank.
_TO_FLAX = {2: (1, 0), 4: (2, 3, 1, 0)}


def name_of(path: ParamPath) -> str:
    """('text_model', 'encoder', 'layers', 0, 'mlp', 'fc1', 'bias') -> 'text_model/encoder/layers/0/mlp/fc1/bias'."""
    return "/".join(map(str, path))


def torch_name_of(path: ParamPath) -> str:
    """(…, 'fc1', 'bias') -> '….fc1.bias'; kernels, scales and embeddings are all called 'weight' there."""
    *parents, last = path
    return ".".join(map(str, (*parents, "weight" if last in ("kernel", "scale", "embedding") else last)))


def torch_places(shapes: Params) -> dict[ParamPath, Place]:
    """Where a PyTorch file has the parameters."""
    return {
        path: Place((torch_name_of(path),), axes=_TO_FLAX[leaf.ndim] if path[-1] == "kernel" else None)
        for path, leaf in walk(shapes)
    }


def network(config: ClipConfig, *, dtype: DTypeLike = jnp.float32) -> Network[Clip]:
    """The structure for `config`, computing in `dtype`."""
    return Network(lambda rngs: Clip(config, dtype=dtype, rngs=rngs))


def open_clip(folder: Path, *, dtype: DTypeLike = jnp.float32) -> tuple[Network[Clip], ClipConfig, Weights]:
    """Opens both towers and checks all but the values; flax_model.msgpack goes first where both files are there.

    Raises CheckpointError.
    """
    config_file = folder / "config.json"
    options = read_json(config_file)
    check_config(CLIP, options, config_file)
    config = ClipConfig.from_json(options, str(config_file))
    net = network(config, dtype=dtype)
    file = open_array_file(find_weights(folder, ("flax_model.msgpack", "model.safetensors")))
    if file.path.suffix == ".safetensors":
        # Buffers of older files: 0, 1, 2, …
        file = file.without(lambda name: name.endswith(".position_ids"))
        return net, config, Weights(CLIP, file, net.shapes, torch_places(net.shapes), dtype=dtype)
    return net, config, Weights(CLIP, file, net.shapes, places_by_name(net.shapes, name_of), dtype=dtype)


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
