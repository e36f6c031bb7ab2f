import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, PngImagePlugin

from bot.collage import BACKGROUND, GAP_PX, encode_png, encode_small, encode_within, make_collage, read_metadata
from bot.errors import JobFailedError

METADATA = {
    "prompt": 'grüner Kreis 🟢 «quoted» "and" עברית \\ <b>&amp;',
    "seed": "4294967295",
    "parameters": "condition_scale 10 · top_k 50",
    "model": "demo",
    "software": "dalle-bot",
}


def flat(colour: tuple[int, int, int], size_px: int = 64) -> npt.NDArray[np.uint8]:
    return np.full((size_px, size_px, 3), colour, np.uint8)


def colours(count: int) -> list[tuple[int, int, int]]:
    return [(40 + 20 * n, 220 - 15 * n, 90) for n in range(count)]


def noise(size_px: int) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (size_px, size_px, 3))
    return Image.fromarray(values.astype(np.uint8))


@pytest.mark.parametrize(
    ("count", "columns", "rows"),
    [(2, 2, 1), (3, 3, 1), (4, 2, 2), (5, 3, 2), (6, 3, 2), (7, 3, 3), (8, 3, 3), (9, 3, 3)],
)
@pytest.mark.parametrize("size_px", [64, 128, 256])
def test_grid(count: int, columns: int, rows: int, size_px: int) -> None:
    shown = colours(count)
    collage = make_collage([flat(colour, size_px) for colour in shown])
    assert (collage.mode, collage.size) == ("RGB", (columns * 264 + 8, rows * 264 + 8))
    last_row = count - (rows - 1) * columns
    for number, colour in enumerate(shown):
        row, column = divmod(number, columns)
        indent = 0 if row < rows - 1 else (columns - last_row) * 132
        assert collage.getpixel((8 + indent + column * 264 + 128, 8 + row * 264 + 128)) == colour
    assert collage.getpixel((GAP_PX // 2, GAP_PX // 2)) == BACKGROUND
    assert collage.getpixel((4, collage.height - 12)) == BACKGROUND


def test_three_columns_are_800_px_wide() -> None:
    assert make_collage([flat((1, 2, 3))] * 9).size == (800, 800)


def test_a_lone_picture_is_larger_and_has_no_number() -> None:
    collage = make_collage([flat((200, 30, 30))])
    assert collage.size == (512 + 2 * GAP_PX,) * 2
    assert {colour for _, colour in collage.crop((24, 24, 500, 500)).getcolors() or ()} == {(200, 30, 30)}


def test_large_pictures_keep_their_pixels() -> None:
    pixels = np.asarray(noise(300))
    collage = np.asarray(make_collage([pixels, pixels]))
    assert np.array_equal(collage[GAP_PX + 100 : GAP_PX + 300, GAP_PX + 100 : GAP_PX + 280], pixels[100:, 100:280])


@pytest.mark.parametrize("background", [(20, 20, 20), (250, 250, 250), (140, 140, 140)])
def test_numbers_are_legible_and_differ(background: tuple[int, int, int]) -> None:
    collage = np.asarray(make_collage([flat(background)] * 9)).astype(int)
    badges = []
    for number in range(9):
        x, y = GAP_PX + 264 * (number % 3) + 8, GAP_PX + 264 * (number // 3) + 8
        badge = collage[y : y + 32, x : x + 32]
        assert badge.min() < 60
        assert badge.max() > 240
        badges.append(badge[8:24, 8:24])
    for number, badge in enumerate(badges):
        assert all(np.abs(badge - other).max() > 100 for other in badges[:number])


def test_numbers_stay_in_their_corner() -> None:
    collage = np.asarray(make_collage([flat((250, 250, 250))] * 2))
    tile = collage[GAP_PX : GAP_PX + 256, GAP_PX : GAP_PX + 256]
    assert (tile[44:, 10:246] == 250).all()
    assert (tile[10:246, 44:] == 250).all()


def test_numbers_can_be_left_out() -> None:
    collage = np.asarray(make_collage([flat((250, 250, 250))] * 2, is_numbered=False))
    assert (collage[GAP_PX + 10 : GAP_PX + 246, GAP_PX + 10 : GAP_PX + 246] == 250).all()


def test_a_small_encoding_is_half_as_wide_and_far_lighter() -> None:
    collage = make_collage([np.asarray(noise(64))] * 9)
    data = encode_small(collage)
    small = Image.open(io.BytesIO(data))
    assert (small.format, small.size) == ("WEBP", (collage.width // 2, collage.height // 2))
    assert len(data) < len(encode_png(collage, {})) / 5


def test_enlarging_makes_no_new_colours_beside_an_edge() -> None:
    pixels = flat((20, 20, 20))
    pixels[:, 32:] = 140
    shown = np.asarray(make_collage([pixels]))[100:400, 20:500]
    assert (shown.min(), shown.max()) == (20, 140)
    assert (np.diff(shown[..., 0].astype(int), axis=1) >= 0).all()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "1 to 9 images, not 0"),
        ([flat((0, 0, 0))] * 10, "1 to 9 images, not 10"),
        ([flat((0, 0, 0)), flat((0, 0, 0), 32)], r"differ in size: \[64, 64, 3\] and \[32, 32, 3\]"),
        ([np.zeros((8, 8, 3), np.float32)], r"must be uint8 .*, not float32 \[8, 8, 3\]"),
        ([np.zeros((8, 8), np.uint8)], r"not uint8 \[8, 8\]"),
        ([np.zeros((0, 8, 3), np.uint8)], r"not uint8 \[0, 8, 3\]"),
    ],
)
def test_what_is_no_picture_is_refused(images: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_collage(images)


def test_png_keeps_pixels_and_metadata() -> None:
    image = noise(32)
    data = encode_png(image, METADATA)
    assert read_metadata(data) == METADATA
    opened = Image.open(io.BytesIO(data))
    assert isinstance(opened, PngImagePlugin.PngImageFile)
    assert np.array_equal(np.asarray(opened), np.asarray(image))


def test_png_where_it_fits_exactly() -> None:
    png = encode_png(noise(32), METADATA)
    assert encode_within(noise(32), METADATA, len(png)) == (png, "png")


def test_webp_where_png_is_too_large() -> None:
    image = noise(128)
    png = encode_png(image, METADATA)
    data, extension = encode_within(image, METADATA, len(png) - 1)
    assert (extension, data[8:12]) == ("webp", b"WEBP")
    assert read_metadata(data) == METADATA
    assert Image.open(io.BytesIO(data)).size == image.size


def test_quality_falls_with_the_limit() -> None:
    image = noise(128)
    sizes = [len(encode_within(image, METADATA, limit)[0]) for limit in (30_000, 16_000, 8_000)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3
    assert all(size <= limit for size, limit in zip(sizes, (30_000, 16_000, 8_000), strict=True))


def test_below_the_lowest_quality_the_picture_shrinks() -> None:
    image = noise(512)
    for limit, size_px in ((30_000, 256), (6_000, 128)):
        data, extension = encode_within(image, METADATA, limit)
        assert len(data) <= limit
        assert extension == "webp"
        assert Image.open(io.BytesIO(data)).size == (size_px, size_px)
        assert read_metadata(data) == METADATA


def test_an_impossible_limit_is_refused() -> None:
    with pytest.raises(JobFailedError, match=r"needs at least [\d,]+ bytes, and 100 may be attached here"):
        encode_within(noise(64), METADATA, 100)


def test_metadata_of_other_files() -> None:
    for kind in ("PNG", "WEBP"):
        data = io.BytesIO()
        noise(8).save(data, kind)
        assert read_metadata(data.getvalue()) == {}
    with pytest.raises(ValueError, match="neither a PNG nor a WebP file"):
        read_metadata(b"GIF89a")
