"""The evaluation, with generators whose answers are known."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple

import numpy as np
import numpy.typing as npt
import pytest
from rich.console import Console

from bot.demo.draw import draw
from bot.demo.evaluate import GOALS, Generate, Pictures, evaluate
from bot.demo.grammar import parse
from bot.demo.report import Rates
from bot.demo.scenes import ONE_OBJECT, SIZE, TWO_OBJECTS, evaluation_rows

CIRCLE = "a red circle on a blue background"
STAR = "a small green star on a black background"


def picture(text: str) -> npt.NDArray[np.uint8]:
    return draw(parse(text), np.random.default_rng(0))


def painted(texts: Sequence[str]) -> Pictures:
    """One picture for each text, ranked in this order."""
    return [(picture(text), -float(rank)) for rank, text in enumerate(texts)]


def answering(answer: Callable[[str], Pictures]) -> Generate:
    """A generator that knows each caption's pictures."""

    def generate(asked: Sequence[tuple[str, int]]) -> Iterator[Pictures]:
        return (answer(text) for text, _ in asked)

    return generate


def quiet() -> Console:
    return Console(file=io.StringIO())


def test_a_perfect_generator_passes() -> None:
    rows = evaluation_rows(0, 2)
    report = evaluate(answering(lambda text: painted([text] * 2)), rows, 2, console=quiet())
    assert list(report.rows) == list(rows) == list(GOALS)
    for row in report.rows.values():
        assert row.entirely_right == Rates(2, 1, 1, 1)
        assert set(astuple(row.best)) == {1}
        assert row.missed == ()
        assert row.where_it_errs is None
    assert report.where_it_errs is None
    assert report.passes_gate


def test_rates_are_counted_for_best_random_and_worst() -> None:
    answers = {
        CIRCLE: [CIRCLE, "a red star on a blue background", "a pink circle on a blue background"],
        STAR: ["a small green star on a red background", STAR, "a large pink ring on a red background"],
    }
    rows = {ONE_OBJECT: [CIRCLE], SIZE: [STAR, STAR]}
    report = evaluate(answering(lambda text: painted(answers[text])), rows, 3, console=quiet())
    assert report.num_images == 3
    assert report.rows[ONE_OBJECT].entirely_right == Rates(1, 1, 1 / 3, 0)
    assert report.rows[ONE_OBJECT].missed == ()
    assert report.rows[SIZE].entirely_right == Rates(2, 0, 1 / 3, 0)
    assert report.rows[SIZE].missed == (STAR, STAR)
    assert report.rows[SIZE].best.background == 0
    assert report.rows[SIZE].best.object_colour == report.rows[SIZE].best.shape == report.rows[SIZE].best.size == 1
    assert report.where_it_errs == Rates(3, 1 / 3, 1 / 3, 0)
    assert not report.passes_gate


def test_each_criterion_counts_its_own_errors() -> None:
    pair = "a red circle left of a blue star"
    answers = {
        "a small red circle": "a large red circle",
        "a red star": "a red ring",
        "a red circle": pair,
        "a pink heart": "a red heart",
        "a green cross": "a green cross on a blue background",
        "a red circle above a blue star": pair,
    }
    report = evaluate(answering(lambda text: painted([answers[text]])), {"all": list(answers)}, 1, console=quiet())
    assert astuple(report.rows["all"].best) == pytest.approx([5 / 6] * 6)
    assert report.rows["all"].entirely_right.best == 0


def test_where_it_errs_leaves_out_what_is_always_right() -> None:
    pair = "a red circle left of a blue star"
    answers = {CIRCLE: [CIRCLE] * 2, STAR: [STAR, CIRCLE], pair: [STAR, pair]}
    rows = {SIZE: [CIRCLE, STAR], TWO_OBJECTS: [pair]}
    report = evaluate(answering(lambda text: painted(answers[text])), rows, 2, console=quiet())
    assert report.rows[SIZE].where_it_errs == Rates(1, 1, 0.5, 0)
    assert report.rows[TWO_OBJECTS].where_it_errs == Rates(1, 0, 0.5, 1)
    assert report.where_it_errs == Rates(2, 0.5, 0.5, 0.5)


def test_each_caption_has_its_own_seed_and_progress_is_shown() -> None:
    asked: list[tuple[str, int]] = []

    def generate(all_asked: Sequence[tuple[str, int]]) -> Iterator[Pictures]:
        asked.extend(all_asked)
        return (painted([text]) for text, _ in all_asked)

    console = Console(file=io.StringIO(), force_terminal=True)
    evaluate(generate, {ONE_OBJECT: [CIRCLE, CIRCLE], SIZE: [STAR]}, 1, console=console)
    assert asked == [(CIRCLE, 0), (CIRCLE, 1), (STAR, 0)]
    assert isinstance(console.file, io.StringIO)
    assert "Evaluating captions" in console.file.getvalue()


def test_bad_input_is_refused() -> None:
    for nothing in ({}, {ONE_OBJECT: [CIRCLE], SIZE: []}):
        with pytest.raises(ValueError, match="at least one caption"):
            evaluate(answering(lambda text: []), nothing, console=quiet())
    rows = {ONE_OBJECT: [CIRCLE, "a teal ring"]}
    with pytest.raises(ValueError, match="teal"):
        evaluate(answering(lambda text: pytest.fail("generated too early")), rows, console=quiet())
    with pytest.raises(ValueError, match="Expected 9 pictures"):
        evaluate(answering(lambda text: painted([text])), {ONE_OBJECT: [CIRCLE]}, console=quiet())
    with pytest.raises(ValueError, match="shorter"):
        evaluate(lambda asked: iter([]), {ONE_OBJECT: [CIRCLE]}, 1, console=quiet())
    with pytest.raises(ValueError, match="best first"):
        evaluate(answering(lambda text: painted([text] * 2)[::-1]), {ONE_OBJECT: [CIRCLE]}, 2, console=quiet())
