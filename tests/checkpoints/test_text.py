"""Prompt normaliser: parity with dalle-mini 0.1.5, and bounded time."""

import json
import time
from pathlib import Path

import pytest

from bot.checkpoints.hashtags import WORDS_FILE, HashtagSplitter
from bot.checkpoints.text import PromptNormalizer
from bot.errors import CheckpointError

GOLDEN = Path(__file__).parent.parent / "golden"
WORDS = [line.split()[0] for line in (GOLDEN / "enwiki-words-frequency_stub.txt").read_text("utf-8").splitlines()]
CASES = json.loads((GOLDEN / "text.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def normalize() -> PromptNormalizer:
    return PromptNormalizer(HashtagSplitter(WORDS))


@pytest.mark.parametrize(("prompt", "expected"), list(zip(CASES["prompts"], CASES["normalized"], strict=True)))
def test_golden_prompt(normalize: PromptNormalizer, prompt: str, expected: str) -> None:
    assert normalize(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("1,234,567,890", " 1234567890"),
        ("x-y-z", " x y, z"),
        ("a.b.c 1.2.3", " a.b, c 1.2, 3"),
        ("he's 'quoted' it'll", " he's \" quoted \" it'll"),
        ('"a","b"', ' " a ", " b "'),
        ("[3] a [4] b [5]", " a, 4, b"),
        ("http://a.b/c d", " d"),
        ("<3 love", " <3 love"),
        ("aaaa bbb 11111", " a bbb 11111"),
        ("ﬁne ①", " fine 1"),
        ("#10dogs2022", " 10 dog s 2022"),
        ("#vangogh#oil", " van goghoil"),
        ("a#catpainting!", " acat painting"),
        ("#xyzcat", " x y z c a t"),
    ],
)
def test_like_original(normalize: PromptNormalizer, prompt: str, expected: str) -> None:
    """Expected values: computed with dalle-mini 0.1.5 and the golden word list."""
    assert normalize(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("<person> walks", " a person walks"),
        ("<PERSON> and a <person>", " a person and a a person"),
        ("a <person>, and <person>", " a people"),
        ("<person>,<person> and <person> dance", " people dance"),
    ],
)
def test_person_is_deterministic(normalize: PromptNormalizer, prompt: str, expected: str) -> None:
    assert {normalize(prompt) for _ in range(20)} == {expected}


def test_without_word_list_hashtags_stay_whole(tmp_path: Path) -> None:
    assert PromptNormalizer.load(tmp_path)("#NewYorkCity #cats_and_dogs") == " newyorkcity cats and dogs"


def test_loads_word_list(tmp_path: Path) -> None:
    (tmp_path / WORDS_FILE).write_text("the 90\nnew 12\n\nyork 7\n", "utf-8")
    assert PromptNormalizer.load(tmp_path)("#newyork") == " new york"


def test_empty_word_list_is_named(tmp_path: Path) -> None:
    (tmp_path / WORDS_FILE).write_text("\n \n", "utf-8")
    with pytest.raises(CheckpointError, match=WORDS_FILE):
        PromptNormalizer.load(tmp_path)


def test_damaged_word_list_is_named(tmp_path: Path) -> None:
    (tmp_path / WORDS_FILE).write_bytes(b"caf\xe9 3\n")
    with pytest.raises(CheckpointError, match=WORDS_FILE):
        PromptNormalizer.load(tmp_path)


@pytest.mark.parametrize(
    "unit",
    [
        "#", ".", "[", "()", "<", "[1", " \t", '" ', ", ", "_ \\\t", "1,", "a-", "'s ", "http", "&lt;", "Ã", "🍕", "日",
        "\u2009\t", "<person>", "<person>,and",
    ],
)  # fmt: skip
def test_time_is_linear_for_repetitions(normalize: PromptNormalizer, unit: str) -> None:
    # A pattern that is quadratic in the length takes seconds for so many characters.
    assert _cpu_seconds(normalize, unit * (20_000 // len(unit)) + "x") < 1.0


@pytest.mark.parametrize("head", ["#", "<person>"])
def test_time_is_linear_for_runs(normalize: PromptNormalizer, head: str) -> None:
    fill = "a" if head == "#" else ","
    assert _cpu_seconds(normalize, head + fill * 20_000) < 1.0


def test_longest_hashtag_of_a_prompt(normalize: PromptNormalizer) -> None:
    letters = ("newyork" * 143)[:999]
    assert normalize("#" + letters).split()[:4] == ["new", "york", "new", "york"]


def _cpu_seconds(normalize: PromptNormalizer, prompt: str) -> float:
    start = time.process_time()
    normalize(prompt)
    return time.process_time() - start
