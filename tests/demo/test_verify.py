"""The referee's own error rates, on rendered truth and on captions made wrong."""

import io
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy import ndimage

from bot.demo.draw import draw
from bot.demo.grammar import COLOURS, SHAPES, Scene, one_word_off, parse
from bot.demo.scenes import evaluation_rows, random_scene
from bot.demo.verify import verify

Pixels = npt.NDArray[np.uint8]

CAPTIONS_PER_ROW = 40


@cache
def rendered() -> tuple[tuple[Scene, Pixels], ...]:
    """Pictures of captions of every row, and of random scenes, some of them pairs with sizes."""
    rng = np.random.default_rng(5)
    scenes = [parse(text) for row in evaluation_rows(5, CAPTIONS_PER_ROW).values() for text in row]
    scenes += [random_scene(rng) for _ in range(CAPTIONS_PER_ROW)]
    return tuple((scene, draw(scene, rng)) for scene in scenes)


def blurred(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """By 1.5 px, with noise of up to 8 levels."""
    values = ndimage.gaussian_filter(pixels.astype(np.float32), (1.5, 1.5, 0)) + rng.uniform(-8, 8, pixels.shape)
    return np.asarray(values.clip(0, 255).astype(np.uint8))


def blocky(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """With the blocks of a bad JPEG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=30, subsampling=0)
    return np.asarray(Image.open(file))


def clean(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return pixels


@pytest.mark.parametrize("damage", [clean, blurred, blocky])
def test_truth_is_accepted_and_one_wrong_word_refused(damage: Callable[[Pixels, np.random.Generator], Pixels]) -> None:
    rng = np.random.default_rng(6)
    for scene, pixels in rendered():
        damaged = damage(pixels, rng)
        assert verify(damaged, scene).entirely_right, scene
        other = one_word_off(scene, rng)
        assert not verify(damaged, other).entirely_right, (scene, other)


def test_each_field_judges_its_own_thing() -> None:
    pixels = draw(parse("a small red circle on a blue background"), np.random.default_rng(0))
    wrong = {
        "a small red circle on a green background": "background_ok",
        "a small pink circle on a blue background": "colours_ok",
        "a small red star on a blue background": "shapes_ok",
        "a large red circle on a blue background": "sizes_ok",
    }
    for text, field in wrong.items():
        verdict = verify(pixels, parse(text))
        fields = ("background_ok", "colours_ok", "shapes_ok", "sizes_ok", "relation_ok", "count_ok")
        found = {name: bool(np.all(getattr(verdict, name))) for name in fields}
        assert found == {name: name != field for name in fields}
        assert verdict.all_colours_ok == (field not in ("background_ok", "colours_ok"))
        assert not verdict.entirely_right


def test_a_size_that_is_not_named_is_right() -> None:
    for size in ("small", "large"):
        pixels = draw(parse(f"a {size} red heart"), np.random.default_rng(0))
        assert verify(pixels, parse("a red heart")).entirely_right
    medium = draw(parse("a red heart"), np.random.default_rng(0))
    for size in ("small", "large"):
        assert verify(medium, parse(f"a {size} red heart")).sizes_ok == (False,)


def test_sizes_are_measured_in_relation_to_the_picture() -> None:
    for size_px in (64, 256):
        scene = parse("a large red heart left of a small blue ring")
        assert verify(draw(scene, np.random.default_rng(0), size_px), scene).sizes_ok == (True, True)


def test_an_unnamed_background_must_be_the_default_one() -> None:
    on_gray = draw(parse("a red circle on a gray background"), np.random.default_rng(0))
    assert not verify(on_gray, parse("a red circle")).background_ok


def test_a_background_of_two_colours_is_not_right() -> None:
    scene = parse("a red circle on a white background")
    pixels = draw(scene, np.random.default_rng(0))
    columns = np.nonzero((pixels == COLOURS["red"]).all(axis=-1))[1]
    if columns.mean() < 64:
        pixels[:, 100:] = COLOURS["green"]
    else:
        pixels[:, :28] = COLOURS["green"]
    verdict = verify(pixels, scene)
    assert verdict.colours_ok == verdict.shapes_ok == (True,)
    assert not verdict.entirely_right


def test_a_pair_told_the_other_way_round_lies_wrong_and_is_right_otherwise() -> None:
    pixels = draw(parse("a red circle left of a blue star"), np.random.default_rng(0))
    assert verify(pixels, parse("a blue star right of a red circle")).entirely_right
    for text in ("a red circle right of a blue star", "a red circle above a blue star"):
        verdict = verify(pixels, parse(text))
        assert verdict.colours_ok == verdict.shapes_ok == (True, True)
        assert not verdict.relation_ok
    swapped = verify(pixels, parse("a blue circle left of a red star"))
    assert swapped.relation_ok
    assert swapped.shapes_ok == (True, True)
    assert swapped.colours_ok == (False, False)


def test_what_is_missing_is_not_right() -> None:
    plain = np.full((128, 128, 3), COLOURS["white"], np.uint8)
    alone = verify(plain, parse("a red circle"))
    assert alone.background_ok
    assert not alone.count_ok
    assert alone.colours_ok == alone.shapes_ok == alone.sizes_ok == (False,)
    one_of_two = draw(parse("a red circle"), np.random.default_rng(0))
    pair = verify(one_of_two, parse("a red circle above a blue star"))
    assert pair.colours_ok == (True, False)
    assert not pair.relation_ok
    assert not pair.count_ok


def test_what_is_too_much_is_not_right() -> None:
    pair = draw(parse("a red circle above a blue star on a white background"), np.random.default_rng(0))
    assert not verify(pair, parse("a red circle on a white background")).count_ok


@pytest.mark.parametrize(("width", "ok"), [(3, True), (8, False)])
@pytest.mark.parametrize("within", [False, True])
def test_a_stain_of_a_token_is_not_right_and_a_speck_is(width: int, ok: bool, within: bool) -> None:
    scene = parse("a red circle on a white background")
    pixels = draw(scene, np.random.default_rng(0))
    place = ndimage.binary_erosion((pixels == COLOURS["red" if within else "white"]).all(axis=-1), iterations=9)
    row, column = np.argwhere(place)[0]
    pixels[row : row + width, column : column + width] = COLOURS["green"]
    assert verify(pixels, scene).entirely_right is ok


def test_an_object_of_two_colours_has_neither() -> None:
    pixels = draw(parse("a large red square on a white background"), np.random.default_rng(0))
    square = (pixels == COLOURS["red"]).all(axis=-1)
    pixels[square & (np.arange(128) < np.nonzero(square)[1].mean())] = COLOURS["green"]
    for colour in ("red", "green"):
        verdict = verify(pixels, parse(f"a large {colour} square on a white background"))
        assert verdict.shapes_ok == (True,)
        assert verdict.colours_ok == (False,)


def test_colours_off_the_palette_are_no_colour() -> None:
    olive = np.full((128, 128, 3), (90, 90, 0), np.uint8)
    olive[40:80, 40:80] = (0, 255, 255)
    for colour in COLOURS:
        verdict = verify(olive, parse(f"a {colour} square"))
        assert not verdict.background_ok
        assert verdict.colours_ok == (False,)
        assert verdict.shapes_ok == (True,)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shapeless_blob_is_no_figure(shape: str) -> None:
    pixels = np.full((128, 128, 3), COLOURS["white"], np.uint8)
    pixels[30:70, 30:90] = COLOURS["red"]
    pixels[60:90, 30:50] = COLOURS["red"]
    assert verify(pixels, parse(f"a red {shape}")).shapes_ok == (False,)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda p: p.astype(np.float32) / 255, id="floats"),
        pytest.param(lambda p: p[:, :, 0], id="one channel"),
        pytest.param(lambda p: p[None], id="a batch"),
    ],
)
def test_other_arrays_are_refused(spoil: Callable[[Pixels], Pixels]) -> None:
    scene = parse("a red circle")
    with pytest.raises(ValueError, match="Expected pixels uint8"):
        verify(spoil(draw(scene, np.random.default_rng(0))), scene)
