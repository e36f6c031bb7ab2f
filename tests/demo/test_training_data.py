"""A training goes on with the pictures that it began with."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from bot.demo.pictures import Pictures
from bot.demo.training_data import expect_same_data
from bot.errors import ConfigError


@dataclass(frozen=True)
class Digest:
    digest: str


def pictures(digest: str) -> Pictures:
    return cast(Pictures, Digest(digest))


def test_the_same_pictures_may_lie_elsewhere(tmp_path: Path) -> None:
    for data in (tmp_path / "cats", tmp_path / "moved", None):
        expect_same_data(tmp_path, data, pictures("same"))


@pytest.mark.parametrize(
    ("began", "goes_on", "complaint"),
    [
        (None, "cats", r"began with the demo's own pictures; go on with these"),
        ("cats", None, r"began with --data .*/cats; go on with these"),
        ("cats", "dogs", r"began with --data .*/cats; go on with these"),
        ("cats", "cats", r"began with --data .*/cats, which have changed since"),
        (None, None, r"began with the demo's own pictures, which have changed since"),
    ],
)
def test_other_pictures_are_refused(tmp_path: Path, began: str | None, goes_on: str | None, complaint: str) -> None:
    first, second = (None if name is None else tmp_path / name for name in (began, goes_on))
    expect_same_data(tmp_path, first, pictures("one"))
    with pytest.raises(ConfigError, match=rf"^--data: .*{complaint}.* name another folder for --work\."):
        expect_same_data(tmp_path, second, pictures("two"))


@pytest.mark.parametrize("content", ["", "[]", '{"digest": "one"}'])
def test_a_damaged_note_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "data.json").write_text(content, "utf-8")
    with pytest.raises(ConfigError, match=r"data\.json is damaged; remove it"):
        expect_same_data(tmp_path, None, pictures("one"))
