"""First stage: the VQGAN learns to name what each part of a picture looks like, and to paint from the names.

The codes are there before (codebook.py). The encoder learns to produce the latent that each patch of pixels has, which
a plain regression does; the decoder learns to paint from the codes nearest to these latents. It sees the surroundings
of each code, so edges come out sharper than their codes are.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax.contrib import MuonDimensionNumbers

from bot.demo.codebook import Codebook, learn_codebook
from bot.demo.loop import Metrics, Stage
from bot.demo.optimizer import muon
from bot.demo.pictures import Pictures
from bot.models.network import Network, Params
from bot.models.vqgan import VQGAN, VQGANConfig

GRID = 16
NUM_STEPS = 1200
BATCH = 4
PEAK_RATE = 6e-3
ADAM_RATE = 2e-3
# Pictures that the codebook is made from.
PICTURES = 640
USE_DECAY = 0.99
IN_USE_ABOVE = 0.01
PIXEL_VARIANCE = 0.08


def config(size_px: int, width: int = 1) -> VQGANConfig:
    """A network for pictures of size_px, a power of two of at least 32, with GRID codes along each side.

    width: multiplies its features.
    """
    return VQGANConfig(
        ch=64 * width,
        num_res_blocks=0,
        resolution=size_px,
        z_channels=64 * width,
        ch_mult=(1,) * (size_px // GRID).bit_length(),
        attn_resolutions=(),
        n_embed=2048,
        embed_dim=32,
        resamp_with_conv=True,
    )


class State(NamedTuple):
    """params: the whole model, its codebook included. uses: [n_embed] moving average of uses per step."""

    params: Params
    codebook: Codebook
    optimizer: Any
    uses: jax.Array


def stage(
    network: Network[VQGAN], config: VQGANConfig, pictures: Pictures, *, seed: int, num_steps: int = NUM_STEPS
) -> Stage[State]:
    """The stage for run_stage. network: built from config."""
    optimizer = muon(
        num_steps,
        warmup_steps=num_steps // 40,
        peak_rate=PEAK_RATE,
        adam_rate=ADAM_RATE,
        as_matrix=_convolution,
    )

    def init() -> State:
        params = network.init(seed)
        pixels = pictures.rich_batch(np.random.default_rng((seed, 0)), PICTURES)
        codebook = learn_codebook(pixels, config.grid, config.n_embed, config.embed_dim, seed)
        params["quantize"]["embedding"]["embedding"] = jnp.array(codebook.codes)
        return State(params, codebook, optimizer.init(params), jnp.ones(config.n_embed))

    def batch(step: int) -> Any:
        return pictures.rich_batch(np.random.default_rng((seed, 1, step)), BATCH).astype(np.float32) / 255.0

    @partial(jax.jit, donate_argnums=0)
    def step(state: State, pixels: jax.Array) -> tuple[State, Metrics]:
        wanted = state.codebook.latents(pixels)

        def loss_of(params: Params) -> tuple[jax.Array, tuple[jax.Array, Metrics]]:
            model = network.bind(params)
            latents = model.latents(pixels)
            due = model.quantize.nearest(wanted)
            error = model.decode(jax.lax.stop_gradient(model.quantize.embedding(due))) - pixels
            squared = jnp.mean(error**2)
            misnamed = jnp.mean((latents - wanted) ** 2)
            loss = squared / PIXEL_VARIANCE + 2 * jnp.mean(jnp.abs(error)) + misnamed
            well_named = jnp.mean(model.quantize.nearest(latents) == due)
            metrics = {"loss": loss, "psnr": -10 * jnp.log10(squared), "misnamed": misnamed, "well_named": well_named}
            return loss, (due.ravel(), metrics)

        (_, (due, metrics)), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        updates, moments = optimizer.update(gradients, state.optimizer, state.params)
        params: Params = optax.apply_updates(state.params, updates)
        uses = USE_DECAY * state.uses + (1 - USE_DECAY) * jnp.zeros_like(state.uses).at[due].add(1.0)
        metrics["codes_in_use"] = jnp.mean(uses > IN_USE_ABOVE)
        return State(params, state.codebook, moments, uses), metrics

    return Stage("vqgan", seed, num_steps, init, batch, step)


def _convolution(_: tuple[Any, ...], leaf: jax.Array) -> MuonDimensionNumbers | None:
    return MuonDimensionNumbers((0, 1, 2), 3) if leaf.ndim == 4 else None
