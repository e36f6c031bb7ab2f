"""The sweep of sampling parameters, with a drawing that is right or wrong as the parameters say."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bot.bench.guidance import SWEEPS, GuidanceReport, Point, measure_guidance
from bot.bench.guidance_plot import plot_guidance
from bot.demo.draw import draw
from bot.demo.evaluate import Pictures
from bot.demo.grammar import parse
from bot.requests import Sampling
from bot.startup import StartUp

CAPTIONS = ["a red circle on a blue background", "a green star on a white background"]
WRONG = "a black square on a pink background"
KEPT = Sampling(condition_scale=2.0, top_k=64, top_p=0.95, temperature=0.8)


def paint(caption: str, seed: int, sampling: Sampling) -> list[tuple[npt.NDArray[np.uint8], float]]:
    """Two pictures, the first right unless there is no guidance, the second only if there is much; equal if cold."""
    first = WRONG if sampling.condition_scale == 1.0 else caption
    second = caption if sampling.condition_scale >= 5.0 else WRONG
    texts = [first, first] if sampling.temperature == 0.3 else [first, second]
    return [(draw(parse(text), np.random.default_rng(seed)), -float(i)) for i, text in enumerate(texts)]


def paint_all(asked: Sequence[tuple[str, int, Sampling]]) -> Iterator[Pictures]:
    return (paint(*one) for one in asked)


@pytest.fixture(scope="module")
def report() -> GuidanceReport:
    return measure_guidance(paint_all, CAPTIONS, model="painter", sampling=KEPT, start_up=StartUp())


def test_one_parameter_changes_at_a_time(report: GuidanceReport) -> None:
    assert {name: tuple(point.value for point in sweep) for name, sweep in report.sweeps.items()} == dict(SWEEPS)
    rates = [(point.best, point.random) for point in report.sweeps["condition_scale"]]
    assert rates == [(0.0, 0.0), (1.0, 0.5), (1.0, 0.5), (1.0, 0.5), (1.0, 1.0), (1.0, 1.0)]
    assert {(point.best, point.random) for point in report.sweeps["top_k"]} == {(1.0, 0.5)}


def test_diversity_is_the_difference_of_two_pictures(report: GuidanceReport) -> None:
    cold, warmer = report.sweeps["temperature"][:2]
    assert (cold.best, cold.random, cold.diversity) == (1.0, 1.0, 0.0)
    squares = []
    for seed, caption in enumerate(CAPTIONS):
        one, other = (pixels / 255 for pixels, _ in paint(caption, seed, KEPT))
        squares.append(np.sqrt(np.mean((one - other) ** 2)))
    assert warmer.diversity == pytest.approx(np.mean(squares), rel=1e-5)


def test_table_and_json(report: GuidanceReport) -> None:
    lines = str(report).splitlines()
    assert lines[0].startswith("painter, 2 captions; ")
    assert lines[2].split() == ["condition_scale", "1", "0%", "0%", "0.000"]
    told = json.loads(json.dumps(report.to_json()))
    assert told["sampling"]["top_k"] == 64
    assert Point(**told["sweeps"]["top_p"][0]) == report.sweeps["top_p"][0]


def test_the_plot_is_a_picture(report: GuidanceReport, tmp_path: Path) -> None:
    plot_guidance(report, tmp_path / "guidance.png")
    with Image.open(tmp_path / "guidance.png") as picture:
        assert picture.format == "PNG"
