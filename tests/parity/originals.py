"""What a comparison needs of whichever side computes it, and what happens where an original can't be imported.

These tests install nothing. `.ci/parity` makes an environment with both originals in it and sets REQUIRED there, so
that a test which skips for want of them fails.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pytest

REQUIRED: Final = "DALLE_BOT_REQUIRE_PARITY"

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

T = TypeVar("T")


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


def require(load: Callable[[], T]) -> T:
    """What `load` returns; where it can't import an original, skips the test, or fails it if REQUIRED is set."""
    try:
        return load()
    except ImportError as error:
        sentence = f"an original program can't be imported ({error}); .ci/parity makes an environment where it can"
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{sentence}, and {REQUIRED} is set")
    pytest.skip(sentence)
