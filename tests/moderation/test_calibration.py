import numpy as np
import pytest

from bot.errors import ConfigError
from bot.moderation.calibration import Counts, calibrate, count, lowest_threshold, thresholds_of
from bot.moderation.image_categories import HARMLESS, Categories, Category

KNOWN = Categories(
    (Category("star", ("a star",), 0.5), Category("heart", ("a heart",), 0.25)), ("a circle",), is_calibrated=False
)
LABELS = ("a circle", "a star", "a heart")


def test_the_lowest_threshold_of_a_precision() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    truth = np.array([True, True, False, True, False])
    assert lowest_threshold(scores, truth, 1.0) == pytest.approx(0.75)
    assert lowest_threshold(scores, truth, 0.75) == pytest.approx(0.55)
    assert lowest_threshold(scores, truth, 0.6) == pytest.approx(0.25)
    assert lowest_threshold(scores, ~truth, 0.99) is None
    assert lowest_threshold(np.array([1.0, 1.0]), np.array([True, False]), 0.9) is None


def test_counts() -> None:
    counts = count(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, True]), 0.5)
    assert counts == Counts(right_hits=2, false_hits=1, missed=1, right_passes=0)
    assert [counts.precision, counts.recall] == pytest.approx([2 / 3, 2 / 3])
    assert (Counts(0, 0, 0, 3).precision, Counts(0, 0, 0, 3).recall) == (None, None)


def test_one_half_sets_the_threshold_and_the_other_measures() -> None:
    names = ["star", "star", "star", "star", HARMLESS, HARMLESS, HARMLESS, HARMLESS]
    shares = np.array([0.9, 0.8, 0.7, 0.2, 0.1, 0.4, 0.3, 0.6])
    # The softmax of two logits l and 0 is a share s for l = log(s / (1 - s)).
    logits = np.stack([np.zeros(8), np.log(shares / (1 - shares)), np.zeros(8)], axis=1).astype(np.float32)
    (star,) = calibrate(logits, LABELS, names, KNOWN, precision=1.0)
    assert star.threshold == pytest.approx(0.5)
    assert star.first == Counts(right_hits=2, false_hits=0, missed=0, right_passes=2)
    assert star.second == Counts(right_hits=1, false_hits=1, missed=1, right_passes=1)
    assert thresholds_of([star]) == {"star": star.threshold}
    told = star.to_json()
    assert (told["name"], told["second"]["precision"], told["second"]["recall"]) == ("star", 0.5, 0.5)


def test_a_category_that_can_not_be_told_apart_keeps_its_threshold() -> None:
    names = ["heart"] * 2 + [HARMLESS] * 2
    (heart,) = calibrate(np.zeros((4, 3), np.float32), LABELS, names, KNOWN, precision=0.9)
    assert heart.threshold is None
    assert heart.first == Counts(right_hits=1, false_hits=1, missed=0, right_passes=0)
    assert thresholds_of([heart]) == {}


def test_another_categorys_pictures_count_as_false_alarms() -> None:
    names = ["star"] * 2 + ["heart"] * 2 + [HARMLESS] * 2
    logits = np.array([[0, 9, 0]] * 2 + [[0, 9, 9]] * 2 + [[9, 0, 0]] * 2, np.float32)
    star, heart = calibrate(logits, LABELS, names, KNOWN, precision=1.0)
    assert star.threshold is None
    assert heart.threshold is not None
    assert heart.second == Counts(right_hits=1, false_hits=0, missed=0, right_passes=2)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["star"] * 2 + ["moon"] * 2 + [HARMLESS] * 2,
            "The folder moon is no category: there are star, heart, harmless",
        ),
        (["star"] * 2, "at least 2 pictures in the folder harmless"),
        (["star", HARMLESS, HARMLESS], "at least 2 pictures in the folder star"),
        ([HARMLESS] * 2, "harmless pictures only: add a folder named star or heart"),
    ],
)
def test_folders_that_are_of_no_use(names: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        calibrate(np.zeros((len(names), 3), np.float32), LABELS, names, KNOWN, precision=0.9)
