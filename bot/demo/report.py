"""What an evaluation of the demo found, for JSON and for reading.

Made by the evaluation, printed by `dalle-bot train-demo`; pure.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Rates:
    """Fractions of captions, in 0..1, whose picture is entirely right: the best-ranked, one taken at random (the mean
    over all pictures of a caption), the worst-ranked."""

    num_captions: int
    best: float
    random: float
    worst: float


@dataclass(frozen=True, slots=True)
class Criteria:
    """What is right, each as a fraction in 0..1 of the captions. count: as many objects as told, and nothing else."""

    object_colour: float
    background: float
    shape: float
    size: float
    relation: float
    count: float


CRITERIA: Final = tuple(field.name for field in fields(Criteria))


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of captions.

    goal: of entirely_right.best, None without one. where_it_errs: entirely right among the captions of which not all
    pictures are; None if there are none. best: each criterion for the best-ranked. missed: the captions whose
    best-ranked picture is not entirely right, in the order given.
    """

    num_captions: int
    goal: float | None
    entirely_right: Rates
    where_it_errs: Rates | None
    best: Criteria
    missed: tuple[str, ...]

    @property
    def reaches_goal(self) -> bool:
        return self.goal is None or self.entirely_right.best >= self.goal


@dataclass(frozen=True, slots=True)
class Report:
    """rows: by name. where_it_errs: as in Row, over the captions of all rows."""

    num_images: int
    rows: Mapping[str, Row]
    where_it_errs: Rates | None

    @property
    def passes_gate(self) -> bool:
        """Whether every row reaches its goal, and ranking beats a random choice wherever the generator errs."""
        ranking_helps = self.where_it_errs is None or self.where_it_errs.best > self.where_it_errs.random
        return ranking_helps and all(row.reaches_goal for row in self.rows.values())

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and booleans, for `json.dumps`."""
        rows = {
            name: {**asdict(row), "missed": list(row.missed), "reaches_goal": row.reaches_goal}
            for name, row in self.rows.items()
        }
        errs = None if self.where_it_errs is None else asdict(self.where_it_errs)
        return {"num_images": self.num_images, "rows": rows, "where_it_errs": errs, "passes_gate": self.passes_gate}

    def __str__(self) -> str:
        """A table in percent, a line for each row and criterion group."""
        head = ["entirely right", "captions", "goal", "best", "random", "worst"]
        lines = [head]
        for name, row in self.rows.items():
            goal = "" if row.goal is None else _percent(row.goal)
            lines.append([name, str(row.num_captions), goal, *_shown(row.entirely_right)])
        for name, row in self.rows.items():
            if row.where_it_errs is not None:
                lines.append(
                    [f"{name}, not all right", str(row.where_it_errs.num_captions), "", *_shown(row.where_it_errs)]
                )
        if self.where_it_errs is not None:
            lines.append(["any, not all right", str(self.where_it_errs.num_captions), "", *_shown(self.where_it_errs)])
        criteria = [["best-ranked", *(name.replace("_", " ") for name in CRITERIA)]]
        criteria += [[name, *(_percent(getattr(row.best, c)) for c in CRITERIA)] for name, row in self.rows.items()]
        verdict = "The gate is passed." if self.passes_gate else "The gate is not passed."
        return "\n".join([*_aligned(lines), "", *_aligned(criteria), "", verdict])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _shown(rates: Rates) -> list[str]:
    return [_percent(rates.best), _percent(rates.random), _percent(rates.worst)]


def _aligned(lines: list[list[str]]) -> list[str]:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))])
        for first, *rest in lines
    ]
