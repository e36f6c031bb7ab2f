"""Which models are compared, and how closely: one with every length of Mini but narrow, and Mini itself.

Both have Mini's 256 codes a picture out of 16384, because min-dalle has these numbers in its source.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

NUM_CODES: Final = 16384
IMAGE_LENGTH: Final = 256
TEXT_LENGTH: Final = 64


@dataclass(frozen=True)
class Size:
    """options: of the original's DalleBartConfig. seed: of the weights.

    encoder, logits, guided: how far float32 may differ from the original at any place, for the encoder's hidden states,
    either branch's logits, and those at condition_scale 10. bfloat16: the same for either branch's logits in bfloat16,
    where the original is about half as far from its own float32. The logits' standard deviation is 1.
    """

    name: str
    options: Mapping[str, Any]
    seed: int
    encoder: float
    logits: float
    guided: float
    bfloat16: float


TINY: Final = Size(
    name="tiny",
    options={
        "encoder_vocab_size": 500,
        "d_model": 64,
        "encoder_layers": 3,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 96,
        "decoder_layers": 2,
        "decoder_attention_heads": 8,
        "decoder_ffn_dim": 160,
    },
    seed=5,
    encoder=1e-5,
    logits=2e-5,
    guided=2e-4,
    bfloat16=0.15,
)
MINI: Final = Size(
    name="mini",
    options={
        "encoder_vocab_size": 50264,
        "d_model": 1024,
        "encoder_layers": 12,
        "encoder_attention_heads": 16,
        "encoder_ffn_dim": 2730,
        "decoder_layers": 12,
        "decoder_attention_heads": 16,
        "decoder_ffn_dim": 2730,
    },
    seed=1,
    encoder=2e-5,
    logits=4e-5,
    guided=4e-4,
    bfloat16=0.25,
)


def random_weight(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Values for the array `name` of a dalle-mini file, such that every layer has a say in the result.

    The logit of the start token, which is no image code, is always 0: it is never the largest, so that ours, which
    never draws it, draws what the originals draw.
    """
    values = rng.standard_normal(shape, dtype=np.float32)
    match name.rpartition("/")[2]:
        case "kernel":
            values /= np.sqrt(np.float32(shape[-2]))
        case "scale":
            values *= 0.1
            values += 1
        case "bias":
            values *= 0.1
        case _:
            values *= 0.5
    if name == "lm_head/kernel":
        values[:, NUM_CODES:] = 0
    return values
