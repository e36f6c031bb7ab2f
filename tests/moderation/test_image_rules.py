"""Scores of categories from logits that can be computed by hand, and the rules that count for them."""

import numpy as np
import pytest

from bot.image_rule import ImageAction, ImageRule
from bot.moderation.image_categories import Categories, Category, read_categories
from bot.moderation.image_rules import category_scores, judge, keeps_from_sight, labels_of
from bot.requests import GeneratedImage, GenerationRequest

STAR = Category("black_star", ("a black star", "a dark star"), 0.5)
HEART = Category("heart", ("a heart",), 0.9)
KNOWN = Categories((STAR, HEART), ("a circle", "a square"), is_calibrated=False)
LABELS = ("a circle", "a square", "a black star", "a dark star", "a heart")


def image(*logits: float) -> GeneratedImage:
    pixels, tokens, vector = np.zeros((8, 8, 3), np.uint8), np.zeros(4, np.int32), np.zeros(4, np.float32)
    return GeneratedImage(0, pixels, tokens, 1.0, vector, np.array(logits, np.float32))


def test_the_score_is_the_share_of_the_categorys_texts() -> None:
    logits = np.log(np.array([[1, 2, 3, 4, 90]], np.float32))
    assert category_scores(logits, LABELS, STAR.texts, KNOWN.neutral) == pytest.approx([7 / 10])
    assert category_scores(logits, LABELS, HEART.texts, KNOWN.neutral) == pytest.approx([90 / 93])


def test_logits_of_a_real_clip_are_no_problem() -> None:
    logits = np.array([[1e4, 0, 0, 0, 0], [0, 0, 1e4, 0, 0], [-1e4] * 5], np.float32)
    assert category_scores(logits, LABELS, STAR.texts, KNOWN.neutral) == pytest.approx([0, 1, 0.5])


def test_labels_are_those_that_the_rules_need() -> None:
    star = ImageRule("black_star", ImageAction.HOLD)
    assert labels_of([star], KNOWN) == ("a circle", "a square", "a black star", "a dark star")
    assert labels_of([star, ImageRule("heart", ImageAction.WARN)], KNOWN) == LABELS
    assert labels_of([], KNOWN) == ()
    assert labels_of([ImageRule("unknown", ImageAction.HOLD)], KNOWN) == ()


def test_all_shipped_categories_at_once_are_a_request() -> None:
    shipped = read_categories()
    labels = labels_of([ImageRule(each.name, ImageAction.HOLD) for each in shipped.categories], shipped)
    assert GenerationRequest("a cat", 1, seed=1, requester="1", labels=labels).labels == labels


def test_which_rules_count_for_which_pictures() -> None:
    rules = [ImageRule("heart", ImageAction.WARN), ImageRule("black_star", ImageAction.HOLD)]
    images = [image(0, 0, 0, 0, 9), image(9, 0, 0, 0, 0), image(0, 0, 5, 0, 0), image(0, 0, 9, 0, 0)]
    hits = judge(images, LABELS, rules, KNOWN)
    assert [(hit.rank, hit.category, hit.action) for hit in hits] == [
        (4, "black_star", ImageAction.HOLD),
        (3, "black_star", ImageAction.HOLD),
        (1, "black_star", ImageAction.HOLD),
        (1, "heart", ImageAction.WARN),
    ]
    assert hits[0].score == pytest.approx((np.exp(9) + 1) / (np.exp(9) + 3))
    assert hits[2].score == 0.5
    assert hits[2].threshold == 0.5


def test_a_guilds_own_threshold_counts_instead() -> None:
    images = [image(0, 0, 0, 0, 0)]
    assert [
        hit.threshold for hit in judge(images, LABELS, [ImageRule("black_star", ImageAction.HOLD, 0.4)], KNOWN)
    ] == [0.4]
    assert judge(images, LABELS, [ImageRule("black_star", ImageAction.HOLD, 0.51)], KNOWN) == ()


def test_a_rule_that_came_after_the_request_does_not_count() -> None:
    only_star = LABELS[:4]
    rules = [ImageRule("heart", ImageAction.REFUSE, 0.0), ImageRule("gone", ImageAction.REFUSE, 0.0)]
    assert judge([image(0, 0, 0, 0)], only_star, rules, KNOWN) == ()
    assert judge([image()], (), rules, KNOWN) == ()
    assert judge([], LABELS, rules, KNOWN) == ()


@pytest.mark.parametrize(
    ("rules", "keeps"),
    [
        ([], False),
        ([ImageRule("black_star", ImageAction.WARN)], False),
        ([ImageRule("black_star", ImageAction.SPOILER)], True),
        ([ImageRule("heart", ImageAction.WARN), ImageRule("black_star", ImageAction.STRIKE)], True),
        ([ImageRule("unknown", ImageAction.HOLD)], False),
    ],
)
def test_whether_a_rule_can_keep_a_picture_from_sight(rules: list[ImageRule], keeps: bool) -> None:
    assert keeps_from_sight(rules, KNOWN) is keeps
