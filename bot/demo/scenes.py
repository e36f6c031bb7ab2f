"""Which scenes the demo trains on, and which captions it is judged by.

Called by the demo's training and evaluation, and by benches that need prompts, on whatever thread they run on; pure.
"""

from dataclasses import replace
from itertools import permutations, product
from typing import Final, TypeVar

import numpy as np

from bot.demo.grammar import COLOURS, RELATIONS, SHAPES, SIZES, Object, Scene, caption, held_out, new_kind

ONE_OBJECT: Final = "one object"
SIZE: Final = "size"
TWO_OBJECTS: Final = "two objects"
NEW_COMBINATION: Final = "new combination"

_T = TypeVar("_T")

_COLOUR_NAMES: Final = tuple(COLOURS)
_ONE_WITH_BACKGROUND: Final = 0.45
_ONE_WITHOUT: Final = 0.1
_TWO_NAME_BACKGROUND: Final = 0.5


def random_scene(rng: np.random.Generator) -> Scene:
    """A scene, held out or not: 45 % one object with a background, 10 % one without, 45 % two objects.

    Half of the pairs name a background. Half of the objects name no size.
    """
    kind = rng.random()
    single = kind < _ONE_WITH_BACKGROUND + _ONE_WITHOUT
    named = kind < _ONE_WITH_BACKGROUND if single else rng.random() < _TWO_NAME_BACKGROUND
    background = _pick(rng, _COLOUR_NAMES) if named else None
    first = _random_object(rng, background)
    if single:
        return Scene((first,), None, background)
    second = _random_object(rng, background)
    while (second.colour, second.shape) == (first.colour, first.shape):
        second = _random_object(rng, background)
    return Scene((first, second), _pick(rng, RELATIONS), background)


def training_scene(rng: np.random.Generator) -> Scene:
    """A random scene that is not held out."""
    while True:
        scene = random_scene(rng)
        if not held_out(scene):
            return scene


def evaluation_rows(seed: int, n: int = 300) -> dict[str, list[str]]:
    """Captions that training never sees, by the row of the evaluation: `n` different ones each, in an order that
    `seed` fixes.

    ONE_OBJECT: one object without a size on a background, half of them without articles. SIZE: one small or large
    object on a background. TWO_OBJECTS: two objects without sizes, every second caption with a background.
    NEW_COMBINATION: one object whose colour and shape training never sees together, with or without a size, on a
    background. Raises ValueError if a row has fewer than `n`.
    """
    rng = np.random.default_rng(seed)
    unseen = [scene for scene in _singles((None,)) if held_out(scene) and not new_kind(scene.objects[0])]
    unseen_sized = [scene for scene in _singles(SIZES) if held_out(scene) and not new_kind(scene.objects[0])]
    new_kinds = [scene for scene in _singles((None, *SIZES)) if new_kind(scene.objects[0])]
    return {
        ONE_OBJECT: _sample(rng, [caption(scene, articles=some) for scene in unseen for some in (True, False)], n),
        SIZE: _sample(rng, [caption(scene) for scene in unseen_sized], n),
        TWO_OBJECTS: [
            caption(replace(scene, background=_background(rng, scene)) if i % 2 else scene)
            for i, scene in enumerate(_sample(rng, _unseen_pairs(), n))
        ],
        NEW_COMBINATION: _sample(rng, [caption(scene) for scene in new_kinds], n),
    }


def evaluation_captions(seed: int, n: int) -> list[str]:
    """`n` different canonical captions of single objects with a background, in an order that `seed` fixes.

    Drawn evenly from all such captions, seen in training or not. Raises ValueError if there are fewer than `n`.
    """
    return _sample(np.random.default_rng(seed), [caption(scene) for scene in _singles((None, *SIZES))], n)


def _singles(sizes: tuple[str | None, ...]) -> list[Scene]:
    return [
        Scene((Object(colour, shape, size),), None, background)
        for colour, shape, size, background in product(_COLOUR_NAMES, SHAPES, sizes, _COLOUR_NAMES)
        if colour != background
    ]


def _unseen_pairs() -> list[Scene]:
    """Pairs without sizes and background that are held out for their relation."""
    seen_kinds = [o for o in (Object(*words) for words in product(_COLOUR_NAMES, SHAPES)) if not new_kind(o)]
    pairs = [Scene((one, two), relation) for one, two in permutations(seen_kinds, 2) for relation in RELATIONS]
    return [scene for scene in pairs if held_out(scene)]


def _background(rng: np.random.Generator, scene: Scene) -> str:
    taken = {subject.colour for subject in scene.objects}
    return _pick(rng, tuple(colour for colour in COLOURS if colour not in taken))


def _sample(rng: np.random.Generator, pool: list[_T], n: int) -> list[_T]:
    if not 0 <= n <= len(pool):
        raise ValueError(f"n must be between 0 and {len(pool)} captions, not {n}.")
    return [pool[i] for i in rng.permutation(len(pool))[:n]]


def _random_object(rng: np.random.Generator, background: str | None) -> Object:
    colour = _pick(rng, _COLOUR_NAMES)
    while colour == background:
        colour = _pick(rng, _COLOUR_NAMES)
    size = _pick(rng, SIZES) if rng.random() < 0.5 else None
    return Object(colour, _pick(rng, SHAPES), size)


def _pick(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]
