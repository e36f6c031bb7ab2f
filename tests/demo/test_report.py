"""What a report decides and how it reads."""

import json

import pytest

from bot.demo.report import Criteria, Rates, Report, Row


def row(best: float, goal: float | None, erring: Rates | None = None) -> Row:
    criteria = Criteria(object_colour=1, background=1, shape=best, size=1, relation=1, count=1)
    return Row(20, goal, Rates(20, best, best, best), erring, criteria, ("a red ring",) if best < 1 else ())


@pytest.mark.parametrize(("best", "reaches"), [(0.85, True), (0.9, True), (0.84, False)])
def test_a_row_must_reach_its_goal(best: float, reaches: bool) -> None:
    report = Report(9, {"easy": row(1, 0.98), "hard": row(best, 0.85), "free": row(0, None)}, None)
    assert report.rows["hard"].reaches_goal is reaches
    assert report.rows["free"].reaches_goal
    assert report.passes_gate is reaches


@pytest.mark.parametrize(("best", "random", "passes"), [(0.9, 0.6, True), (0.6, 0.6, False), (0.5, 0.6, False)])
def test_ranking_must_beat_chance_where_the_generator_errs(best: float, random: float, passes: bool) -> None:
    assert Report(9, {"row": row(1, 0.9)}, Rates(5, best, random, 0)).passes_gate is passes


def test_a_report_becomes_json() -> None:
    report = Report(9, {"some": row(0.5, 0.9, Rates(10, 0, 0.25, 0.5))}, None)
    read = json.loads(json.dumps(report.to_json()))
    assert read["num_images"] == 9
    assert read["passes_gate"] is False
    assert read["where_it_errs"] is None
    some = read["rows"]["some"]
    assert some["entirely_right"] == {"num_captions": 20, "best": 0.5, "random": 0.5, "worst": 0.5}
    assert some["where_it_errs"]["random"] == 0.25
    assert (some["goal"], some["reaches_goal"], some["missed"]) == (0.9, False, ["a red ring"])
    assert some["best"]["shape"] == 0.5


def test_a_report_reads_as_tables() -> None:
    erring = Rates(7, 0.75, 0.5, 0.25)
    lines = str(Report(9, {"one object": row(0.985, 0.98, erring), "free": row(0.5, None)}, erring)).splitlines()
    assert [line.split("  ")[0] for line in lines if line] == [
        "entirely right",
        "one object",
        "free",
        "one object, not all right",
        "any, not all right",
        "best-ranked",
        "one object",
        "free",
        "The gate is passed.",
    ]
    assert lines[1].split()[2:] == ["20", "98.0", "%", "98.5", "%", "98.5", "%", "98.5", "%"]
    assert lines[3].split()[-7:] == ["7", "75.0", "%", "50.0", "%", "25.0", "%"]
    assert len({len(line) for line in lines[:5]}) == 1
