"""What is taken off a prompt's spelling, and that every character knows where it comes from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.moderation.prompt_rules import Rule, RuleAction, RuleSet
from bot.moderation.prompt_text import Trick, fold

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=60)
SNEAKY = st.text("nudeNUDE ил\u200b\u0301.*-_!1|l$@435 \ud800ｎ𝓾ß\n", max_size=60)
RULES = RuleSet(
    [
        Rule(text, RuleAction.REFUSE)
        for text in ("nude", "*lid*", "i il", "/n.d/", "ss", "nu de", "lill", "ll il", "*ll*")
    ]
)


@pytest.mark.parametrize(
    ("original", "text", "trick"),
    [
        ("A Red Circle", "a red circle", None),
        ("Strañe", "strane", Trick.ACCENTS),
        ("e\u0301a", "ea", Trick.ACCENTS),
        ("Straße", "strasse", None),
        ("\uff32\uff45\uff44", "red", Trick.LOOKALIKES),
        ("𝔯𝓮𝕕", "red", Trick.LOOKALIKES),
        ("ⓡⓔⓓ", "red", Trick.LOOKALIKES),
        ("саке", "cake", Trick.LOOKALIKES),
        ("ΡΑΝ", "pan", Trick.LOOKALIKES),
        ("🅱🅰🅳", "bad", Trick.LOOKALIKES),
        ("r\u200be\u2060d\u00ad", "red", Trick.INVISIBLE),
        ("r\u0007ed", "red", Trick.INVISIBLE),
        ("a\u3000b\tc\nd", "a b c d", None),
        ("red\U000e0041", "red", Trick.INVISIBLE),
        ("\ud800red", "red", Trick.INVISIBLE),
        ("日本", "日本", None),
        ("мир", "mиp", Trick.LOOKALIKES),
    ],
)
def test_folding(original: str, text: str, trick: Trick | None) -> None:
    folded = fold(original)
    assert folded.text == text
    assert folded.tricks_in(0, len(text)) == (set() if trick is None else {trick})


def test_spans_lead_back() -> None:
    original = "x Stra\u200bße, e\u0301te\u0301"
    folded = fold(original)
    assert folded.text == "x strasse, ete"

    def seen(word: str) -> str:
        start = folded.text.index(word)
        first, end = folded.span(start, start + len(word))
        return original[first:end]

    assert seen("strasse") == "Stra\u200bße"
    assert seen("ete") == "e\u0301te\u0301"
    assert seen("x") == "x"


LETTERLIKE = st.text("1|!lI i", max_size=30)


@given(ANYTHING | SNEAKY | LETTERLIKE)
def test_it_never_fails_and_spans_lie_within_the_prompt(original: str) -> None:
    folded = fold(original)
    assert len(folded.text) == len(folded.starts) == len(folded.ends) == len(folded.tricks)
    assert list(folded.starts) == sorted(folded.starts)
    assert all(0 <= start < end <= len(original) for start, end in zip(folded.starts, folded.ends, strict=True))
    for hit in RULES.check(original, original).hits:
        assert 0 <= hit.start < hit.end <= len(original)
