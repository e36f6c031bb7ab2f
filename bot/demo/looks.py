"""What the VQGAN's codes look like, told in parts: two colours, and where which of them is.

A red circle's edge on blue and on green are different codes. Told as colours and a mask they have the mask in common,
so what DalleBart learns of circles from one it knows for the other. Called by head_start.py, on the thread that trains.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

_COLOURS: Final = 24
# How far a colour shines on its neighbours, in pictures of 0..1.
_NEIGHBOURHOOD: Final = 0.12
# Patches whose pixels differ less than this along their main axis are plain.
_PLAIN_BELOW: Final = 0.1
# Pixels this near to one end of the way between two colours are taken to be of that colour.
_END: Final = 0.25
_ROUNDS: Final = 5

Vectors = npt.NDArray[np.float32]


def mean_patches(patches: npt.NDArray[np.uint8], codes: npt.NDArray[np.int32], n_embed: int) -> Vectors:
    """What each code names on average: patches uint8 [n, pixels * 3] named by codes int32 [n] -> float32 [n_embed,
    pixels, 3] in 0..1. Codes that name nothing are mid-gray."""
    sums = np.zeros((n_embed, patches.shape[1]), np.float32)
    np.add.at(sums, codes, patches.astype(np.float32) / 255.0)
    counts = np.bincount(codes, minlength=n_embed)[:, None]
    return np.where(counts > 0, sums / np.maximum(counts, 1), 0.5).astype(np.float32).reshape(n_embed, -1, 3)


def parts(looks: Vectors) -> list[Vectors]:
    """looks: float32 [n, pixels, 3] in 0..1 -> groups of features, each float32 [n, features]: how near the darker of
    two colours is to some colours, the same of the brighter one, how much of the brighter one each pixel has (centred,
    and 0 everywhere where a patch is plain), and whether it is plain."""
    dark, bright, mask, plain = _two_colours(looks)
    centres = _unlike_each_other(np.concatenate([dark, bright]))
    centred = np.where(plain[:, None], 0, mask - 0.5)
    return [_nearness(dark, centres), _nearness(bright, centres), centred, plain[:, None].astype(np.float32)]


def _two_colours(looks: Vectors) -> tuple[Vectors, Vectors, Vectors, npt.NDArray[np.bool_]]:
    """From pixels at both ends of each patch's main axis, a few times over: the darker colour [n, 3], the brighter
    one, how far each pixel is from one to the other [n, pixels] in 0..1, and which patches are plain [n]."""
    mean = looks.mean(axis=1, keepdims=True)
    centred = looks - mean
    _, directions = np.linalg.eigh(np.einsum("npc,npd->ncd", centred, centred))
    axis = directions[:, :, -1]
    axis *= np.where(axis.sum(axis=1, keepdims=True) < 0, -1, 1)
    along = np.einsum("npc,nc->np", centred, axis)
    low, high = along.min(axis=1, keepdims=True), along.max(axis=1, keepdims=True)
    mask = (along - low) / np.maximum(high - low, 1e-6)
    for _ in range(_ROUNDS):
        bright, dark = _mean_of(looks, mask > 1 - _END), _mean_of(looks, mask < _END)
        span = bright - dark
        mask = np.einsum("npc,nc->np", looks - dark[:, None], span) / np.maximum(np.sum(span**2, axis=1), 1e-6)[:, None]
    plain = (high - low)[:, 0] < _PLAIN_BELOW
    dark, bright = (np.where(plain[:, None], mean[:, 0], colour) for colour in (dark, bright))
    return dark, bright, mask.clip(0, 1), plain


def _mean_of(looks: Vectors, chosen: npt.NDArray[np.bool_]) -> Vectors:
    """The mean of the chosen pixels of each patch: float32 [n, 3]. At least one is chosen, since some pixel is as far
    out as the mean of those at its end."""
    mean: Vectors = (looks * chosen[..., None]).sum(axis=1) / np.maximum(chosen.sum(axis=1), 1)[:, None]
    return mean


def _unlike_each_other(colours: Vectors) -> Vectors:
    """Of colours [n, 3] some [_COLOURS, 3], each the farthest from those before it (Gonzalez, 1985)."""
    chosen = colours[:1]
    away = np.full(len(colours), np.inf)
    for _ in range(_COLOURS - 1):
        away = np.minimum(away, np.sum((colours - chosen[-1]) ** 2, axis=1))
        chosen = np.concatenate([chosen, colours[np.argmax(away)][None]])
    return chosen


def _nearness(colours: Vectors, centres: Vectors) -> Vectors:
    """[n, 3] and [k, 3] -> shares that sum to 1, float32 [n, k]."""
    squared = np.sum((colours[:, None] - centres) ** 2, axis=2) / (2 * _NEIGHBOURHOOD**2)
    weights = np.exp(squared.min(axis=1, keepdims=True) - squared)
    shares: Vectors = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
