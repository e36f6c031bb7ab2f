"""`dalle-bot bench guidance`: how many of the demo's pictures are right, and how they differ, by sampling parameters.

One parameter at a time takes the values of its sweep while the others stay as they are. The drawing is injected, so
nothing here knows of networks. On the thread that calls it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from bot.demo.evaluate import Pictures
from bot.demo.grammar import parse
from bot.demo.verify import verify
from bot.requests import Sampling
from bot.startup import StartUp

Draw = Callable[[Sequence[tuple[str, int, Sampling]]], Iterator[Pictures]]
"""Captions with their seeds and sampling -> the pictures of each, in this order; at least two."""

SWEEPS: Final[Mapping[str, tuple[float, ...]]] = MappingProxyType(
    {
        "condition_scale": (1.0, 1.5, 2.0, 3.0, 5.0, 10.0),
        "top_k": (1, 8, 64, 512, 0),
        "top_p": (0.5, 0.8, 0.9, 0.95, 1.0),
        "temperature": (0.3, 0.6, 0.8, 1.0, 1.3),
    }
)


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one parameter. best, random: share of captions whose best-ranked picture, or one taken at random, is
    entirely right. diversity: root of the mean squared difference of two pictures of a caption, in 0..1."""

    value: float
    best: float
    random: float
    diversity: float


@dataclass(frozen=True, slots=True)
class GuidanceReport:
    """sampling: the parameters that a sweep leaves alone. sweeps: points by parameter, in the order of SWEEPS."""

    model: str
    sampling: Sampling
    num_captions: int
    sweeps: Mapping[str, Sequence[Point]]

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        points = {name: [asdict(point) for point in sweep] for name, sweep in self.sweeps.items()}
        return {
            "model": self.model,
            "sampling": asdict(self.sampling),
            "captions": self.num_captions,
            "sweeps": points,
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        kept = ", ".join(f"{name} {value:g}" for name, value in asdict(self.sampling).items())
        yield f"{self.model}, {self.num_captions} captions; where a line names no other value: {kept}"
        yield f"{'':<24}{'best right':>12}{'random right':>14}{'diversity':>11}"
        for name, sweep in self.sweeps.items():
            for point in sweep:
                label = f"{name} {point.value:g}"
                yield f"{label:<24}{point.best:>12.0%}{point.random:>14.0%}{point.diversity:>11.3f}"


def measure_guidance(
    draw: Draw, captions: Sequence[str], *, model: str, sampling: Sampling, start_up: StartUp
) -> GuidanceReport:
    """Draws every caption with every value of SWEEPS; caption i with seed i. captions: of the demo's grammar."""
    sweeps = {}
    for name, values in SWEEPS.items():
        with start_up.stage(f"draw with {name}", total=len(values) * len(captions), unit="captions") as advance:
            points = []
            for value in values:
                judged = []
                chosen = _with(sampling, name, value)
                drawn = draw([(caption, seed, chosen) for seed, caption in enumerate(captions)])
                for caption, pictures in zip(captions, drawn, strict=True):
                    judged.append(_judge(caption, pictures))
                    advance(1)
                best, random, diversity = np.mean(judged, axis=0).tolist()
                points.append(Point(value, best, random, diversity))
            sweeps[name] = points
    return GuidanceReport(model, sampling, len(captions), sweeps)


def _with(sampling: Sampling, name: str, value: float) -> Sampling:
    changed: dict[str, Any] = {name: value}
    return replace(sampling, **changed)


def _judge(caption: str, pictures: Pictures) -> tuple[float, float, float]:
    """Of one caption: the best-ranked picture is right, the share of right ones, their diversity."""
    scene = parse(caption)
    right = [verify(pixels, scene).entirely_right for pixels, _ in pictures]
    stack = np.stack([pixels for pixels, _ in pictures]).astype(np.float32) / 255
    # Two different ones, taken at random, differ by twice the sample variance (mean of squares).
    diversity = float(np.sqrt(2 * stack.var(axis=0, ddof=1).mean()))
    return float(right[0]), float(np.mean(right)), diversity
