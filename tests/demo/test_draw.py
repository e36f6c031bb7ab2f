"""The painter: figures, places, sizes, and the training examples made of them."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from bot.demo.draw import RADII_PX, draw, draw_batch, draw_crowd
from bot.demo.grammar import COLOURS, SHAPES, SIZES, Object, Scene, held_out, parse
from bot.demo.recognise import recognise_figure
from bot.demo.scenes import random_scene


def foreground(pixels: npt.NDArray[np.uint8], scene: Scene) -> npt.NDArray[np.bool_]:
    return np.asarray((pixels != COLOURS[scene.backdrop]).any(axis=-1))


def pairs(n: int) -> list[Scene]:
    rng = np.random.default_rng(2)
    found: list[Scene] = []
    while len(found) < n:
        scene = random_scene(rng)
        if scene.relation is not None:
            found.append(scene)
    return found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [None, *SIZES])
def test_single_objects_lie_within_the_frame_in_their_colours(shape: str, size: str | None) -> None:
    scene = Scene((Object("red", shape, size),), None, "blue")
    for seed in range(20):
        pixels = draw(scene, np.random.default_rng(seed))
        assert pixels.shape == (128, 128, 3)
        assert pixels.dtype == np.uint8
        inner = np.zeros((128, 128), np.bool_)
        inner[2:-2, 2:-2] = True
        assert not (foreground(pixels, scene) & ~inner).any()
        assert (pixels == COLOURS["red"]).all(axis=-1).sum() > 200
        assert ndimage.label(foreground(pixels, scene))[1] == 1


def test_pairs_never_touch_and_keep_their_relation() -> None:
    rng = np.random.default_rng(3)
    for scene in pairs(300):
        pixels = draw(scene, rng)
        _, count = ndimage.label(foreground(pixels, scene), structure=np.ones((3, 3)))
        assert count == 2
        if scene.objects[0].colour == scene.objects[1].colour:
            continue
        one, two = (np.argwhere((pixels == COLOURS[o.colour]).all(axis=-1)).mean(axis=0)[::-1] for o in scene.objects)
        (x, y) = two - one
        along = {"left of": x, "right of": -x, "above": y, "below": -y}[scene.relation or ""]
        across = y if scene.relation in ("left of", "right of") else x
        assert along > 30
        assert abs(across) < along


@pytest.mark.parametrize("shape", SHAPES)
def test_sizes_can_be_told_apart(shape: str) -> None:
    def area(text: str, seed: int) -> int:
        scene = parse(text)
        pixels = draw(scene, np.random.default_rng(seed))
        return int((pixels == COLOURS[scene.objects[0].colour]).all(axis=-1).sum())

    small, unsaid, large = (
        {area(f"a {size} red {shape} {rest}", seed) for seed in range(10) for rest in ("", "above a blue ring")}
        for size in ("small", "", "large")
    )
    assert len(small) == len(unsaid) == len(large) == 1
    assert 1.6 * max(small) < max(unsaid)
    assert 1.6 * max(unsaid) < max(large)


def test_a_picture_depends_on_scene_and_generator_alone() -> None:
    scene = parse("a red circle above a blue star")
    assert np.array_equal(draw(scene, np.random.default_rng(4)), draw(scene, np.random.default_rng(4)))
    assert len({draw(scene, np.random.default_rng(seed)).tobytes() for seed in range(20)}) > 5


def test_centres_lie_where_tokens_meet() -> None:
    for size, radius in RADII_PX.items():
        scene = Scene((Object("red", "circle", size),), None, "blue")
        for seed in range(20):
            rows, columns = np.nonzero(foreground(draw(scene, np.random.default_rng(seed)), scene))
            assert (rows.min() + radius) % 8 == (columns.min() + radius) % 8 == 0


def test_a_larger_picture_is_the_same_scene() -> None:
    for scene in pairs(20):
        small = draw(scene, np.random.default_rng(5), 128)
        large = draw(scene, np.random.default_rng(5), 256)
        shrunk = large.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
        assert abs(shrunk - small).mean() < 1
        assert abs(shrunk - small).max() < 80


@pytest.mark.parametrize("size_px", [0, 8, 60, -128])
def test_sizes_off_the_grid_are_refused(size_px: int) -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        draw(parse("a red circle"), np.random.default_rng(0), size_px)
    with pytest.raises(ValueError, match="multiple of 16"):
        draw_batch(np.random.default_rng(0), 1, size_px)
    with pytest.raises(ValueError, match="multiple of 16"):
        draw_crowd(np.random.default_rng(0), size_px)


def test_draw_batch_pairs_pictures_with_their_captions() -> None:
    pixels, captions = draw_batch(np.random.default_rng(6), 400)
    assert pixels.shape == (400, 128, 128, 3)
    assert pixels.dtype == np.uint8
    for picture, text in zip(pixels, captions, strict=True):
        scene = parse(text)
        assert not held_out(scene)
        for colour in {scene.backdrop, *(o.colour for o in scene.objects)}:
            assert (picture == np.array(COLOURS[colour], np.uint8)).all(axis=-1).any()
        assert tuple(picture[0, 0]) == COLOURS[scene.backdrop]
    bare = sum(not text.startswith(("a ", "an ")) for text in captions)
    assert bare / len(captions) == pytest.approx(0.125, abs=0.05)


def test_draw_batch_repeats_with_its_generator() -> None:
    one, two = (draw_batch(np.random.default_rng(7), 10, 32) for _ in range(2))
    assert one[1] == two[1]
    assert np.array_equal(one[0], two[0])


def test_crowds_are_of_figures_that_training_may_see_alone() -> None:
    names = {colour: name for name, colour in COLOURS.items()}
    counts = []
    for seed in range(60):
        pixels = draw_crowd(np.random.default_rng(seed))
        backdrop = names[tuple(pixels[0, 0].tolist())]
        figures, count = ndimage.label((pixels != pixels[0, 0]).any(axis=-1), structure=np.ones((3, 3)))
        counts.append(count)
        for number in range(1, count + 1):
            region = figures == number
            values, shares = np.unique(pixels[region], axis=0, return_counts=True)
            colour = names[tuple(values[shares.argmax()].tolist())]
            subject = Object(colour, recognise_figure(region).shape)
            assert not held_out(Scene((subject,), None, backdrop))
    assert np.mean(counts) > 3


def test_a_crowd_repeats_with_its_generator() -> None:
    one, two, other = (draw_crowd(np.random.default_rng(seed), 64) for seed in (8, 8, 9))
    assert one.shape == (64, 64, 3)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
