"""What a tokenizer.json may be made of."""

from typing import Any

import pytest

from bot.checkpoints.tokenizer_parts import EXPRESSIONS, check_parts
from bot.errors import CheckpointError


def split(pattern: Any) -> dict[str, Any]:
    return {"pre_tokenizer": {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}}


def replace(pattern: Any, content: Any) -> dict[str, Any]:
    return {"normalizer": {"type": "Replace", "pattern": pattern, "content": content}}


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"normalizer": None, "pre_tokenizer": {"type": "ByteLevel", "use_regex": True}},
        *(split({"Regex": expression}) for expression in sorted(EXPRESSIONS)),
        split({"Regex": r"[\w']+"}),
        split({"Regex": r"[^\]\p{L}]"}),
        replace({"Regex": r"\s+"}, " "),
        replace({"String": " "}, "▁"),
        {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}},
    ],
)
def test_those_of_known_models_pass(data: dict[str, Any]) -> None:
    check_parts(data, "tokenizer.json")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (split({"Regex": "(a+)+b"}), r"its pre_tokenizer looks for \{'Regex': '\(a\+\)\+b'\}, which is none of"),
        (split({"Regex": "[a]+[a]+b"}), "looks for"),
        (split({"Regex": "[a]*"}), "looks for"),
        (split({"Regex": "[a[b]]+"}), "looks for"),
        (split({"String": ""}), "looks for"),
        (split("a"), "looks for"),
        (split(None), "looks for None"),
        (replace({"String": "a"}, "b" * 1000), "more than one letter"),
        (replace({"String": "a"}, ["b", "c"]), "more than one letter"),
        ({"normalizer": {"type": "Precompiled"}}, "its normalizer holds Precompiled"),
        ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}] * 17}}, "more than 16 parts"),
        ({"normalizer": {"type": "Sequence", "normalizers": "NFC"}}, "its normalizer holds None"),
        ({"normalizer": {"type": ["NFC"]}}, "its normalizer holds"),
        (
            {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split({"Regex": "a*a*a*b"})["pre_tokenizer"]]}},
            "looks for",
        ),
    ],
)
def test_others_are_named(data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        check_parts(data, "tokenizer.json")
