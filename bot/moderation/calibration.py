"""Thresholds of categories from the scores of labelled pictures. Pure; `dalle-bot calibrate` calls it.

Every second picture sets the threshold, the others tell how good it is: figures on the same pictures would flatter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bot.errors import ConfigError
from bot.moderation.image_categories import HARMLESS, Categories
from bot.moderation.image_rules import category_scores

MIN_PICTURES: Final = 2
"""Of a category and of harmless ones: one sets the threshold, one measures."""

Scores = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]

_HIGHEST: Final = 0.999999
_LOWEST: Final = 0.000001


@dataclass(frozen=True, slots=True)
class Counts:
    """Pictures by what they are and what the threshold says. precision, recall: None where nothing could be counted."""

    right_hits: int
    false_hits: int
    missed: int
    right_passes: int

    @property
    def precision(self) -> float | None:
        hits = self.right_hits + self.false_hits
        return self.right_hits / hits if hits else None

    @property
    def recall(self) -> float | None:
        there = self.right_hits + self.missed
        return self.right_hits / there if there else None


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A category with its new threshold; None if no threshold reaches the wanted precision on the first half.

    first: of the pictures that set the threshold. second: of the others.
    """

    name: str
    threshold: float | None
    first: Counts
    second: Counts

    def to_json(self) -> dict[str, Any]:
        """With precision and recall of both halves."""
        halves = {
            half: asdict(counts) | {"precision": counts.precision, "recall": counts.recall}
            for half, counts in (("first", self.first), ("second", self.second))
        }
        return {"name": self.name, "threshold": self.threshold, **halves}


def calibrate(
    logits: npt.NDArray[np.float32],
    labels: Sequence[str],
    names: Sequence[str],
    categories: Categories,
    precision: float,
) -> list[Calibrated]:
    """One entry for each category that has pictures, in the order of the categories.

    logits: [pictures, len(labels)]. names: what each picture shows, a category or HARMLESS. precision: wanted, in 0..1.
    A picture of another category counts as one that shouldn't be hit. Raises ConfigError for a name that is no
    category, or for fewer than MIN_PICTURES of one.
    """
    check_names(names, categories)
    # Within each name every second one, so that both halves hold some of all.
    order = [sum(other == name for other in names[:i]) for i, name in enumerate(names)]
    is_first = np.array([number % 2 == 0 for number in order])
    calibrated = []
    for category in categories.categories:
        if category.name not in names:
            continue
        scores = category_scores(logits, labels, category.texts, categories.neutral)
        truth = np.array([name == category.name for name in names])
        threshold = lowest_threshold(scores[is_first], truth[is_first], precision)
        used = category.threshold if threshold is None else threshold
        first, second = (count(scores[half], truth[half], used) for half in (is_first, ~is_first))
        calibrated.append(Calibrated(category.name, threshold, first, second))
    return calibrated


def lowest_threshold(scores: Scores, truth: Truth, precision: float) -> float | None:
    """The threshold of the highest recall among those of at least this precision; None if there is none.

    It lies half way between the lowest score that it hits and the next one below.
    """
    descending = np.sort(np.unique(scores))[::-1]
    best: float | None = None
    for at, score in enumerate(descending):
        counts = count(scores, truth, score)
        if counts.right_hits and counts.precision is not None and counts.precision >= precision:
            below = descending[at + 1] if at + 1 < len(descending) else 0.0
            best = float(np.clip((score + below) / 2, _LOWEST, _HIGHEST))
    return best


def count(scores: Scores, truth: Truth, threshold: float) -> Counts:
    """scores, truth: [pictures]."""
    hit = scores >= threshold
    return Counts(
        right_hits=int((hit & truth).sum()),
        false_hits=int((hit & ~truth).sum()),
        missed=int((~hit & truth).sum()),
        right_passes=int((~hit & ~truth).sum()),
    )


def thresholds_of(calibrated: Sequence[Calibrated]) -> Mapping[str, float]:
    """Of those categories that have one now."""
    return {each.name: each.threshold for each in calibrated if each.threshold is not None}


def check_names(names: Sequence[str], categories: Categories) -> None:
    """Raises ConfigError as `calibrate` does. names: of each picture."""
    known = [category.name for category in categories.categories]
    for name in dict.fromkeys([HARMLESS, *names]):
        if name != HARMLESS and name not in known:
            raise ConfigError(f"The folder {name} is no category: there are {', '.join([*known, HARMLESS])}.")
        if names.count(name) < MIN_PICTURES:
            raise ConfigError(f"There must be at least {MIN_PICTURES} pictures in the folder {name}.")
    if set(names) == {HARMLESS}:
        raise ConfigError(f"There are harmless pictures only: add a folder named {' or '.join(known)}.")
