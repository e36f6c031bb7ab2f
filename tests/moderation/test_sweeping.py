import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from bot.errors import InvalidParameterError
from bot.moderation.likeness import PictureHash, hash_picture
from bot.moderation.sweeping import Sweep, SweepCriteria

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def circle(radius_px: int = 40, *, colour: tuple[int, int, int] = (220, 30, 30)) -> PictureHash:
    rows, columns = np.mgrid[:128, :128]
    pixels = np.full((128, 128, 3), 240, np.uint8)
    pixels[(rows - 64) ** 2 + (columns - 64) ** 2 < radius_px**2] = colour
    found = hash_picture(pixels)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "criteria",
    [
        SweepCriteria(user_id=2**62),
        SweepCriteria(term="„Kreis*"),
        SweepCriteria(since=NOW - timedelta(days=1), until=NOW),
        SweepCriteria(hashes=(circle(), circle(20))),
        SweepCriteria(is_blocked=True, user_id=5),
    ],
)
def test_criteria_survive_json(criteria: SweepCriteria) -> None:
    assert SweepCriteria.from_json(json.loads(json.dumps(criteria.to_json()))) == criteria


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "Say what should be deleted"),
        ({"term": "/(/"}, r"\("),
        ({"term": "   "}, "A rule has 1 to"),
        ({"since": NOW, "until": NOW - timedelta(hours=1)}, "swap them"),
    ],
)
def test_what_means_nothing_is_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidParameterError, match=sentence):
        SweepCriteria(**values)


def test_a_term_is_found_in_any_spelling_and_on_word_boundaries() -> None:
    sweep = Sweep(SweepCriteria(term="ass"))
    assert sweep.fits_prompt("an A$S", None)
    assert sweep.fits_prompt("a circle", "ass")
    assert not sweep.fits_prompt("grass and a bass", None)
    assert not sweep.needs_pictures
    assert sweep.fits_pictures([])


def test_pictures_like_the_given_ones() -> None:
    sweep = Sweep(SweepCriteria(hashes=(circle(),)))
    assert sweep.needs_pictures
    assert sweep.fits_prompt("whatever", None)
    assert sweep.fits_pictures([None, circle(41)])
    assert not sweep.fits_pictures([None])
    assert not sweep.fits_pictures([circle(colour=(30, 30, 220))])


def test_pictures_like_the_rejected_ones() -> None:
    criteria = SweepCriteria(is_blocked=True)
    assert not Sweep(criteria).fits_pictures([circle()])
    assert Sweep(criteria, [circle()]).fits_pictures([circle()])


def test_what_cannot_be_compared_is_not_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.moderation.prompt_rules.MAX_FOUND", 1)
    sweep = Sweep(SweepCriteria(term="red"))
    assert sweep.fits_prompt("a red circle", None)
    assert not sweep.fits_prompt("red red red", None)
