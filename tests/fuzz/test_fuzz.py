"""The short form: some hundred inputs for each target, and every input that is kept."""

import random
from pathlib import Path

import pytest

from tests.fuzz.draws import Draws, decode, encode
from tests.fuzz.fuzzing import Found, HangError, Target, fuzz, replay
from tests.fuzz.targets import TARGETS

NUM_INPUTS = 200


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_input_breaks_a_reader(name: str) -> None:
    report = fuzz(TARGETS[name], NUM_INPUTS, random.randrange(2**32), limit_s=20.0)
    if report.found is not None:
        raise AssertionError(f"{name} fails on {report.found.data!r}") from report.found.error
    assert report.num_inputs == NUM_INPUTS


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_every_kept_input_is_survived(name: str) -> None:
    assert replay(TARGETS[name], limit_s=20.0) >= 3


def test_a_crash_is_found_and_made_small() -> None:
    def check(data: bytes) -> None:
        assert b"*" not in data

    report = fuzz(Target("stars", lambda draws: encode(draws.text(["*"], 100)), check), 2000, 1)
    assert report.found is not None
    assert isinstance(report.found.error, AssertionError)
    assert report.found.data == b"*"
    assert report.num_inputs < 2000


def test_a_hang_is_found() -> None:
    def check(data: bytes) -> None:
        while b"x" in data:
            pass

    report = fuzz(Target("loops", lambda draws: encode(draws.text(["x"], 100)), check), 2000, 1, limit_s=0.1)
    assert report.found is not None
    assert isinstance(report.found.error, HangError)
    assert b"x" in report.found.data


def test_what_was_found_is_kept_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.fuzzing.CORPUS", tmp_path)

    def check(data: bytes) -> None:
        assert data != b"bad"

    target = Target("words", lambda draws: b"", check)
    assert replay(target) == 0
    file = Found(b"bad", AssertionError()).keep(target, tmp_path)
    assert file.read_bytes() == b"bad"
    with pytest.raises(AssertionError, match=f"words fails on {file.name}"):
        replay(target)


def test_the_number_of_inputs_is_what_was_asked_for() -> None:
    batches: list[int] = []
    report = fuzz(Target("any", lambda draws: bytes([draws.byte()]), lambda _: None), 100, 3, on_batch=batches.append)
    assert report.num_inputs == batches[-1] == 100


def test_inputs_are_what_their_bytes_say() -> None:
    raw = bytes(range(256))
    assert Draws(raw).text(["ab"], 50) == Draws(raw).text(["ab"], 50)
    assert Draws(b"").text(["ab"], 50) == ""
    assert Draws(b"").damaged([b"whole"]) == b"whole"
    assert decode(encode("a\ud800")) == "a\ud800"
    assert decode(b"\xff") == "\ufffd"
