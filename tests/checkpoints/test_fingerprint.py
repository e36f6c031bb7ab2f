"""What tells weights of one name apart."""

from pathlib import Path

import pytest

from bot.checkpoints.fingerprint import NUM_SAMPLES, SAMPLE_BYTES, fingerprint
from bot.errors import CheckpointError


@pytest.mark.parametrize("size", [0, 10, SAMPLE_BYTES, NUM_SAMPLES * SAMPLE_BYTES])
def test_the_same_bytes_have_the_same_one_wherever_they_lie(size: int, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"x" * size)
    two.write_bytes(b"x" * size)
    assert fingerprint([one]) == fingerprint([two])
    assert len(fingerprint([one])) == 8


def test_trained_on_weights_have_another_one(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    seen = set()
    # Any byte of a small file counts; of a large one the size, its beginning and its end do in any case.
    for content in (
        b"a" * 999,
        b"a" * 998 + b"b",
        b"a" * 1000,
        b"a" * 9_000_000,
        b"b" + b"a" * 8_999_999,
        b"a" * 8_999_999 + b"b",
    ):
        file.write_bytes(content)
        seen.add(fingerprint([file]))
    assert len(seen) == 6


def test_networks_that_change_places_are_another_model(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"one")
    two.write_bytes(b"two")
    assert fingerprint([one, two]) != fingerprint([two, one])


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"gone can't be read \(No such file or directory\)"):
        fingerprint([tmp_path / "gone"])
