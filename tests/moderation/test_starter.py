"""What the whole starter list says of ordinary prompts, and of those that it is for."""

import pytest

from bot.moderation.prompt_rules import RuleAction, RuleSet
from bot.moderation.starter import STARTER_CATEGORIES, starter_rules

INNOCENTS = (
    "a grass field by the library, classic bass guitar and a glass of assam",
    "Scunthorpe, Penistone, Essex, Sussex, Middlesex and Cockermouth on a map",
    "a therapist grapes draped scrapbook, a Dickensian shuttlecock and a peacock",
    "analysis of a canal, an analogue clock and the analyst's cocktail",
    "cumulus clouds, documents, cucumbers, circumference and accumulation",
    "a titan, titles, titmouse, constitution and competition of a tuxedo kitten",
    "a sextant, a sextet of Sextus, unisex and the homo sapiens",
    "Nazareth, Ignazio and a gazing nation; a swastik of a different kind",
    "an assassin assembles an assortment of embassy passengers",
    "a hello kitty shell, shitake mushrooms, Matsushita and Takeshita street",
    "a naked mole rat seen with the naked eye",
    "g r a s s   i n   s p r i n g, a n a l y s i s",
    "the pen is on the desk; who represents the model s excellent work",
    "a child with a kite, kids in a playground, a baby elephant",
    "12 year old whisky on a table",
    "Klassenzimmer, Sechseck, Analyse, Ananas, Staatsexamen und Gespenster",
)


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return RuleSet(rule for category in STARTER_CATEGORIES for rule in starter_rules(category, RuleAction.REFUSE))


@pytest.mark.parametrize("prompt", INNOCENTS)
def test_innocents(rules: RuleSet, prompt: str) -> None:
    counting = [hit for hit in rules.check(prompt).hits if not hit.is_off and hit.rule.action is RuleAction.REFUSE]
    assert [(hit.rule.text, prompt[hit.start : hit.end]) for hit in counting] == []


@pytest.mark.parametrize(
    ("prompt", "category"),
    [
        ("a n4k3d man", "sexual"),
        ("a naked child on a beach", "minors"),
        ("sexy 12 year old", "minors"),
        ("a 15-year-old, nude", "minors"),
        ("a bloody b.l.o.o.d.b.a.t.h", "gore"),
        ("a swastika flag", "hate"),
        ("s u i c i d e", "self_harm"),
        ("a deepfake of my neighbour", "harassment"),
        ("a crack pipe", "drugs"),
        ("ein Hakenkreuz", "hate"),
    ],
)
def test_what_the_categories_are_for(rules: RuleSet, prompt: str, category: str) -> None:
    assert category in {hit.rule.category for hit in rules.check(prompt).hits}
