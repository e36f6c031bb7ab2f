"""What both originals are compared on: texts, pictures, and how close is close enough."""

import logging
from typing import Final

import numpy as np
import pytest

from tests.parity.outputs import Floats, Ints, Outputs, Texts
from tests.parity.sizes import IMAGE_LENGTH, MINI, NUM_CODES, TEXT_LENGTH, TINY, Size

PROMPTS: Final = ("a red circle on a blue background", "x", "two cats, and many more of them " * 12)
"""Of several tokens, of one, and of more than the model reads."""

SIZES: Final = (
    pytest.param(TINY, id="tiny"),
    pytest.param(MINI, id="mini", marks=[pytest.mark.mini_size, pytest.mark.timeout(1800)]),
)

_log = logging.getLogger(__name__)


def random_texts(size: Size) -> Texts:
    """Three texts of any ids: one full, one padded, one of a single word."""
    rng = np.random.default_rng(1)
    ids = np.ones((3, TEXT_LENGTH), np.int32)
    for row, length in zip(ids, (TEXT_LENGTH, 33, 3), strict=True):
        row[:length] = [0, *rng.integers(5, size.options["encoder_vocab_size"], length - 2), 2]
    uncond_ids = np.ones_like(ids)
    uncond_ids[:, :2] = [0, 2]
    return Texts(ids, (ids != 1).astype(np.int32), uncond_ids, (uncond_ids != 1).astype(np.int32))


def random_pictures() -> Ints:
    """A picture of any codes for each text: int32 [3, image_length]."""
    return np.random.default_rng(2).integers(0, NUM_CODES, (3, IMAGE_LENGTH), np.int32)


def assert_close(ours: Floats, theirs: Floats, limit: float, what: str) -> None:
    """No element may differ by more than `limit`. The largest difference is logged."""
    _log.info(
        "%s: differs by at most %.2g, of a standard deviation of %.2g", what, abs(ours - theirs).max(), theirs.std()
    )
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=limit, err_msg=what)


def assert_outputs_close(ours: Outputs, theirs: Outputs, size: Size) -> None:
    """In float32."""
    assert_close(ours.encoder, theirs.encoder, size.encoder, "encoder, conditional")
    assert_close(ours.uncond_encoder, theirs.uncond_encoder, size.encoder, "encoder, unconditional")
    assert_close(ours.cond, theirs.cond, size.logits, "logits, conditional")
    assert_close(ours.uncond, theirs.uncond, size.logits, "logits, unconditional")
    assert_close(ours.guided, theirs.guided, size.guided, "logits, guided")


def smallest_margin(logits: Floats, codes: Ints) -> float:
    """How far, at least, the logits [n, image_length, vocabulary] along a greedy path prefer each code to any other."""
    largest = np.partition(logits, -2, axis=-1)[..., -2:]
    np.testing.assert_array_equal(np.argmax(logits, axis=-1), codes)
    return float((largest[..., 1] - largest[..., 0]).min())
