"""vqgan-jax checkpoints: config.json and flax_model.msgpack in one folder."""

from pathlib import Path

import jax.numpy as jnp
from jax.typing import DTypeLike

from bot.checkpoints.array_file import open_array_file
from bot.checkpoints.json_file import read_json
from bot.checkpoints.kinds import VQGAN as VQGAN_KIND
from bot.checkpoints.kinds import check_config, find_weights
from bot.checkpoints.places import places_by_name
from bot.checkpoints.weights import Weights
from bot.models.network import Network, Params
from bot.models.network import Path as ParamPath
from bot.models.vqgan import VQGAN, VQGANConfig


def name_of(path: ParamPath) -> str:
    """('decoder', 'up', 1, 'block', 0, 'conv1', 'kernel') -> 'decoder/up_1/block_0/conv1/kernel'."""
    parts: list[str] = []
    for part in path:
        if isinstance(part, int):
            parts[-1] += f"_{part}"
        else:
            parts.append(part)
    return "/".join(parts)


def network(config: VQGANConfig, *, dtype: DTypeLike = jnp.float32) -> Network[VQGAN]:
    """The structure for `config`, computing in `dtype`."""
    return Network(lambda rngs: VQGAN(config, dtype=dtype, rngs=rngs))


def open_vqgan(folder: Path, *, dtype: DTypeLike = jnp.float32) -> tuple[Network[VQGAN], VQGANConfig, Weights]:
    """Opens encoder, codebook and decoder and checks all but the values. Raises CheckpointError."""
    config_file = folder / "config.json"
    options = read_json(config_file)
    check_config(VQGAN_KIND, options, config_file)
    config = VQGANConfig.from_json(options, str(config_file))
    net = network(config, dtype=dtype)
    file = open_array_file(find_weights(folder, ("flax_model.msgpack",)))
    return net, config, Weights(VQGAN_KIND, file, net.shapes, places_by_name(net.shapes, name_of), dtype=dtype)


def load_vqgan(folder: Path, *, dtype: DTypeLike = jnp.float32) -> tuple[Network[VQGAN], VQGANConfig, Params]:
    """Opens and loads a folder onto the default device. Raises CheckpointError."""
    net, config, weights = open_vqgan(folder, dtype=dtype)
    return net, config, weights.load(None, lambda _: None)
