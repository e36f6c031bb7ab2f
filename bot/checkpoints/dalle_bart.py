"""dalle-mini checkpoints: config.json and flax_model.msgpack, in either of the original's two layouts.

Stacked: one array `…/layers/FlaxBartDecoderLayers/… [layers, …]` for all layers, as the released models have.
Unscanned: `…/layers/FlaxBartDecoderLayer_{i}/…`. Which one a file has is seen from its names.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
from jax.typing import DTypeLike

from bot.checkpoints.array_file import open_array_file
from bot.checkpoints.json_file import read_json
from bot.checkpoints.kinds import DALLE_BART, check_config, find_weights
from bot.checkpoints.places import Place, stored_parameters
from bot.checkpoints.weights import Weights
from bot.models.dalle_bart import DalleBart
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.int8 import WeightsKind
from bot.models.network import Network, Params
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
_FUSED: Mapping[str, tuple[str, ...]] = {
    "qkv_proj": ("q_proj", "k_proj", "v_proj"),
    "kv_proj": ("k_proj", "v_proj"),
    "gate_up": ("gate", "up"),
}
"""Ours keeps matrices that read the same input as one."""

_LAYER = re.compile(r"/layers/(FlaxBart(?:En|De)coderLayer)_(\d+)/")
_STACKED = re.compile(r"/layers/FlaxBart(?:En|De)coderLayers/")


def name_of(path: ParamPath) -> str:
    """The unscanned name of one array: ('encoder', 'layers', 3, 'glu', 'up', 'kernel') is
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


def names_of(path: ParamPath) -> tuple[str, ...]:
    """The unscanned names of a parameter's arrays: one, or those of the matrices that it is made of."""
    *parents, last = path
    fused = _FUSED.get(str(parents[-1])) if parents else None
    return tuple(name_of((*parents[:-1], part, last)) for part in fused) if fused else (name_of(path),)


def places(shapes: Params, *, stacked: bool) -> dict[ParamPath, Place]:
    """Where a file in either layout has the parameters. Its matrices are [in, out], ours [out, in]."""
    unscanned = {
        path: Place(names_of(path), axes=(1, 0) if path[-1] == "kernel" else None)
        for path, _ in stored_parameters(shapes)
    }
    return {path: _stacked(place) for path, place in unscanned.items()} if stacked else unscanned


def _stacked(place: Place) -> Place:
    layer = _LAYER.search(place.names[0])
    if layer is None:
        return place
    return Place(tuple(_LAYER.sub(r"/layers/\1s/", name) for name in place.names), int(layer[2]), place.axes)


def network(
    config: DalleBartConfig, *, dtype: DTypeLike = jnp.float32, weights: WeightsKind = "same"
) -> Network[DalleBart]:
    """The structure for `config`, computing in `dtype`."""
    return Network(lambda rngs: DalleBart(config, dtype=dtype, weights=weights, rngs=rngs))


def open_dalle_bart(
    folder: Path, *, dtype: DTypeLike = jnp.float32, weights: WeightsKind = "same"
) -> tuple[Network[DalleBart], DalleBartConfig, Weights]:
    """Opens a folder and checks all but the values. Raises CheckpointError."""
    config_file = folder / "config.json"
    options = read_json(config_file)
    check_config(DALLE_BART, options, config_file)
    config = DalleBartConfig.from_json(options, str(config_file))
    net = network(config, dtype=dtype, weights=weights)
    file = open_array_file(find_weights(folder, ("flax_model.msgpack",)))
    stacked = any(_STACKED.search(name) for name in file.arrays)
    return net, config, Weights(DALLE_BART, file, net.shapes, places(net.shapes, stacked=stacked), dtype=dtype)


def load_dalle_bart(
    folder: Path, *, dtype: DTypeLike = jnp.float32, weights: WeightsKind = "same"
) -> tuple[Network[DalleBart], DalleBartConfig, Params]:
    """Opens and loads a folder onto the default device. Raises CheckpointError."""
    net, config, opened = open_dalle_bart(folder, dtype=dtype, weights=weights)
    return net, config, opened.load(None, lambda _: None)
