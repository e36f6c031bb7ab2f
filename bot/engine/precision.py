"""Which dtype DalleBart computes in, by what the device can do. Called on the engine thread while an engine opens."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

DTYPES: Final[Mapping[str, DTypeLike]] = {
    "float32": jnp.float32,
    "bfloat16": jnp.bfloat16,
    "float16": jnp.float16,
}

_FIRST_WITH_BFLOAT16: Final = (8, 0)
"""NVIDIA's compute capability of Ampere (CUDA C++ Programming Guide, features by compute capability)."""


def choose_dtype(setting: str, device: jax.Device) -> DTypeLike:
    """The dtype of `model.dtype`, a name in DTYPES or "auto".

    auto is float32 on CPUs, where XLA computes in it whatever is asked for; on NVIDIA's cards bfloat16, or float16 for
    those that lack it (a T4 is 7.5); on any other device bfloat16.
    """
    if setting != "auto":
        return DTYPES[setting]
    if device.platform == "cpu":
        return DTYPES["float32"]
    return DTYPES["float16" if _compute_capability(device) < _FIRST_WITH_BFLOAT16 else "bfloat16"]


class KeptDtypes(NamedTuple):
    """Which dtypes keys and values are kept in: image, those of image tokens; text, those of prompts."""

    image: DTypeLike
    text: DTypeLike


def kept_dtypes(dtype: DTypeLike, platform: str) -> KeptDtypes:
    """What a model keeps that multiplies in `dtype`: keys and values of that dtype, but on CPUs.

    There float16 takes bfloat16's place: processors read it as it is, while XLA first makes a float32 copy of bfloat16.
    Keys and values come out of products of normalised numbers; one beyond 65504 fails its picture as not finite. And
    texts are float32: as they don't change, XLA would keep a float32 copy beside them.
    """
    if platform != "cpu":
        return KeptDtypes(dtype, dtype)
    return KeptDtypes(DTYPES["float16"] if jnp.dtype(dtype) == jnp.bfloat16 else dtype, DTYPES["float32"])


def _compute_capability(device: jax.Device) -> tuple[int, int]:
    """(7, 5) for "7.5"; what isn't written so is not NVIDIA's and counts as new."""
    written = re.fullmatch(r"(\d+)\.(\d+)", str(getattr(device, "compute_capability", "")))
    return (int(written[1]), int(written[2])) if written else _FIRST_WITH_BFLOAT16
