"""The painter: figures, places, sizes, and the training examples made of them."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from bot.demo.draw import draw, draw_batch, shape_mask
from bot.demo.grammar import COLOURS, SHAPES, SIZES, Object, Scene, held_out, parse, random_scene


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
        assert pixels.shape == (64, 64, 3)
        assert pixels.dtype == np.uint8
        inner = np.zeros((64, 64), np.bool_)
        inner[1:-1, 1:-1] = True
        assert not (foreground(pixels, scene) & ~inner).any()
        assert (pixels == COLOURS["red"]).all(axis=-1).sum() > 50
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
        assert along > 15
        assert abs(across) < along


@pytest.mark.parametrize("shape", SHAPES)
def test_sizes_can_be_told_apart(shape: str) -> None:
    def area(text: str, seed: int) -> int:
        scene = parse(text)
        pixels = draw(scene, np.random.default_rng(seed))
        return int((pixels == COLOURS[scene.objects[0].colour]).all(axis=-1).sum())

    alone = [{area(f"a {size} red {shape}", seed) for seed in range(20)} for size in SIZES]
    unsaid = {area(f"a red {shape}", seed) for seed in range(20)}
    assert len(unsaid) > 1
    assert max(alone[0]) < min(unsaid)
    assert max(unsaid) < min(alone[1])
    assert 2 * max(alone[0]) < min(alone[1])
    in_pair = [area(f"a {size} red {shape} above a blue ring", 0) for size in SIZES]
    assert 2 * in_pair[0] < in_pair[1]


def test_a_picture_depends_on_scene_and_generator_alone() -> None:
    scene = parse("a red circle above a blue star")
    assert np.array_equal(draw(scene, np.random.default_rng(4)), draw(scene, np.random.default_rng(4)))
    assert len({draw(scene, np.random.default_rng(seed)).tobytes() for seed in range(20)}) > 10


def test_a_larger_picture_is_the_same_scene() -> None:
    for scene in pairs(20):
        small = draw(scene, np.random.default_rng(5), 64)
        large = draw(scene, np.random.default_rng(5), 128)
        shrunk = large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
        assert abs(shrunk - small).mean() < 1
        assert abs(shrunk - small).max() < 80


@pytest.mark.parametrize("size_px", [0, 8, 60, -64])
def test_sizes_off_the_grid_are_refused(size_px: int) -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        draw(parse("a red circle"), np.random.default_rng(0), size_px)
    with pytest.raises(ValueError, match="multiple of 16"):
        draw_batch(np.random.default_rng(0), 1, size_px)


def test_draw_batch_pairs_pictures_with_their_captions() -> None:
    pixels, captions = draw_batch(np.random.default_rng(6), 400)
    assert pixels.shape == (400, 64, 64, 3)
    assert pixels.dtype == np.uint8
    for picture, text in zip(pixels, captions, strict=True):
        scene = parse(text)
        assert not held_out(scene)
        present = {tuple(colour) for colour in np.unique(picture.reshape(-1, 3), axis=0).tolist()}
        assert {COLOURS[scene.backdrop], *(COLOURS[o.colour] for o in scene.objects)} <= present
        assert tuple(picture[0, 0]) == COLOURS[scene.backdrop]
    bare = sum(not text.startswith(("a ", "an ")) for text in captions)
    assert bare / len(captions) == pytest.approx(0.125, abs=0.05)


def test_draw_batch_repeats_with_its_generator() -> None:
    one, two = (draw_batch(np.random.default_rng(7), 10, 32) for _ in range(2))
    assert one[1] == two[1]
    assert np.array_equal(one[0], two[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_masks_are_symmetric_antialiased_and_shared(shape: str) -> None:
    mask = shape_mask(shape, 18)
    assert mask.shape == (36, 36)
    assert mask.dtype == np.float32
    assert 0 <= mask.min() < mask.max() == 1
    assert ((mask > 0) & (mask < 1)).any()
    assert np.allclose(mask, mask[:, ::-1])
    assert shape_mask(shape, 18) is mask
    with pytest.raises(ValueError, match="read-only"):
        mask[0, 0] = 1


def test_figures_have_their_forms() -> None:
    masks = {shape: shape_mask(shape, 22) for shape in SHAPES}
    area = {shape: float(mask.sum()) / 22**2 for shape, mask in masks.items()}
    assert area["circle"] == pytest.approx(math.pi, rel=0.01)
    assert area["ring"] == pytest.approx(math.pi * (1 - 0.52**2), rel=0.01)
    assert area["square"] == pytest.approx((2 * 0.86) ** 2, rel=0.02)
    assert area["triangle"] == pytest.approx(math.sqrt(3), rel=0.02)
    assert area["diamond"] == pytest.approx(2 * 0.78, rel=0.02)
    assert area["cross"] == pytest.approx(4 * 0.32 * 0.95 * 2 - 4 * 0.32**2, rel=0.05)
    pentagram = 5 * 1.05 * 0.46 * math.sin(math.pi / 5)
    assert area["star"] == pytest.approx(pentagram, rel=0.02)
    assert masks["ring"][21:23, 21:23].max() == 0
    for upright in ("triangle", "star"):
        assert masks[upright][4].sum() < masks[upright][34].sum()
    heart = masks["heart"]
    assert heart[3, 21] < heart[3, 12]
    assert heart[38].sum() < heart[12].sum()
