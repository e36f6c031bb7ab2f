"""What goes into a comparison and what comes out, on the host, whichever program computes it."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Texts:
    """ids, mask: int32 [n, text_length], of prompts; uncond_ids, uncond_mask: the same of no prompt, n times."""

    ids: Ints
    mask: Ints
    uncond_ids: Ints
    uncond_mask: Ints


@dataclass(frozen=True)
class Outputs:
    """Teacher forcing with n texts and the pictures [n, image_length] - start token and all codes but the last.

    encoder, uncond_encoder: the encoder's last hidden states [n, text_length, d_model], at padding too.
    cond, uncond: logits of both branches [n, image_length, image_vocab_size + 1]. guided: both at SCALE.
    """

    encoder: Floats
    uncond_encoder: Floats
    cond: Floats
    uncond: Floats
    guided: Floats


SCALE: Final = 10.0
"""The condition_scale of the comparisons: what the released models are used with."""


def as_floats(array: Any) -> Floats:
    """Any framework's array on the host."""
    return np.asarray(array, np.float32)
