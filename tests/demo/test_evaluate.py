"""The evaluation, with generators whose answers are known."""

import io
import json
from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
import numpy.typing as npt
import pytest
from rich.console import Console

from bot.demo.draw import draw
from bot.demo.evaluate import Rates, evaluate
from bot.demo.grammar import evaluation_captions, parse

Pictures = list[tuple[npt.NDArray[np.uint8], float]]

CAPTIONS = ("a red circle on a blue background", "a small green star on a black background")


def picture(text: str) -> npt.NDArray[np.uint8]:
    return draw(parse(text), np.random.default_rng(0))


def painted(texts: Sequence[str]) -> Pictures:
    """One picture for each text, ranked in this order."""
    return [(picture(text), -float(rank)) for rank, text in enumerate(texts)]


def quiet() -> Console:
    return Console(file=io.StringIO())


def test_a_perfect_generator_passes_only_if_ranking_can_help() -> None:
    report = evaluate(lambda text, seed: painted([text] * 9), CAPTIONS, console=quiet())
    assert report.object_colour == report.background == report.both == report.shape == Rates(1, 1, 1)
    assert report.missed == ()
    assert not report.passes_gate


def test_rates_are_counted_for_best_random_and_worst() -> None:
    answers = {
        CAPTIONS[0]: [CAPTIONS[0], "a red star on a blue background", "a pink circle on a blue background"],
        CAPTIONS[1]: ["a green star on a red background", CAPTIONS[1], "a pink ring on a red background"],
    }
    report = evaluate(lambda text, seed: painted(answers[text]), CAPTIONS, 3, console=quiet())
    assert (report.num_captions, report.num_images) == (2, 3)
    assert astuple(report.object_colour) == pytest.approx((1, 4 / 6, 0))
    assert astuple(report.background) == pytest.approx((0.5, 4 / 6, 0.5))
    assert astuple(report.both) == pytest.approx((0.5, 3 / 6, 0))
    assert astuple(report.shape) == pytest.approx((1, 4 / 6, 0.5))
    assert report.missed == (CAPTIONS[1],)
    assert not report.passes_gate


@pytest.mark.parametrize(("num_wrong", "passes"), [(2, True), (3, False)])
def test_the_gate_asks_for_nine_in_ten_of_the_best(num_wrong: int, passes: bool) -> None:
    captions = evaluation_captions(0, 20)
    wrong = set(captions[:num_wrong])
    blank = np.zeros((64, 64, 3), np.uint8)

    def generate(text: str, seed: int) -> Pictures:
        return [(blank if text in wrong else picture(text), 1.0), (blank, 0.0)]

    report = evaluate(generate, captions, 2, console=quiet())
    assert report.both.best == pytest.approx(1 - num_wrong / 20)
    assert report.passes_gate is passes


def test_each_caption_has_its_own_seed_and_progress_is_shown() -> None:
    asked: list[tuple[str, int]] = []

    def generate(text: str, seed: int) -> Pictures:
        asked.append((text, seed))
        return painted([text])

    console = Console(file=io.StringIO(), force_terminal=True)
    evaluate(generate, CAPTIONS, 1, console=console)
    assert asked == [(CAPTIONS[0], 0), (CAPTIONS[1], 1)]
    assert isinstance(console.file, io.StringIO)
    assert "Evaluating captions" in console.file.getvalue()


def test_a_report_becomes_json() -> None:
    report = evaluate(lambda text, seed: painted([text, "a pink ring"]), CAPTIONS, 2, console=quiet())
    read = json.loads(json.dumps(report.to_json()))
    assert read["both"] == {"best": 1.0, "random": 0.5, "worst": 0.0}
    assert read["passes_gate"] is True
    assert read["missed"] == []


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one caption"):
        evaluate(lambda text, seed: [], [], console=quiet())
    with pytest.raises(ValueError, match="teal"):
        evaluate(lambda text, seed: pytest.fail("generated too early"), [CAPTIONS[0], "a teal ring"], console=quiet())
    with pytest.raises(ValueError, match="Expected 9 pictures"):
        evaluate(lambda text, seed: painted([text]), CAPTIONS, console=quiet())
    with pytest.raises(ValueError, match="best first"):
        evaluate(lambda text, seed: painted([text] * 2)[::-1], CAPTIONS, 2, console=quiet())
