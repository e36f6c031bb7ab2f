"""dalle-mini checkpoints: config.json and flax_model.msgpack, in either of the original's two layouts.

Stacked: one array `…/layers/FlaxBartDecoderLayers/… [layers, …]` for all layers, as the released models have.
Unscanned: `…/layers/FlaxBartDecoderLayer_{i}/…`. Which one a file has is seen from its names.
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
from jax.typing import DTypeLike

from bot.checkpoints.arrays import Arrays, read_arrays
from bot.checkpoints.fill import check
from bot.checkpoints.json_file import read_json
from bot.checkpoints.weights import Weights
from bot.models.dalle_bart import DalleBart
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.int8 import WeightsKind
from bot.models.network import Network, Params, walk
from bot.models.network import Path as ParamPath

_ATTENTION: Mapping[str, str] = {
    "self_norm": "LayerNorm_0",
    "self_attention": "FlaxBartAttention_0",
    "self_norm_out": "LayerNorm_1",
    "cross_norm": "LayerNorm_2",
    "cross_attention": "FlaxBartAttention_1",
    "cross_norm_out": "LayerNorm_3",
    "glu": "GLU_0",
}
_GLU: Mapping[str, str] = {
    "norm_in": "LayerNorm_0",
    "gate": "Dense_0",
    "up": "Dense_1",
    "norm_mid": "LayerNorm_1",
    "down": "Dense_2",
}
_LAYER = re.compile(r"/layers/(FlaxBart(?:En|De)coderLayer)_(\d+)/")
_STACKED = re.compile(r"/layers/FlaxBart(?:En|De)coderLayers/")


def name_of(path: ParamPath) -> str:
    """The unscanned name: ('encoder', 'layers', 3, 'glu', 'up', 'kernel') is
    'model/encoder/layers/FlaxBartEncoderLayer_3/GLU_0/Dense_1/kernel'."""
    if path[0] == "lm_head":
        return "lm_head/kernel"
    side, group, *rest = (str(part) for part in path)
    if group == "layers":
        index, block, *inner = rest
        if block == "glu":
            inner[0] = _GLU[inner[0]]
        return "/".join(["model", side, "layers", f"FlaxBart{side.title()}Layer_{index}", _ATTENTION[block], *inner])
    if group == "embeddings":
        return "/".join(["model", side, *rest])
    return "/".join(["model", side, group, *rest])


def is_stacked(arrays: Arrays) -> bool:
    """Whether a file has one array for all layers of an encoder or decoder."""
    return any(_STACKED.search(name) for name in arrays)


def stacked_shapes(shapes: Params) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a stacked file for a network with parameters like `shapes`."""
    unscanned = {name_of(path): tuple(leaf.shape) for path, leaf in walk(shapes)}
    num_layers = Counter(_stacked_name(name) for name in unscanned)
    return {
        _stacked_name(name): (num_layers[_stacked_name(name)], *shape) if _LAYER.search(name) else shape
        for name, shape in unscanned.items()
    }


def unstack(shapes: Params, arrays: Arrays, file: Path) -> Arrays:
    """The unscanned layout of a stacked file; layers become views of its arrays.

    Checks here, so that messages speak of the file's own names and shapes. Raises CheckpointMismatchError.
    """
    check(stacked_shapes(shapes), arrays, file)
    flat: Arrays = {}
    for name in (name_of(path) for path, _ in walk(shapes)):
        layer = _LAYER.search(name)
        array = arrays[_stacked_name(name)]
        flat[name] = array[int(layer[2])] if layer else array
    return flat


def _stacked_name(name: str) -> str:
    """Where the stacked layout keeps the array with this unscanned name."""
    return _LAYER.sub(r"/layers/\1s/", name)


def network(
    config: DalleBartConfig, *, dtype: DTypeLike = jnp.float32, weights: WeightsKind = "same"
) -> Network[DalleBart]:
    """The structure for `config`, computing in `dtype`."""
    return Network(lambda rngs: DalleBart(config, dtype=dtype, weights=weights, rngs=rngs))


def open_dalle_bart(
    folder: Path, *, dtype: DTypeLike = jnp.float32, weights: WeightsKind = "same"
) -> tuple[Network[DalleBart], DalleBartConfig, Weights]:
    """Opens a folder and checks all but the values. Raises CheckpointError."""
    config_file, file = folder / "config.json", folder / "flax_model.msgpack"
    config = DalleBartConfig.from_json(read_json(config_file), str(config_file))
    net = network(config, dtype=dtype, weights=weights)
    arrays = read_arrays(file)
    if is_stacked(arrays):
        arrays = unstack(net.shapes, arrays, file)
    return net, config, Weights(file, net.shapes, arrays, name_of, dtype=dtype)


def load_dalle_bart(
    folder: Path, *, dtype: DTypeLike = jnp.float32, weights: WeightsKind = "same"
) -> tuple[Network[DalleBart], DalleBartConfig, Params]:
    """Opens and loads a folder onto the default device. Raises CheckpointError."""
    net, config, opened = open_dalle_bart(folder, dtype=dtype, weights=weights)
    return net, config, opened.load(None, lambda _: None)
