"""First stage: the VQGAN learns to rebuild pictures from codes.

Straight-through gradients, a commitment loss, and a codebook that follows the latents by moving averages
(van den Oord et al., arXiv:1711.00937, appendix A.1). Codes that nothing uses are moved onto latents that the others
fit badly, so that a large codebook is really used.

The encoder sees the surroundings of what it names, so it gives plain ground a hundred names, and DalleBart would have
to learn when which is due. Once pictures are rebuilt well, latents of equal pixels are therefore drawn together, and
codes that say almost the same become one.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
from optax.contrib import MuonDimensionNumbers

from bot.demo.loop import Metrics, Stage
from bot.demo.optimizer import muon
from bot.demo.pictures import Pictures
from bot.models.network import Network, Params
from bot.models.vqgan import VQGAN, VQGANConfig

GRID = 16
NUM_STEPS = 2400
BATCH = 4
PEAK_RATE = 6e-3
ADAM_RATE = 2e-3
COMMITMENT = 0.25
EQUAL_PIXELS = 0.5
EQUAL_FROM, EQUAL_FULLY = 0.55, 0.65
USE_DECAY = 0.99
REVIVE_UNTIL = 0.9
REVIVE_EVERY = 10
DEAD_BELOW = 0.01
TWINS_WITHIN = 2.0
TWINS_AT_ONCE = 0.125
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


def _convolution(_: tuple[Any, ...], leaf: jax.Array) -> MuonDimensionNumbers | None:
    return MuonDimensionNumbers((0, 1, 2), 3) if leaf.ndim == 4 else None


class State(NamedTuple):
    """params: the whole model, its codebook included. uses: [n_embed] moving average of uses per step.
    sums: [n_embed, embed_dim] moving average of the latents that chose each code."""

    step: jax.Array
    params: Params
    optimizer: Any
    uses: jax.Array
    sums: jax.Array


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
        latents = jax.jit(lambda p, x: network.bind(p).latents(x))(params, batch(num_steps)[0]).reshape(
            -1, config.embed_dim
        )
        chosen = jax.random.choice(jax.random.key(seed), latents, (config.n_embed,))
        params["quantize"]["embedding"]["embedding"] = chosen
        uses = jnp.ones(config.n_embed)
        return State(jnp.int32(0), params, optimizer.init(params), uses, jnp.array(chosen))

    def batch(step: int) -> tuple[Any, ...]:
        pixels = pictures.rich_batch(np.random.default_rng((seed, 1, step)), BATCH)
        return pixels.astype(np.float32) / 255.0, _equal_pixels(pixels, config.grid)

    @partial(jax.jit, donate_argnums=0)
    def step(state: State, batch: tuple[jax.Array, jax.Array]) -> tuple[State, Metrics]:
        pixels, equal = batch
        progress = state.step / num_steps
        tidying = jnp.clip((progress - EQUAL_FROM) / (EQUAL_FULLY - EQUAL_FROM), 0.0, 1.0)
        codebook = state.params["quantize"]["embedding"]["embedding"]

        def loss_of(params: Params) -> tuple[jax.Array, tuple[jax.Array, jax.Array, Metrics]]:
            model = network.bind(params)
            z = model.latents(pixels)
            codes = jax.lax.stop_gradient(model.quantize.nearest(z))
            quantised = codebook[codes]
            straight_through = z + jax.lax.stop_gradient(quantised - z)
            error = model.decode(straight_through) - pixels
            squared = jnp.mean(error**2)
            commitment = jnp.mean((z - quantised) ** 2)
            flat = z.reshape(-1, config.embed_dim)
            unequal = _spread_within(flat, equal.reshape(-1))
            loss = squared / PIXEL_VARIANCE + 2 * jnp.mean(jnp.abs(error)) + COMMITMENT * commitment
            loss += EQUAL_PIXELS * tidying * unequal
            metrics = {"loss": loss, "psnr": -10 * jnp.log10(squared), "commitment": commitment, "unequal": unequal}
            return loss, (flat, codes.reshape(-1), metrics)

        (_, (latents, codes, metrics)), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        updates, moments = optimizer.update(gradients, state.optimizer, state.params)
        params: Params = optax.apply_updates(state.params, updates)

        uses = USE_DECAY * state.uses + (1 - USE_DECAY) * jnp.zeros_like(state.uses).at[codes].add(1.0)
        sums = USE_DECAY * state.sums + (1 - USE_DECAY) * jnp.zeros_like(state.sums).at[codes].add(latents)
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        misfit = jnp.sum((latents - codebook[codes]) ** 2, axis=1)
        badly_fitted = latents[jax.random.categorical(key, jnp.log(misfit + 1e-9), shape=(config.n_embed,))]
        may_revive = (state.step % REVIVE_EVERY == 0) & (state.step < REVIVE_UNTIL * num_steps)
        superfluous = jax.lax.cond(
            may_revive & (tidying > 0),
            lambda: _twins(codebook, uses, TWINS_WITHIN * jnp.mean(misfit)) & _some(key, config.n_embed),
            lambda: jnp.zeros(config.n_embed, bool),
        )
        dead = (((uses < DEAD_BELOW) | superfluous) & may_revive)[:, None]
        typical_use = jnp.mean(uses)
        sums = jnp.where(dead, badly_fitted * typical_use, sums)
        uses = jnp.where(dead[:, 0], typical_use, uses)
        params["quantize"]["embedding"]["embedding"] = sums / jnp.maximum(uses, 1e-6)[:, None]
        metrics["codes_in_use"] = jnp.mean(uses > DEAD_BELOW)
        return State(state.step + 1, params, moments, uses, sums), metrics

    return Stage("vqgan", seed, num_steps, init, batch, step)


def _twins(codebook: jax.Array, uses: jax.Array, within: jax.Array) -> jax.Array:
    """Which codes have one that is used more at less than this squared distance: bool [n_embed]."""
    lengths = jnp.sum(codebook**2, axis=1)
    distances = lengths[:, None] + lengths - 2 * codebook @ codebook.T
    return jnp.any((distances < within) & (uses[None, :] > uses[:, None]), axis=1)


def _some(key: jax.Array, n: int) -> jax.Array:
    """A random choice: of a chain of twins not all may go at once."""
    return jax.random.bernoulli(jax.random.fold_in(key, 1), TWINS_AT_ONCE, (n,))


def _equal_pixels(pixels: npt.NDArray[np.uint8], grid: int) -> npt.NDArray[np.int32]:
    """For each code's pixels a number that all equal ones of the batch share: [n, grid, grid], from 0 on."""
    n, size_px = pixels.shape[:2]
    side = size_px // grid
    patches = pixels.reshape(n, grid, side, grid, side, 3).swapaxes(2, 3).reshape(n * grid * grid, -1)
    whole = np.ascontiguousarray(patches).view(f"V{patches.shape[1]}")[:, 0]
    _, numbers = np.unique(whole, return_inverse=True)
    return numbers.astype(np.int32).reshape(n, grid, grid)


def _spread_within(latents: jax.Array, groups: jax.Array) -> jax.Array:
    """The mean squared distance of latents [n, features] to the mean of their group (int32 [n], each below n), as a
    share of their mean square."""
    sums = jnp.zeros_like(latents).at[groups].add(latents)
    sizes = jnp.zeros(latents.shape[0]).at[groups].add(1.0)
    means = sums / jnp.maximum(sizes, 1.0)[:, None]
    return jnp.mean((latents - means[groups]) ** 2) / jax.lax.stop_gradient(jnp.mean(latents**2))
