"""What DalleBart need not learn: what codes look like (looks.py), and which places lie near each other.

Its embeddings and its head have a row for each code or place. Left alone, each row learns by itself. Here a row is the
sum of what it learns by itself and of a product: what is known of the code or place, times a matrix that all rows learn
together. Written out as one row in the end, so the model is the original's.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from bot.demo.codebook import Codebook, patches
from bot.demo.looks import mean_patches, parts
from bot.demo.pictures import Pictures
from bot.models.network import Params

# DalleBart multiplies the embeddings of codes by a dozen or so (scale_embedding) and those of places not.
_CODES_STD = 0.02
_PLACES_STD = 0.2
_PARTS, _PICTURES = 20, 24


class Known(NamedTuple):
    """codes: float32 [image_vocab_size + 1, features], zeros for the start token. places: float32 [image_length,
    features]. Rows have a length of about 1."""

    codes: jax.Array
    places: jax.Array


def known(codebook: Codebook, pictures: Pictures, grid: int, seed: int) -> Known:
    """pictures: what codes are looked for in, to see what they look like. grid: codes along a side of a picture."""
    every_patch, every_code = [], []
    for part in range(_PARTS):
        pixels = pictures.rich_batch(np.random.default_rng((seed, 6, part)), _PICTURES)
        every_patch.append(patches(pixels, grid))
        every_code.append(codebook.name(pixels))
    named = np.concatenate(every_patch)
    looks = mean_patches(named.reshape(-1, named.shape[2]), np.concatenate(every_code).ravel(), len(codebook.codes))
    return Known(_codes(parts(looks)), jnp.asarray(_places(grid)))


def shared(known: Known, d_model: int, seed: int) -> Params:
    """Fresh matrices that all rows share: from what is known to float32 [d_model]."""
    keys = jax.random.split(jax.random.key(seed), 3)
    of_codes, of_places = (known.codes.shape[1], d_model), (known.places.shape[1], d_model)
    return {
        "codes_in": _CODES_STD * jax.random.normal(keys[0], of_codes),
        "codes_out": _CODES_STD * jax.random.normal(keys[1], of_codes),
        "places": _PLACES_STD * jax.random.normal(keys[2], of_places),
    }


def written_out(model: Params, shared: Params, known: Known) -> Params:
    """DalleBart's parameters: those of `model`, with the products added to its embeddings and its head."""
    embeddings, head = model["decoder"]["embeddings"], model["lm_head"]
    codes, places = embeddings["embed_tokens"]["embedding"], embeddings["embed_positions"]["embedding"]
    seen = {
        "embed_tokens": {"embedding": codes + known.codes @ shared["codes_in"]},
        "embed_positions": {"embedding": places + known.places @ shared["places"]},
    }
    kernel = head["kernel"] + known.codes @ shared["codes_out"]
    return {
        **model,
        "decoder": {**model["decoder"], "embeddings": {**embeddings, **seen}},
        "lm_head": {**head, "kernel": kernel},
    }


def _codes(groups: Sequence[npt.NDArray[np.float32]]) -> jax.Array:
    """Groups of features of equal weight. With the squared length of each a linear head can prefer what is nearest to
    a point."""
    rows = np.concatenate([_standardised(group) for group in groups], axis=1) / len(groups) ** 0.5
    return jnp.asarray(np.concatenate([rows, np.zeros((1, rows.shape[1]), np.float32)]))


def _standardised(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """With the squared length, each with mean 0 and the same variance, so that rows have a length of about 1."""
    features = np.concatenate([features, np.sum(features**2, axis=1, keepdims=True)], axis=1)
    scale = (features.std(axis=0) + 1e-6) * features.shape[1] ** 0.5
    standardised: npt.NDArray[np.float32] = ((features - features.mean(axis=0)) / scale).astype(np.float32)
    return standardised


def _places(grid: int) -> npt.NDArray[np.float32]:
    """Sines and cosines of row and column. The slowest, which weigh most, change by half a period over the grid, and
    the fastest from one place to the next."""
    harmonics = np.arange(1, grid + 1)
    angles = np.outer(np.arange(grid), harmonics) * np.pi / grid
    waves = np.stack([np.sin(angles), np.cos(angles)]) / harmonics**0.5
    axis = np.concatenate(list(waves), axis=1) / (2 * np.sum(1 / harmonics)) ** 0.5
    rows, columns = np.repeat(axis, grid, axis=0), np.tile(axis, (grid, 1))
    return np.concatenate([rows, columns], axis=1).astype(np.float32)
