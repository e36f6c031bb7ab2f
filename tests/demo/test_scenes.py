"""What is trained on, and what is asked."""

from collections import Counter

import numpy as np
import pytest

from bot.demo.grammar import COLOURS, SHAPES, held_out, new_kind, parse
from bot.demo.scenes import (
    NEW_COMBINATION,
    ONE_OBJECT,
    SIZE,
    TWO_OBJECTS,
    evaluation_captions,
    evaluation_rows,
    random_scene,
    training_scene,
)


def test_random_scenes_keep_the_stated_shares() -> None:
    rng = np.random.default_rng(1)
    scenes = [random_scene(rng) for _ in range(4000)]
    kinds = Counter((len(s.objects), s.background is not None) for s in scenes)
    share = {kind: count / len(scenes) for kind, count in kinds.items()}
    assert share == {
        (1, True): pytest.approx(0.45, abs=0.03),
        (1, False): pytest.approx(0.1, abs=0.03),
        (2, True): pytest.approx(0.225, abs=0.03),
        (2, False): pytest.approx(0.225, abs=0.03),
    }
    objects = [o for s in scenes for o in s.objects]
    assert {o.colour for o in objects} == set(COLOURS)
    assert {o.shape for o in objects} == set(SHAPES)
    assert Counter(o.size for o in objects)[None] / len(objects) == pytest.approx(0.5, abs=0.03)


def test_training_never_sees_what_is_held_out() -> None:
    rng = np.random.default_rng(2)
    scenes = [training_scene(rng) for _ in range(2000)]
    assert not any(held_out(scene) for scene in scenes)
    assert not any(new_kind(subject) for scene in scenes for subject in scene.objects)
    assert {len(scene.objects) for scene in scenes} == {1, 2}
    assert {subject.shape for scene in scenes for subject in scene.objects} == set(SHAPES)
    assert {scene.backdrop for scene in scenes} == set(COLOURS)


def test_every_row_has_300_different_captions_that_training_never_sees() -> None:
    rows = evaluation_rows(2026)
    assert list(rows) == [ONE_OBJECT, SIZE, TWO_OBJECTS, NEW_COMBINATION]
    for captions in rows.values():
        assert len(set(captions)) == 300
        assert all(held_out(parse(text)) for text in captions)


def test_rows_ask_what_they_are_named_for() -> None:
    rows = {name: [parse(text) for text in captions] for name, captions in evaluation_rows(3, 100).items()}
    for name in (ONE_OBJECT, SIZE, NEW_COMBINATION):
        assert all(len(scene.objects) == 1 and scene.background for scene in rows[name])
    assert {scene.objects[0].size for scene in rows[ONE_OBJECT]} == {None}
    assert {scene.objects[0].size for scene in rows[SIZE]} == {"small", "large"}
    assert {scene.objects[0].size for scene in rows[NEW_COMBINATION]} == {None, "small", "large"}
    assert {len(scene.objects) for scene in rows[TWO_OBJECTS]} == {2}
    assert {subject.size for scene in rows[TWO_OBJECTS] for subject in scene.objects} == {None}
    assert sum(scene.background is not None for scene in rows[TWO_OBJECTS]) == 50
    for name, scenes in rows.items():
        assert {any(map(new_kind, scene.objects)) for scene in scenes} == {name == NEW_COMBINATION}


def test_rows_are_fixed_by_the_seed_and_refuse_more_than_there_is() -> None:
    assert evaluation_rows(4, 20) == evaluation_rows(4, 20)
    assert all(a != b for a, b in zip(evaluation_rows(4, 20).values(), evaluation_rows(5, 20).values(), strict=True))
    with pytest.raises(ValueError, match="between 0 and"):
        evaluation_rows(4, 500)


def test_evaluation_captions_are_distinct_and_fixed_by_the_seed() -> None:
    captions = evaluation_captions(7, 200)
    assert len(set(captions)) == 200
    assert captions == evaluation_captions(7, 200)
    assert captions[:50] == evaluation_captions(7, 50)
    assert captions != evaluation_captions(8, 200)
    for scene in map(parse, captions):
        assert len(scene.objects) == 1
        assert scene.background is not None
