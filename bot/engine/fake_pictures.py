"""What a FakeEngine draws, to be computed by hand. Pure; used by the FakeEngine and by tests."""

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bot.requests import MAX_IMAGES, GeneratedImage

NUM_CODES: Final = 256
Pixels: TypeAlias = npt.NDArray[np.uint8]


def expected_image(
    prompt: str,
    seed: int,
    index: int,
    *,
    image_length: int,
    image_size_px: int,
    image_tokens: Sequence[int] = (),
) -> GeneratedImage:
    """What FakeEngine gives. With b the sum of the prompt's UTF-8 bytes:

    token at position p: `(b + 31 * seed + 7 * index + p) % 256`, unless `image_tokens` has one there;
    pixels: all of the colour (last token, seed % 256, index); score: `(b + 3 * seed + 5 * index) % 11`;
    clip_vector: float32 [MAX_IMAGES], 1 at index.
    """
    tokens = drawn_tokens(prompt, seed, index, image_length)
    tokens[: len(image_tokens)] = image_tokens
    pixels = np.empty((image_size_px, image_size_px, 3), np.uint8)
    pixels[:] = (tokens[-1], seed % 256, index)
    score = float((_sum_of_bytes(prompt) + 3 * seed + 5 * index) % 11)
    return GeneratedImage(index, pixels, tokens, score, np.eye(MAX_IMAGES, dtype=np.float32)[index])


def _sum_of_bytes(prompt: str) -> int:
    return sum(prompt.encode())


def drawn_tokens(prompt: str, seed: int, index: int, image_length: int) -> npt.NDArray[np.int32]:
    """Every token of an image that brings none: int32 [image_length]."""
    start = (_sum_of_bytes(prompt) + 31 * seed + 7 * index) % NUM_CODES
    return (start + np.arange(image_length, dtype=np.int32)) % np.int32(NUM_CODES)


def expected_preview(seed: int, index: int, done_rows: int, *, num_rows: int, image_size_px: int) -> Pixels:
    """What FakeEngine shows of an unfinished image: uint8 [image_size_px, image_size_px, 3].

    The colour (done_rows, seed % 256, index) in the finished rows, and below them neutral grey.
    """
    pixels = np.full((image_size_px, image_size_px, 3), 128, np.uint8)
    pixels[: image_size_px * done_rows // num_rows] = (done_rows, seed % 256, index)
    return pixels


def expected_text_vector(text: str) -> npt.NDArray[np.float32]:
    """float32 [MAX_IMAGES], of unit length. The text is nearest to the image of index `len(text) % MAX_IMAGES`, and the
    farther away another index is, the farther is its image."""
    distances = np.abs(np.arange(MAX_IMAGES) - len(text) % MAX_IMAGES)
    vector = np.exp2(-distances).astype(np.float32)
    return vector / np.linalg.norm(vector)


def expected_label_vector(label: str) -> npt.NDArray[np.float32]:
    """float32 [MAX_IMAGES]: at each index `(sum of the label's UTF-8 bytes + index) % 11`, the score of that image."""
    return ((_sum_of_bytes(label) + np.arange(MAX_IMAGES)) % 11).astype(np.float32)
