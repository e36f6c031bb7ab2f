"""What pictures look like, by CLIP's scores for short texts, and what a guild makes of that. Pure; NumPy only.

The score of a category c is the share of its texts in a softmax over them and the neutral texts:

    score(c) = sum of exp(l_t) over t in c  /  sum of exp(l_t) over t in c and the neutral ones

where l_t is CLIP's logit of a picture and a text, the cosine times exp(logit_scale): zero-shot classification as in
Radford et al. 2021 (arXiv:2103.00020, section 3.1), once for each category, so that no threshold depends on which
others are switched on. The logits come from the ranking pass, in GeneratedImage.label_scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bot.image_rule import ImageAction, ImageRule
from bot.moderation.image_categories import Categories
from bot.requests import GeneratedImage

Logits = npt.NDArray[np.float32]

_KEEPS_FROM_SIGHT: Final = frozenset(ImageAction) - {ImageAction.WARN}


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that counts for a picture. rank: the picture's, 1 is the best. score: at least `threshold`."""

    rank: int
    category: str
    action: ImageAction
    score: float
    threshold: float


def labels_of(rules: Sequence[ImageRule], categories: Categories) -> tuple[str, ...]:
    """For GenerationRequest: every text that the rules need; () if no category of theirs is known."""
    texts = [text for rule in rules if (known := categories.get(rule.category)) for text in known.texts]
    return (*categories.neutral, *texts) if texts else ()


def keeps_from_sight(rules: Sequence[ImageRule], categories: Categories) -> bool:
    """Whether a rule can keep a picture from being seen, so that unfinished ones can't be shown either."""
    return any(rule.action in _KEEPS_FROM_SIGHT and categories.get(rule.category) for rule in rules)


def category_scores(
    logits: Logits, labels: Sequence[str], texts: Sequence[str], neutral: Sequence[str]
) -> npt.NDArray[np.float64]:
    """[pictures, len(labels)] -> [pictures], in 0..1: the module's formula. texts: of the category, among labels."""
    place = {label: i for i, label in enumerate(labels)}
    ours = logits[:, [place[text] for text in texts]].astype(np.float64)
    others = logits[:, [place[text] for text in neutral]].astype(np.float64)
    largest = np.maximum(ours.max(axis=1), others.max(axis=1))[:, None]
    mass, rest = np.exp(ours - largest).sum(axis=1), np.exp(others - largest).sum(axis=1)
    scores: npt.NDArray[np.float64] = mass / (mass + rest)
    return scores


def judge(
    images: Sequence[GeneratedImage], labels: Sequence[str], rules: Sequence[ImageRule], categories: Categories
) -> tuple[Hit, ...]:
    """Which rules count for which pictures, the strongest action first, then the highest score.

    images: best first. labels: of their request; a rule whose texts aren't all among them, since it was made later,
    doesn't count.
    """
    if not images or not labels:
        return ()
    logits = np.stack([image.label_scores for image in images])
    hits = []
    for rule in rules:
        category = categories.get(rule.category)
        if category is None or not {*category.texts, *categories.neutral} <= set(labels):
            continue
        threshold = category.threshold if rule.threshold is None else rule.threshold
        scores = category_scores(logits, labels, category.texts, categories.neutral)
        hits += [
            Hit(rank, category.name, rule.action, float(score), threshold)
            for rank, score in enumerate(scores, 1)
            if score >= threshold
        ]
    return tuple(sorted(hits, key=lambda hit: (-hit.action.severity, -hit.score, hit.rank)))
