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

# The same picture told from its other object.
_MIRRORED: Final = MappingProxyType({"right of": "left of", "below": "above"})
# What is left of a CRC-32 where a scene is held out. These remainders spread the held-out colours over the shapes, and
# leave the commonest example of the documentation, a red circle, in training.
_HELD_OUT_KINDS: Final = (6, 4)
_HELD_OUT_SINGLES: Final = (4, 1)
_HELD_OUT_PAIRS: Final = (10, 0)


@dataclass(frozen=True, slots=True)
class Object:
    """One figure. size None: the caption names none. Raises ValueError for unknown words."""

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


def held_out(scene: Scene) -> bool:
    """Whether training must skip this scene, by CRC-32 of some of its words: the same everywhere, without a list.

    An object of a new kind (see new_kind) anywhere; of the other single objects about one in four (colour, shape,
    backdrop), so that the picture of a caption without background is not seen either; of the other pairs about one in
    ten (colour, shape, relation, colour, shape), where "a left of b" shares the fate of "b right of a". Sizes never
    matter.
    """
    if any(new_kind(subject) for subject in scene.objects):
        return True
    words = [f"{subject.colour} {subject.shape}" for subject in scene.objects]
    if scene.relation is None:
        return _chosen(f"{words[0]} {scene.backdrop}", *_HELD_OUT_SINGLES)
    if scene.relation in _MIRRORED:
        words.reverse()
    return _chosen(f"{words[0]} {_MIRRORED.get(scene.relation, scene.relation)} {words[1]}", *_HELD_OUT_PAIRS)


def new_kind(subject: Object) -> bool:
    """Whether training sees this colour and this shape, but never together: 12 of the 80 combinations."""
    return _chosen(f"{subject.shape} {subject.colour}", *_HELD_OUT_KINDS)


def one_word_off(scene: Scene, rng: np.random.Generator) -> Scene:
    """A scene whose caption differs in one word and so tells another picture.

    The word is a colour, a shape, and where `scene` has them a size, the background or the relation. It leads to a
    held-out scene only from one: CLIP must not learn that what it never sees is wrong.
    """
    kinds = ["colour", "shape"]
    kinds += [kind for kind, word in (("background", scene.background), ("relation", scene.relation)) if word]
    if any(subject.size for subject in scene.objects):
        kinds.append("size")
    while True:
        kind = _pick(rng, kinds)
        try:
            other = _with_another(kind, scene, rng)
        except ValueError:
            continue
        if other != scene and (held_out(scene) or not held_out(other)):
            return other


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


def _with_another(kind: str, scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with one word drawn anew, maybe the same one. Raises ValueError where no such picture is possible."""
    if kind == "background":
        return replace(scene, background=_pick(rng, _COLOUR_NAMES))
    if kind == "relation":
        return replace(scene, relation=_pick(rng, RELATIONS))
    i = int(rng.integers(len(scene.objects)))
    subject = scene.objects[i]
    if kind == "colour":
        subject = replace(subject, colour=_pick(rng, _COLOUR_NAMES))
    elif kind == "shape":
        subject = replace(subject, shape=_pick(rng, SHAPES))
    elif subject.size is not None:
        subject = replace(subject, size=_pick(rng, SIZES))
    return replace(scene, objects=(*scene.objects[:i], subject, *scene.objects[i + 1 :]))


def _chosen(words: str, divisor: int, remainder: int) -> bool:
    return zlib.crc32(words.encode()) % divisor == remainder


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]
