"""The referee's own error rates, on rendered truth and on captions made wrong."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from bot.demo.draw import draw, shape_mask
from bot.demo.grammar import COLOURS, SHAPES, Scene, parse, random_scene
from bot.demo.verify import recognise_shape, verify

Pixels = npt.NDArray[np.uint8]

NUM_SCENES = 200


@cache
def rendered(blur_px: float, noise: float) -> tuple[tuple[Scene, Pixels], ...]:
    """Random scenes and their pictures, damaged by a Gaussian blur and noise of these standard deviations."""
    rng = np.random.default_rng(5)
    examples = []
    for _ in range(NUM_SCENES):
        scene = random_scene(rng)
        values = ndimage.gaussian_filter(draw(scene, rng).astype(np.float32), (blur_px, blur_px, 0))
        values += rng.normal(0, noise, values.shape)
        examples.append((scene, values.clip(0, 255).astype(np.uint8)))
    return tuple(examples)


def with_wrong_colour(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with one object or the background in a colour that the picture lacks."""
    present = {scene.backdrop, *(o.colour for o in scene.objects)}
    wrong = str(rng.choice([colour for colour in COLOURS if colour not in present]))
    which = int(rng.integers(len(scene.objects) + 1))
    if which == len(scene.objects):
        return replace(scene, background=wrong)
    objects = list(scene.objects)
    objects[which] = replace(objects[which], colour=wrong)
    return replace(scene, objects=tuple(objects), background=scene.backdrop)


def with_wrong_shape(scene: Scene, rng: np.random.Generator) -> Scene:
    first, *others = scene.objects
    shapes = [s for s in SHAPES if s != first.shape and (first.colour, s) not in {(o.colour, o.shape) for o in others}]
    return replace(scene, objects=(replace(first, shape=str(rng.choice(shapes))), *others))


def test_rendered_truth_is_right_in_everything() -> None:
    for scene, pixels in rendered(0, 0):
        verdict = verify(pixels, scene)
        assert verdict.background_ok
        assert verdict.colours_ok == verdict.shapes_ok == (True,) * len(scene.objects)
        assert verdict.relation_ok


@pytest.mark.parametrize(
    ("blur_px", "noise", "colours_refused", "shapes_refused"), [(1, 8, 0, 0.02), (1.6, 8, 0.02, 0.08)]
)
def test_damaged_truth_is_seldom_refused(
    blur_px: float, noise: float, colours_refused: float, shapes_refused: float
) -> None:
    verdicts = [verify(pixels, scene) for scene, pixels in rendered(blur_px, noise)]
    assert np.mean([not v.all_colours_ok for v in verdicts]) <= colours_refused
    assert np.mean([not all(v.shapes_ok) for v in verdicts]) <= shapes_refused
    assert all(v.background_ok for v in verdicts)


@pytest.mark.parametrize(("blur_px", "noise"), [(0, 0), (1, 8), (1.6, 8)])
def test_wrong_colours_are_never_accepted(blur_px: float, noise: float) -> None:
    rng = np.random.default_rng(6)
    for scene, pixels in rendered(blur_px, noise):
        assert not verify(pixels, with_wrong_colour(scene, rng)).all_colours_ok


@pytest.mark.parametrize(("blur_px", "noise"), [(0, 0), (1, 8)])
def test_wrong_shapes_are_never_accepted(blur_px: float, noise: float) -> None:
    rng = np.random.default_rng(7)
    for scene, pixels in rendered(blur_px, noise):
        assert not verify(pixels, with_wrong_shape(scene, rng)).shapes_ok[0]


def test_each_field_judges_its_own_thing() -> None:
    pixels = draw(parse("a red circle on a blue background"), np.random.default_rng(0))
    ground = verify(pixels, parse("a red circle on a green background"))
    assert (ground.background_ok, ground.colours_ok, ground.shapes_ok) == (False, (True,), (True,))
    colour = verify(pixels, parse("a pink circle on a blue background"))
    assert (colour.background_ok, colour.colours_ok, colour.shapes_ok) == (True, (False,), (True,))
    shape = verify(pixels, parse("a red star on a blue background"))
    assert (shape.background_ok, shape.colours_ok, shape.shapes_ok) == (True, (True,), (False,))
    assert shape.all_colours_ok
    assert not colour.all_colours_ok
    assert not ground.all_colours_ok


def test_an_unnamed_background_must_be_the_default_one() -> None:
    scene = parse("a red circle")
    assert verify(draw(scene, np.random.default_rng(0)), scene).background_ok
    on_gray = draw(parse("a red circle on a gray background"), np.random.default_rng(0))
    assert not verify(on_gray, scene).background_ok


def test_the_mirrored_pair_has_wrong_colours() -> None:
    pixels = draw(parse("a red circle left of a blue star"), np.random.default_rng(0))
    assert verify(pixels, parse("a blue star right of a red circle")).all_colours_ok
    mirrored = verify(pixels, parse("a red circle right of a blue star"))
    assert mirrored.colours_ok == mirrored.shapes_ok == (False, False)
    turned = verify(pixels, parse("a red circle above a blue star"))
    assert not turned.relation_ok


def test_what_is_missing_is_not_right() -> None:
    plain = np.full((64, 64, 3), COLOURS["white"], np.uint8)
    alone = verify(plain, parse("a red circle"))
    assert alone.background_ok
    assert alone.colours_ok == alone.shapes_ok == (False,)
    one_of_two = draw(parse("a red circle"), np.random.default_rng(0))
    pair = verify(one_of_two, parse("a red circle above a blue star"))
    assert pair.colours_ok == (True, False)
    assert not pair.relation_ok


def test_colours_off_the_palette_are_no_colour() -> None:
    olive = np.full((64, 64, 3), (90, 90, 0), np.uint8)
    olive[20:40, 20:40] = (0, 255, 255)
    for colour in COLOURS:
        verdict = verify(olive, parse(f"a {colour} square"))
        assert not verdict.background_ok
        assert verdict.colours_ok == (False,)
        assert verdict.shapes_ok == (True,)


def test_specks_are_not_objects() -> None:
    pixels = np.full((64, 64, 3), COLOURS["white"], np.uint8)
    pixels[10:13, 10:13] = COLOURS["red"]
    assert verify(pixels, parse("a red square")).colours_ok == (False,)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("radius", [9, 11, 14, 22])
def test_every_figure_is_recognised_at_every_radius(shape: str, radius: int) -> None:
    found, overlap = recognise_shape(shape_mask(shape, radius) > 0.5)
    assert found == shape
    assert overlap > 0.75


def test_an_empty_region_has_no_shape() -> None:
    with pytest.raises(ValueError, match="empty"):
        recognise_shape(np.zeros((8, 8), np.bool_))


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
