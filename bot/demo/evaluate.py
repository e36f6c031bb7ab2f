"""How often a generator paints what the captions say, and whether its ranking helps: the demo's gate.

Called by `dalle-bot train-demo --evaluate` on the thread that it runs on. The generator is injected, so nothing here
knows of networks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from bot.demo.grammar import Scene, parse
from bot.demo.report import CRITERIA, Criteria, Rates, Report, Row
from bot.demo.scenes import NEW_COMBINATION, ONE_OBJECT, SIZE, TWO_OBJECTS
from bot.demo.verify import Verdict, verify

Pictures = Sequence[tuple[npt.NDArray[np.uint8], float]]
"""Pixels uint8 [height, width, 3] with their scores, best first."""

Generate = Callable[[Sequence[tuple[str, int]]], Iterator[Pictures]]
"""Captions with their seeds -> the pictures of each, in this order."""

# The share of captions whose best-ranked picture must be entirely right, by row.
GOALS: Final[Mapping[str, float]] = MappingProxyType(
    {ONE_OBJECT: 0.98, SIZE: 0.95, TWO_OBJECTS: 0.90, NEW_COMBINATION: 0.85}
)


def evaluate(
    generate: Generate, rows: Mapping[str, Sequence[str]], images: int = 9, *, console: Console | None = None
) -> Report:
    """Generates `images` pictures for every caption and judges all of them.

    rows: captions by row, as from `evaluation_rows`; a row that GOALS does not name has no goal. Caption i of a row is
    generated with seed i. Progress goes to `console`, or to stderr. Raises ValueError if there are no captions, if one
    is not in the grammar (before anything is generated), or if `generate` gives another number of results or pictures,
    or an order that is not best first.
    """
    if not rows or not all(rows.values()):
        raise ValueError("An evaluation needs rows of at least one caption each.")
    work = [(name, seed, text, parse(text)) for name, texts in rows.items() for seed, text in enumerate(texts)]
    shown = track(work, description="Evaluating captions", console=console or Console(stderr=True), transient=True)
    judged: dict[str, list[list[Verdict]]] = {name: [] for name in rows}
    generated = generate([(text, seed) for _, seed, text, _ in work])
    for (name, _, text, scene), pictures in zip(shown, generated, strict=True):
        judged[name].append(_judge(pictures, scene, text, images))
    return Report(
        num_images=images,
        rows={name: _row(texts, judged[name], GOALS.get(name)) for name, texts in rows.items()},
        where_it_errs=_where_it_errs(_right([verdicts for row in judged.values() for verdicts in row])),
    )


def _judge(pictures: Pictures, scene: Scene, text: str, images: int) -> list[Verdict]:
    if len(pictures) != images:
        raise ValueError(f'Expected {images} pictures of "{text}", got {len(pictures)}.')
    scores = [score for _, score in pictures]
    if scores != sorted(scores, reverse=True):
        raise ValueError(f'The pictures of "{text}" are not in the order of their scores, best first.')
    return [verify(pixels, scene) for pixels, _ in pictures]


def _row(captions: Sequence[str], verdicts: list[list[Verdict]], goal: float | None) -> Row:
    right = _right(verdicts)
    best = [_criteria(of_caption[0]) for of_caption in verdicts]
    return Row(
        num_captions=len(captions),
        goal=goal,
        entirely_right=_rates(right),
        where_it_errs=_where_it_errs(right),
        best=Criteria(**{name: float(np.mean([getattr(c, name) for c in best])) for name in CRITERIA}),
        missed=tuple(text for text, ok in zip(captions, right[:, 0], strict=True) if not ok),
    )


def _right(verdicts: list[list[Verdict]]) -> npt.NDArray[np.bool_]:
    """Which pictures are entirely right: bool [captions, images], images best first."""
    return np.array([[verdict.entirely_right for verdict in of_caption] for of_caption in verdicts], np.bool_)


def _criteria(verdict: Verdict) -> Criteria:
    return Criteria(
        object_colour=all(verdict.colours_ok),
        background=verdict.background_ok,
        shape=all(verdict.shapes_ok),
        size=all(verdict.sizes_ok),
        relation=verdict.relation_ok,
        count=verdict.count_ok,
    )


def _rates(right: npt.NDArray[np.bool_]) -> Rates:
    return Rates(
        num_captions=len(right),
        best=float(right[:, 0].mean()),
        random=float(right.mean()),
        worst=float(right[:, -1].mean()),
    )


def _where_it_errs(right: npt.NDArray[np.bool_]) -> Rates | None:
    """Over the captions of which not every picture is right; there alone ranking can help."""
    erring = right[~right.all(axis=1)]
    return _rates(erring) if len(erring) else None
