"""Hashes of drawn pictures: what is like a rejected one, what isn't, and what has no hash at all."""

import io
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bot.demo.draw import draw
from bot.demo.grammar import COLOURS, SHAPES, parse
from bot.moderation.likeness import SHAPE_BYTES, BlockedHashes, PictureHash, hash_picture

Pixels = npt.NDArray[np.uint8]


def picture(caption: str = "a black star on a red background", seed: int = 3) -> Pixels:
    return draw(parse(caption), np.random.default_rng(seed))


def hashed(pixels: Pixels) -> PictureHash:
    made = hash_picture(pixels)
    assert made is not None
    return made


def noisy(pixels: Pixels, strength: float) -> Pixels:
    noise = np.random.default_rng(0).normal(0, strength, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def as_webp(pixels: Pixels, quality: int) -> Pixels:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "WEBP", quality=quality)
    return np.asarray(Image.open(data).convert("RGB"))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda pixels: noisy(pixels, 1), id="a little noise"),
        pytest.param(lambda pixels: noisy(pixels, 4), id="noise"),
        pytest.param(lambda pixels: as_webp(pixels, 80), id="good WebP"),
        pytest.param(lambda pixels: as_webp(pixels, 30), id="bad WebP"),
        pytest.param(lambda pixels: (pixels * 0.95).astype(np.uint8), id="darker"),
        pytest.param(lambda pixels: np.asarray(Image.fromarray(pixels).reduce(2)), id="half as large"),
        pytest.param(lambda pixels: np.asarray(Image.fromarray(pixels).resize((512, 512))), id="larger"),
    ],
)
def test_a_rejected_picture_is_known_again(seed: int, changed: Callable[[Pixels], Pixels]) -> None:
    rejected = picture(seed=seed)
    assert BlockedHashes([hashed(rejected)]).has_like(hashed(changed(rejected)))


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "star"])
@pytest.mark.parametrize("seed", range(3))
def test_another_figure_at_the_same_place_is_not(shape: str, seed: int) -> None:
    blocked = BlockedHashes([hashed(picture(seed=seed))])
    assert not blocked.has_like(hashed(picture(f"a black {shape} on a red background", seed)))


def test_another_colour_is_not() -> None:
    blocked = BlockedHashes([hashed(picture())])
    others = [f"a {colours} background" for colours in ("black star on a blue", "white star on a red")]
    assert [blocked.has_like(hashed(picture(caption))) for caption in others] == [False, False]


@pytest.mark.parametrize("colour", COLOURS)
def test_plain_pictures_block_nothing_and_are_not_blocked(colour: str) -> None:
    plain = np.full((64, 64, 3), COLOURS[colour], np.uint8)
    assert hash_picture(plain) is None
    assert hash_picture(noisy(plain, 4)) is None


def test_nothing_is_blocked_at_first() -> None:
    blocked = BlockedHashes()
    assert len(blocked) == 0
    assert not blocked.has_like(hashed(picture()))


def test_a_picture_is_found_among_a_hundred_thousand_in_a_moment() -> None:
    rng = np.random.default_rng(1)
    known = hashed(picture())
    many = [PictureHash(rng.bytes(SHAPE_BYTES), int(colours)) for colours in rng.integers(0, 2**42, 100_000)]
    blocked = BlockedHashes([*many, known])
    assert blocked.has_like(known)
    other = hashed(picture("a blue ring on a white background"))
    start = time.perf_counter()
    assert not blocked.has_like(other)
    # A few milliseconds; a machine that is busy gets more.
    assert time.perf_counter() - start < 0.25
