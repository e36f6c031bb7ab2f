from pathlib import Path

import pytest

from bot.checkpoints.tokenizers import ClipTokenizer
from bot.errors import ConfigError
from bot.fetch.locate import DEMO_FOLDER
from bot.moderation.image_categories import Categories, Category, read_categories
from bot.requests import MAX_LABELS

WHOLE = """
is_calibrated = true
neutral = ["a red circle", "ein „Kreis“ \\"x\\""]
[categories.black_star]
texts = ["a black star"]
threshold = 0.5
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "categories.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_ones_are_uncalibrated_and_fit_into_one_request() -> None:
    shipped = read_categories()
    assert not shipped.is_calibrated
    texts = [*shipped.neutral, *(text for each in shipped.categories for text in each.texts)]
    assert len(texts) == len(set(texts)) <= MAX_LABELS
    assert {"nudity", "blood", "weapons"} <= {each.name for each in shipped.categories}


def test_even_the_smallest_clip_reads_the_shipped_texts() -> None:
    shipped = read_categories()
    texts = [*shipped.neutral, *(text for each in shipped.categories for text in each.texts)]
    encoded = ClipTokenizer.load(DEMO_FOLDER / "clip", 32).encode(texts)
    assert not any(encoded.num_dropped)


def test_a_file_survives_writing(tmp_path: Path) -> None:
    known = read_categories(written(tmp_path, WHOLE))
    assert known.categories == (Category("black_star", ("a black star",), 0.5),)
    assert known.is_calibrated
    assert read_categories(written(tmp_path, known.to_toml())) == known
    assert read_categories(written(tmp_path, read_categories().to_toml())) == read_categories()


def test_new_thresholds() -> None:
    one, two = Category("one", ("1",), 0.5), Category("two", ("2",), 0.5)
    known = Categories((one, two), ("a",), is_calibrated=False)
    some, all_ = known.with_thresholds({"two": 0.25}), known.with_thresholds({"two": 0.25, "one": 0.75})
    assert [each.threshold for each in some.categories] == [0.5, 0.25]
    assert [each.threshold for each in all_.categories] == [0.75, 0.25]
    assert (some.is_calibrated, all_.is_calibrated) == (False, True)
    assert known.get("two") == two
    assert known.get("three") is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("is_calibrated = true", "is_calibrated = 1", "is_calibrated must be true or false"),
        ("is_calibrated", "calibrated", "the file has no key calibrated; there are categories, is_calibrated, neutral"),
        ("[categories.black_star]", "[categories.Star]", "categories.Star must have another name"),
        ("[categories.black_star]", "[categories.harmless]", "categories.harmless must have another name"),
        ("threshold = 0.5", "threshold = 0", r"categories.black_star.threshold must be a number above 0"),
        ("threshold = 0.5", "", r"categories.black_star.threshold must be a number"),
        ('["a black star"]', "[]", "categories.black_star.texts must be a list of one text or more"),
        ('["a black star"]', '["!!!"]', "categories.black_star.texts: The prompt has no letters"),
        ('["a black star"]', '["a red circle"]', "“a red circle” stands there twice"),
        ('["a black star"]', str([f"text {i}" for i in range(63)]), "65 texts in all, at most 64 fit"),
        ("threshold = 0.5", "limit = 0.5", "categories.black_star has no key limit"),
        ("[categories.black_star]", "[categories", "is not valid TOML"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in WHOLE
    with pytest.raises(ConfigError, match=said):
        read_categories(written(tmp_path, WHOLE.replace(old, new)))


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        read_categories(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe4")
    with pytest.raises(ConfigError, match=r"not UTF-8 text \(byte 2\)"):
        read_categories(tmp_path / "latin.toml")
    with pytest.raises(ConfigError, match="there must be 1 to 25 tables"):
        read_categories(written(tmp_path, 'neutral = ["a"]'))
