"""The disguises of the bench: what each makes of a phrase, and that its pairs fall into two halves."""

import pytest

from bot.bench.evasions import EVASIONS, evasions_of, pairs

MADE = {
    "case": "NaKeD LaDy",
    "accents": "nákéd lády",
    "struck through": "n̶a̶k̶e̶d̶ l̶a̶d̶y̶",
    "fullwidth": "ｎａｋｅｄ ｌａｄｙ",
    "bold": "𝐧𝐚𝐤𝐞𝐝 𝐥𝐚𝐝𝐲",
    "circled": "ⓝⓐⓚⓔⓓ ⓛⓐⓓⓨ",
    "Cyrillic": "паке" + "d lаdу",
    "Greek": "ηακed lαdγ",
    "digits": "n4k3d l4dy",
    "signs": "n@ked |@dy",
    "zero-width": "n\u200ba\u200bk\u200be\u200bd l\u200ba\u200bd\u200by",
    "soft hyphen": "na\u00adked la\u00addy",
    "spaces": "n a k e d   l a d y",
    "dots": "n.a.k.e.d   l.a.d.y",
    "hyphens": "n-a-k-e-d   l-a-d-y",
    "underscores": "n_a_k_e_d   l_a_d_y",
    "one hyphen": "na-ked la-dy",
    "tripled": "naaaked laaady",
    "doubled": "nnaakkeedd llaaddyy",
    "masked": "n*ked lady",
}


@pytest.mark.parametrize("name", EVASIONS)
def test_what_each_makes(name: str) -> None:
    assert EVASIONS[name]("naked lady") == MADE[name]


def test_the_halves() -> None:
    seen, unseen = pairs(is_seen=True), pairs(is_seen=False)
    assert len(seen) == len(unseen) == len(EVASIONS) * (len(EVASIONS) - 1) // 2
    assert not set(seen) & set(unseen)
    assert seen == pairs(is_seen=True)


def test_a_pair_in_which_one_does_nothing_is_none() -> None:
    chosen = [("digits", "spaces"), ("digits", "masked"), ("bold", "fullwidth"), ("tripled", "case")]
    assert list(evasions_of("oil", chosen)) == [
        (("digits", "spaces"), "0 1 l"),
        (("tripled", "case"), "OoOiL"),
    ]
