"""Splitting hashtags by word frequency."""

import pytest

from bot.checkpoints.hashtags import HashtagSplitter


def test_cheapest_split_wins() -> None:
    split = HashtagSplitter(["i", "am", "bat", "man", "batman"])
    assert split("iambatman") == "i am batman"


def test_frequent_words_are_cheaper() -> None:
    assert HashtagSplitter(["to", "get", "her", "together", *"abc"])("together") == "together"
    rare = ["to", "get", "her", *(f"w{i}" for i in range(100)), "together"]
    assert HashtagSplitter(rare)("together") == "to get her"


def test_case_is_kept_and_ignored() -> None:
    assert HashtagSplitter(["new", "york"])("NewYork") == "New York"


def test_numbers_stay_whole() -> None:
    assert HashtagSplitter([*"0123456789", "in"])("in2022") == "in 2022"


@pytest.mark.parametrize(("hashtag", "expected"), [("new_york", "new york"), ("_", ""), ("", "")])
def test_separators(hashtag: str, expected: str) -> None:
    assert HashtagSplitter(["new", "york"])(hashtag) == expected
