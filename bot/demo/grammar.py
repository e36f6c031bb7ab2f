"""Captions of the demo's synthetic world: scenes, their sentences, and which scenes training never sees.

Called by the demo's training and evaluation, on whatever thread they run on; pure.

    caption    = object [relation object] ["on" article COLOUR "background"]
    object     = article [size] COLOUR SHAPE
    relation   = "above" | "below" | "left of" | "right of"

The canonical caption has every article ("an orange star"); the one variant drops them all ("orange star").
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from types import MappingProxyType
from typing import Final

import numpy as np

RGB = tuple[int, int, int]

COLOURS: Final[Mapping[str, RGB]] = MappingProxyType(
    {
        "red": (220, 40, 40),
        "green": (50, 170, 70),
        "blue": (50, 90, 220),
        "yellow": (245, 215, 60),
        "orange": (245, 145, 40),
        "purple": (140, 60, 180),
        "pink": (245, 150, 190),
        "black": (20, 20, 20),
        "white": (250, 250, 250),
        "gray": (140, 140, 140),
    }
)
SHAPES: Final = ("circle", "square", "triangle", "star", "heart", "diamond", "ring", "cross")
SIZES: Final = ("small", "large")
RELATIONS: Final = ("above", "below", "left of", "right of")

_COLOUR_NAMES: Final = tuple(COLOURS)
_ARTICLES: Final = ("a", "an")
# Where a caption names no background, the first of these that no object has is painted.
_DEFAULT_BACKDROPS: Final = ("white", "gray", "black")

_ONE_WITH_BACKGROUND: Final = 0.55
_ONE_WITHOUT: Final = 0.15
_TWO_NAME_BACKGROUND: Final = 0.5
_HOLD_OUT_ONE_IN: Final = 20


@dataclass(frozen=True, slots=True)
class Object:
    """One figure. size None leaves the choice to the painter. Raises ValueError for unknown words."""

    colour: str
    shape: str
    size: str | None = None

    def __post_init__(self) -> None:
        _require("colour", self.colour, _COLOUR_NAMES)
        _require("shape", self.shape, SHAPES)
        if self.size is not None:
            _require("size", self.size, SIZES)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a caption describes: one object, or two of which the first is `relation` the second.

    Raises ValueError for a scene that can't be seen: an object in the background's colour, two objects of equal
    colour and shape, a relation without two objects or two objects without one.
    """

    objects: tuple[Object, ...]
    relation: str | None = None
    background: str | None = None

    def __post_init__(self) -> None:
        if len(self.objects) not in (1, 2):
            raise ValueError(f"A scene has one or two objects, not {len(self.objects)}.")
        if (self.relation is None) != (len(self.objects) == 1):
            raise ValueError("A relation joins exactly two objects.")
        if self.relation is not None:
            _require("relation", self.relation, RELATIONS)
        if len({(o.colour, o.shape) for o in self.objects}) != len(self.objects):
            raise ValueError("The two objects of a scene must differ in colour or shape.")
        if self.background is not None:
            _require("background", self.background, _COLOUR_NAMES)
            if any(o.colour == self.background for o in self.objects):
                raise ValueError(f"A {self.background} object can't be seen on a {self.background} background.")

    @property
    def backdrop(self) -> str:
        """The colour behind the objects: the background, or else the first of white, gray and black that is free.

        A fixed rule, so that captions without a background can be learnt.
        """
        if self.background is not None:
            return self.background
        taken = {o.colour for o in self.objects}
        return next(colour for colour in _DEFAULT_BACKDROPS if colour not in taken)


def caption(scene: Scene, *, articles: bool = True) -> str:
    """The sentence for a scene: canonical, or with every article dropped."""
    words = _object_words(scene.objects[0], articles)
    if scene.relation is not None:
        words += [scene.relation, *_object_words(scene.objects[1], articles)]
    if scene.background is not None:
        words += ["on", *_with_article([scene.background], articles), "background"]
    return " ".join(words)


def parse(text: str) -> Scene:
    """The scene of a caption; inverse of `caption`. Articles may be missing or wrong, case does not matter.

    Raises ValueError that names the first word that does not fit, or what makes the scene impossible to see.
    """
    words = _Words(text.lower().split())
    objects = [_parse_object(words)]
    relation = None
    if words.peek() not in ("on", ""):
        relation = words.take("relation", RELATIONS)
        objects.append(_parse_object(words))
    background = None
    if words.peek():
        words.expect("on")
        words.skip(_ARTICLES)
        background = words.take("colour", _COLOUR_NAMES)
        words.expect("background")
    if words.peek():
        raise ValueError(f'Nothing may follow the background, but "{words.peek()}" does.')
    return Scene(tuple(objects), relation, background)


