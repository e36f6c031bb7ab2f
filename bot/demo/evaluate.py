"""How often a generator paints what the captions say, and whether its ranking helps: the demo's gate.

Called by `dalle-bot train-demo --evaluate` on the thread that it runs on. The generator is injected, so nothing here
knows of networks.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from bot.demo.grammar import Scene, parse
from bot.demo.verify import verify

# Takes a caption and a seed, returns pixels uint8 [height, width, 3] with their scores, best first.
Generate = Callable[[str, int], Sequence[tuple[npt.NDArray[np.uint8], float]]]

GATE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Rates:
    """Fractions of captions, in 0..1, whose picture is right: the best-ranked, the worst-ranked, or one taken at
    random (the mean over all pictures of a caption)."""

    best: float
    random: float
    worst: float


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found. `both`: object colours and background in one picture. missed: the captions whose
    best-ranked picture fails `both`, in the order given."""

    num_captions: int
    num_images: int
    object_colour: Rates
    background: Rates
    both: Rates
    shape: Rates
    missed: tuple[str, ...]

    @property
    def passes_gate(self) -> bool:
        """Whether at least GATE of the best-ranked have both colours right, and ranking beats a random choice."""
        return self.both.best >= GATE and self.both.best > self.both.random

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, for `json.dumps`."""
        return {**asdict(self), "missed": list(self.missed), "passes_gate": self.passes_gate}


def evaluate(generate: Generate, captions: Sequence[str], images: int = 9, *, console: Console | None = None) -> Report:
    """Generates `images` pictures for every caption and judges all of them; caption i is generated with seed i.

    Progress goes to `console`, or to stderr. Raises ValueError if there are no captions, if one is not in the
    grammar (before anything is generated), or if `generate` returns another number of pictures or an order that is
    not best first.
    """
    if not captions:
        raise ValueError("An evaluation needs at least one caption.")
    scenes = [parse(text) for text in captions]
    shown = track(
        list(zip(captions, scenes, strict=True)),
        description="Evaluating captions",
        console=console or Console(stderr=True),
        transient=True,
    )
    # bool [captions, images, 4]: object colours, background, both, shapes; images best first.
    right = np.array([_judge(generate(text, seed), scene, text, images) for seed, (text, scene) in enumerate(shown)])
    object_colour, background, both, shape = (_rates(right[:, :, criterion]) for criterion in range(4))
    return Report(
        num_captions=len(captions),
        num_images=images,
        object_colour=object_colour,
        background=background,
        both=both,
        shape=shape,
        missed=tuple(text for text, ok in zip(captions, right[:, 0, 2], strict=True) if not ok),
    )


def _judge(
    pictures: Sequence[tuple[npt.NDArray[np.uint8], float]], scene: Scene, text: str, images: int
) -> list[tuple[bool, bool, bool, bool]]:
    if len(pictures) != images:
        raise ValueError(f'Expected {images} pictures of "{text}", got {len(pictures)}.')
    scores = [score for _, score in pictures]
    if scores != sorted(scores, reverse=True):
        raise ValueError(f'The pictures of "{text}" are not in the order of their scores, best first.')
    verdicts = [verify(pixels, scene) for pixels, _ in pictures]
    return [(all(v.colours_ok), v.background_ok, v.all_colours_ok, all(v.shapes_ok)) for v in verdicts]


def _rates(right: npt.NDArray[np.bool_]) -> Rates:
    """Of one criterion, bool [captions, images], images best first."""
    return Rates(best=float(right[:, 0].mean()), random=float(right.mean()), worst=float(right[:, -1].mean()))
