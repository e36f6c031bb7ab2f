"""Captions and scenes of the demo's grammar."""

from collections import Counter

import numpy as np
import pytest

from bot.demo.grammar import (
    COLOURS,
    SHAPES,
    Object,
    Scene,
    caption,
    evaluation_captions,
    held_out,
    parse,
    random_scene,
)

CANONICAL = {
    "a red circle on a blue background": Scene((Object("red", "circle"),), None, "blue"),
    "a small green star": Scene((Object("green", "star", "small"),)),
    "a gray star on an orange background": Scene((Object("gray", "star"),), None, "orange"),
    "an orange star": Scene((Object("orange", "star"),)),
    "a large black heart left of a small pink ring on a white background": Scene(
        (Object("black", "heart", "large"), Object("pink", "ring", "small")), "left of", "white"
    ),
    "a blue cross above an orange diamond": Scene((Object("blue", "cross"), Object("orange", "diamond")), "above"),
}


def random_scenes(n: int) -> list[Scene]:
    rng = np.random.default_rng(1)
    return [random_scene(rng) for _ in range(n)]


@pytest.mark.parametrize(("text", "scene"), CANONICAL.items())
def test_caption_and_parse_are_inverse_on_examples(text: str, scene: Scene) -> None:
    assert caption(scene) == text
    assert parse(text) == scene


def test_articles_can_be_dropped() -> None:
    scene = parse("an orange star right of a gray ring on a red background")
    assert caption(scene, articles=False) == "orange star right of gray ring on red background"


def test_every_random_scene_survives_the_round_trip() -> None:
    for scene in random_scenes(2000):
        assert parse(caption(scene)) == scene
        assert parse(caption(scene, articles=False)) == scene


def test_parse_forgives_case_spaces_and_wrong_articles() -> None:
    assert parse("  A  Orange STAR ") == parse("an orange star")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "the caption ends"),
        ("a teal circle", '"teal"'),
        ("a red blob", '"blob"'),
        ("a huge red circle", '"huge"'),
        ("a red", "Expected a shape, but the caption ends"),
        ("a red circle beside a blue star", '"beside"'),
        ("a red circle left a blue star", '"left"'),
        ("a red circle on a blue table", 'Expected "background", not "table"'),
        ("a red circle on a beige background", '"beige"'),
        ("a red circle on a blue background twice", '"twice"'),
        ("a red circle above a blue star above a pink ring", 'Expected "on", not "above"'),
        ("a red circle on a red background", "can't be seen"),
        ("a red circle above a small red circle", "must differ"),
    ],
)
def test_parse_names_what_does_not_fit(text: str, named: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert named in str(caught.value)


def test_scenes_check_relation_against_objects() -> None:
    red, blue = Object("red", "circle"), Object("blue", "star")
    for objects, relation in [((red,), "above"), ((red, blue), None), ((red, blue), "inside"), ((), None)]:
        with pytest.raises(ValueError):
            Scene(objects, relation)


@pytest.mark.parametrize(
    ("text", "backdrop"),
    [
        ("a red circle on a blue background", "blue"),
        ("a red circle", "white"),
        ("a white circle", "gray"),
        ("a white circle above a gray star", "black"),
        ("a white circle above a black star", "gray"),
    ],
)
def test_backdrop_is_the_background_or_a_free_neutral(text: str, backdrop: str) -> None:
    assert parse(text).backdrop == backdrop


def test_random_scenes_keep_the_stated_shares() -> None:
    scenes = random_scenes(4000)
    kinds = Counter((len(s.objects), s.background is not None) for s in scenes)
    share = {kind: count / len(scenes) for kind, count in kinds.items()}
    assert share == {
        (1, True): pytest.approx(0.55, abs=0.03),
        (1, False): pytest.approx(0.15, abs=0.03),
        (2, True): pytest.approx(0.15, abs=0.03),
        (2, False): pytest.approx(0.15, abs=0.03),
    }
    objects = [o for s in scenes for o in s.objects]
    assert {o.colour for o in objects} == set(COLOURS)
    assert {o.shape for o in objects} == set(SHAPES)
    assert Counter(o.size for o in objects)[None] / len(objects) == pytest.approx(0.5, abs=0.03)


def test_about_one_single_object_in_twenty_is_held_out() -> None:
    scenes = [
        Scene((Object(colour, shape),), None, background)
        for colour in COLOURS
        for shape in SHAPES
        for background in COLOURS
        if background != colour
    ]
    kept_out = [scene for scene in scenes if held_out(scene)]
    assert len(kept_out) / len(scenes) == pytest.approx(0.05, abs=0.01)
    trained = [scene.objects[0] for scene in scenes if not held_out(scene)]
    assert {(o.colour, o.shape) for o in trained} == {(colour, shape) for colour in COLOURS for shape in SHAPES}


def test_held_out_is_fixed_and_ignores_size() -> None:
    # Changing the rule would move training scenes into the evaluation of checkpoints that exist.
    first = parse(evaluation_captions(0, 1, only_held_out=True)[0])
    assert first == parse("a small gray triangle on a yellow background")
    for size in (None, "small", "large"):
        subject = Object(first.objects[0].colour, first.objects[0].shape, size)
        assert held_out(Scene((subject,), None, first.background))


def test_only_single_objects_with_a_background_are_held_out() -> None:
    others = [s for s in random_scenes(2000) if len(s.objects) == 2 or s.background is None]
    assert others
    assert not any(held_out(scene) for scene in others)


def test_evaluation_captions_are_distinct_and_fixed_by_the_seed() -> None:
    captions = evaluation_captions(7, 200)
    assert len(set(captions)) == 200
    assert captions == evaluation_captions(7, 200)
    assert captions[:50] == evaluation_captions(7, 50)
    assert captions != evaluation_captions(8, 200)
    for scene in map(parse, captions):
        assert len(scene.objects) == 1
        assert scene.background is not None


def test_evaluation_captions_can_be_the_held_out_ones() -> None:
    assert all(held_out(parse(text)) for text in evaluation_captions(7, 100, only_held_out=True))
    with pytest.raises(ValueError, match="between 0 and"):
        evaluation_captions(7, 500, only_held_out=True)