def random_scene(rng: np.random.Generator) -> Scene:
    """A scene, held out or not: 55 % one object with a background, 15 % one without, 30 % two objects.

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


def one_word_off(scene: Scene, rng: np.random.Generator) -> Scene:
    """A scene whose caption differs in one word (a colour, shape, background or relation) and so tells another picture.

    Sizes stay: without one, a picture fits both.
    """
    while True:
        i = int(rng.integers(len(scene.objects)))
        changed = {
            "colour": lambda o: replace(o, colour=_pick(rng, _COLOUR_NAMES)),
            "shape": lambda o: replace(o, shape=_pick(rng, SHAPES)),
        }
        kinds = [*changed, *(["background"] if scene.background else []), *(["relation"] if scene.relation else [])]
        kind = _pick(rng, kinds)
        try:
            if kind == "background":
                other = replace(scene, background=_pick(rng, _COLOUR_NAMES))
            elif kind == "relation":
                other = replace(scene, relation=_pick(rng, RELATIONS))
            else:
                objects = tuple(changed[kind](o) if j == i else o for j, o in enumerate(scene.objects))
                other = replace(scene, objects=objects)
        except ValueError:
            continue
        if other != scene:
            return other


def held_out(scene: Scene) -> bool:
    """Whether training must skip this scene: about one in twenty (colour, shape, background) of single objects.

    The rule is CRC-32 of the three words, so it is the same everywhere and needs no list. Sizes share their fate.
    """
    if len(scene.objects) != 1 or scene.background is None:
        return False
    subject = scene.objects[0]
    digest = zlib.crc32(f"{subject.colour} {subject.shape} {scene.background}".encode())
    return digest % _HOLD_OUT_ONE_IN == 0


def evaluation_captions(seed: int, n: int, *, only_held_out: bool = False) -> list[str]:
    """`n` different canonical captions of single objects with a background, in an order that `seed` fixes.

    Drawn evenly from all such captions, seen in training or not; `only_held_out` keeps those that were not.
    Raises ValueError if there are fewer than `n`.
    """
    pool = [
        Scene((Object(colour, shape, size),), None, background)
        for colour, shape, size, background in product(_COLOUR_NAMES, SHAPES, (None, *SIZES), _COLOUR_NAMES)
        if colour != background
    ]
    if only_held_out:
        pool = [scene for scene in pool if held_out(scene)]
    if not 0 <= n <= len(pool):
        raise ValueError(f"n must be between 0 and {len(pool)} evaluation captions, not {n}.")
    chosen = np.random.default_rng(seed).permutation(len(pool))[:n]
    return [caption(pool[i]) for i in chosen]


class _Words:
    """A cursor over a caption's words."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)

    def peek(self) -> str:
        """The next word, or "" at the end."""
        return self._words[0] if self._words else ""

    def skip(self, words: Sequence[str]) -> None:
        if self.peek() in words:
            del self._words[0]

    def expect(self, word: str) -> None:
        """Consumes exactly this word."""
        if self.peek() != word:
            raise ValueError(f'Expected "{word}", {_instead(self.peek())}.')
        del self._words[0]

    def take(self, kind: str, choices: Sequence[str]) -> str:
        """Consumes the one of `choices` (each of one or more words) that comes next."""
        for choice in choices:
            length = len(choice.split())
            if " ".join(self._words[:length]) == choice:
                del self._words[:length]
                return choice
        _require(kind, self.peek(), choices)
        raise AssertionError("unreachable: the next word is none of the choices")


def _parse_object(words: _Words) -> Object:
    words.skip(_ARTICLES)
    size = words.take("size", SIZES) if words.peek() in SIZES else None
    colour = words.take("colour", _COLOUR_NAMES)
    return Object(colour, words.take("shape", SHAPES), size)


def _require(kind: str, word: str, choices: Sequence[str]) -> None:
    if word not in choices:
        raise ValueError(f"Expected a {kind}, {_instead(word)}. Known: {', '.join(choices)}.")


def _instead(word: str) -> str:
    return f'not "{word}"' if word else "but the caption ends"


def _object_words(subject: Object, articles: bool) -> list[str]:
    words = [subject.colour, subject.shape]
    if subject.size is not None:
        words.insert(0, subject.size)
    return _with_article(words, articles)


def _with_article(words: list[str], articles: bool) -> list[str]:
    if not articles:
        return words
    return ["an" if words[0][0] in "aeiou" else "a", *words]


def _random_object(rng: np.random.Generator, background: str | None) -> Object:
    colour = _pick(rng, _COLOUR_NAMES)
    while colour == background:
        colour = _pick(rng, _COLOUR_NAMES)
    size = _pick(rng, SIZES) if rng.random() < 0.5 else None
    return Object(colour, _pick(rng, SHAPES), size)


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]
