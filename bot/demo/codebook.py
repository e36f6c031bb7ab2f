"""The codebook of the demo's VQGAN, made before its training: what a code's share of a picture may look like.

A code that the encoder is free to choose depends on its surroundings: plain ground gets a hundred names, and DalleBart
would have to learn when which is due. So codes are given by pixels alone. Patches of pixels are projected onto their
principal components, which are the latents that the encoder learns to produce, and the codes are the centres of a
k-means over them (Lloyd 1982), where centres of nothing are moved onto patches that the others fit badly.

Called by the training's first two stages, on the thread that trains.
"""

import math
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

_ROUNDS = 25
_AT_ONCE = 8192

Vectors = npt.NDArray[np.float32]
Array = TypeVar("Array", jax.Array, npt.NDArray[np.uint8])


class Codebook(NamedTuple):
    """codes: float32 [n_embed, embed_dim]. mean: float32 [pixels], components: float32 [pixels, embed_dim]; pixels: of
    a patch, times 3."""

    codes: jax.Array
    mean: jax.Array
    components: jax.Array

    def latents(self, pixels: jax.Array) -> jax.Array:
        """What the encoder is to learn of pictures [n, size_px, size_px, 3] in 0..1: [n, grid, grid, embed_dim]."""
        side = math.isqrt(len(self.mean) // 3)
        grid = pixels.shape[1] // side
        latents = (patches(pixels, grid) - self.mean) @ self.components
        return latents.reshape(-1, grid, grid, latents.shape[-1])

    def name(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
        """The nearest codes of pictures uint8 [n, size_px, size_px, 3]: int32 [n, grid * grid], row by row.

        Most patches are plain ground: what occurs twice is named once.
        """
        side = math.isqrt(len(self.mean) // 3)
        every = patches(pixels, pixels.shape[1] // side)
        first, _, places = _different(every)
        different = every.reshape(-1, every.shape[2])[first].astype(np.float32) / 255.0
        latents = (different - np.asarray(self.mean)) @ np.asarray(self.components)
        names = _index_of_nearest(latents, np.asarray(self.codes)).astype(np.int32)
        return names[places].reshape(every.shape[:2])


def patches(pixels: Array, grid: int) -> Array:
    """Pictures [n, size_px, size_px, 3] -> what each code is to name, [n, grid * grid, pixels], row by row."""
    n, size_px = pixels.shape[:2]
    side = size_px // grid
    return pixels.reshape(n, grid, side, grid, side, 3).swapaxes(2, 3).reshape(n, grid * grid, -1)


def learn_codebook(pixels: npt.NDArray[np.uint8], grid: int, n_embed: int, embed_dim: int, seed: int) -> Codebook:
    """pixels: pictures uint8 [n, size_px, size_px, 3].

    A patch counts as the square root of how often it occurs: plain ground does not get all codes. Latents have a mean
    square of 1. Fewer different patches than codes, or than embed_dim, leave codes that nothing uses.
    """
    every = patches(pixels, grid)
    first, counts, _ = _different(every)
    different = every.reshape(-1, every.shape[2])[first].astype(np.float32) / 255.0
    mean = different.mean(axis=0)
    _, directions = np.linalg.eigh((different - mean).T @ (different - mean))
    components = directions[:, ::-1][:, :embed_dim]
    components = np.pad(components, ((0, 0), (0, embed_dim - components.shape[1])))
    components /= np.sqrt(np.mean(((different - mean) @ components) ** 2)) + 1e-6
    latents = (different - mean) @ components
    codes = _centres(latents, counts.astype(np.float32) ** 0.5, n_embed, np.random.default_rng((seed, 5)))
    return Codebook(jnp.asarray(codes), jnp.asarray(mean), jnp.asarray(components))


def _centres(latents: Vectors, weights: Vectors, n: int, rng: np.random.Generator) -> Vectors:
    """k-means: float32 [n, features]."""
    centres = latents[rng.choice(len(latents), n, replace=len(latents) < n)]
    for _ in range(_ROUNDS):
        nearest, misfit = _nearest(latents, centres)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, latents * weights[:, None])
        used = np.bincount(nearest, weights, minlength=n).astype(np.float32)[:, None]
        centres = np.where(used > 0, sums / np.maximum(used, 1e-9), centres)
        unused = np.flatnonzero(used == 0)
        misfit *= weights
        if misfit.sum() > 0:
            centres[unused] = latents[rng.choice(len(latents), len(unused), p=misfit / misfit.sum())]
    return centres


def _different(every: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], ...]:
    """Of patches [n, places, pixels] those that differ: where each occurs first, and how often, and which of them each
    patch is [n * places]."""
    rows = np.ascontiguousarray(every.reshape(-1, every.shape[2]))
    _, first, places, counts = np.unique(
        rows.view(f"V{rows.shape[1]}")[:, 0], return_index=True, return_inverse=True, return_counts=True
    )
    return first, counts, places


def _nearest(latents: Vectors, centres: Vectors) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Each latent's centre, and its squared distance to it."""
    nearest = np.concatenate(
        [_index_of_nearest(latents[i : i + _AT_ONCE], centres) for i in range(0, len(latents), _AT_ONCE)]
    )
    return nearest, np.sum((latents - centres[nearest]).astype(np.float64) ** 2, axis=1)


def _index_of_nearest(latents: Vectors, centres: Vectors) -> npt.NDArray[np.int64]:
    index: npt.NDArray[np.int64] = np.argmin(np.sum(centres**2, axis=1) - 2 * latents @ centres.T, axis=1)
    return index
