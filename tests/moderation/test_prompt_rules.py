"""Which rules fire on what, and what a set of them decides."""

import time

import pytest

from bot.errors import InvalidParameterError, InvalidPromptError
from bot.moderation.prompt_rules import MAX_HITS, Category, Rule, RuleAction, RuleSet
from bot.moderation.prompt_text import Trick

REFUSE, WARN, ALLOW = RuleAction.REFUSE, RuleAction.WARN, RuleAction.ALLOW


def rule_set(*texts: str) -> RuleSet:
    return RuleSet([Rule(text, REFUSE) for text in texts])


def found(rules: RuleSet, prompt: str) -> list[str]:
    """What fires, in the prompt's own characters."""
    return [prompt[hit.start : hit.end] for hit in rules.check(prompt).hits]


@pytest.mark.parametrize(
    ("rule", "prompt", "part", "tricks"),
    [
        ("nude", "A NUDE, please", "NUDE", set()),
        ("nude", "a nüde!", "nüde", {Trick.ACCENTS}),
        ("nude", "a пυde", "пυde", {Trick.LOOKALIKES}),
        ("nude", "a nu\u200bde", "nu\u200bde", {Trick.INVISIBLE}),
        ("nude", "NUD3!", "NUD3", {Trick.LEETSPEAK}),
        ("nude", "nuuuuuuuuude", "nuuuuuuuuude", {Trick.REPEATED}),
        ("nude", "nnuuddee", "nnuuddee", {Trick.REPEATED}),
        ("nude", "an n u d e man", "n u d e", {Trick.SPACING}),
        ("nude", "a n u d e man", "n u d e", {Trick.SPACING}),
        ("nude", "n.u.d.e", "n.u.d.e", {Trick.SPACING}),
        ("nude", "n-u-d-e", "n-u-d-e", {Trick.SPACING}),
        ("nude", "nu.de", "nu.de", {Trick.SPACING}),
        ("nude", "a_n n_u_d_e m_a_n", "n_u_d_e", {Trick.SPACING}),
        ("nude", "n_u_d_3", "n_u_d_3", {Trick.SPACING, Trick.LEETSPEAK}),
        ("nude", "n*de", "n*de", {Trick.MASKED}),
        ("nude", "n*u*d*e", "n*u*d*e", {Trick.SPACING}),
        ("nude", "nude99", "nude", set()),
        ("nude", "nude's", "nude", set()),
        ("kill", "k1ll", "k1ll", {Trick.LEETSPEAK}),
        ("kill", "k!|l", "k!|l", {Trick.LEETSPEAK}),
        ("ass", "big @$$", "@$$", {Trick.LEETSPEAK}),
        ("a$$hole", "asshole", "asshole", set()),
        ("4chan", "4ch@n", "4ch@n", {Trick.LEETSPEAK}),
        ("69", "a 69!", "69", set()),
        ("red circle", "a Red,  CIRCLE", "Red,  CIRCLE", set()),
        ("red circle", "r e d   c i r c l e", "r e d   c i r c l e", {Trick.SPACING}),
        ("mass sex", "mass sex", "mass sex", set()),
        ("sex", "mass sex", "sex", set()),
        ("*blood*", "bloodbaths", "blood", set()),
        ("blood*", "bloody", "blood", set()),
        ("red circle", "r3dcircle", "r3dcircle", {Trick.JOINED, Trick.LEETSPEAK}),
        ("kids sex", "kidssex", "kidssex", {Trick.JOINED}),
        ("13 yo", "13yo", "13yo", {Trick.JOINED}),
        ("裸", "赤裸々", "裸", set()),
        ("/colou?rs?/", "The COLOURS", "COLOURS", set()),
        ("/colou?rs?/", "the cölor", "cölor", {Trick.ACCENTS}),
        ("/😀+/", "a 😀😀", "😀😀", set()),
    ],
)
def test_what_fires(rule: str, prompt: str, part: str, tricks: set[Trick]) -> None:
    (hit,) = rule_set(rule).check(prompt).hits
    assert prompt[hit.start : hit.end] == part
    assert hit.tricks == tricks


@pytest.mark.parametrize(
    ("rule", "prompt"),
    [
        ("ass", "grass glass class as pass assassin"),
        ("ass", "g r a s s"),
        ("ass", "455"),
        ("anal", "a n a l y s i s"),
        ("anal", "a-n-a-l-y-s-i-s"),
        ("sex", "she's ex-military, 5-ex"),
        ("penis", "the pen is mightier"),
        ("whore", "people who're here"),
        ("god", "good"),
        ("kill", "kil ki skill"),
        ("kill", "kiil"),
        ("69", "gg og 1690"),
        ("red circle", "red blue circle reds circle circlered"),
        ("the rapist", "a therapist"),
        ("go at", "a goat"),
        ("blood*", "lifeblood"),
        ("*blood", "bloody"),
        ("nude", "denuded nudes"),
    ],
)
def test_what_does_not(rule: str, prompt: str) -> None:
    assert found(rule_set(rule), prompt) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "A rule has 1 to 500 characters, and this one has 0."),
        ("x" * 501, "A rule has 1 to 500 characters, and this one has 501."),
        ("c++", "A rule needs at least 2 letters or digits."),
        ("f*ck", "A * may stand at the ends of a rule only; for more, write a pattern: /…/."),
        ("/abc", "A pattern ends with a slash too: write it as /…/."),
        ("/(a/", "RE2 refuses this pattern: missing ): (a."),
        ("/a(?=b)/", "RE2 refuses this pattern: invalid perl operator: (?=."),
        (r"/(a)\1/", r"RE2 refuses this pattern: invalid escape sequence: \1."),
        ("/.+/", "This pattern matches most ordinary prompts, such as “a red fox”: narrow it down."),
        ("/[a-z]/", "This pattern matches most ordinary prompts, such as “a red fox”: narrow it down."),
        ("naked &&", "A combination has two sides, words or phrases with commas: naked, nude && cat, dog."),
        ("a1 && b2 && c3", "A combination has two sides, words or phrases with commas: naked, nude && cat, dog."),
        ("naked && f*x", "A * may stand at the ends of a rule only; for more, write a pattern: /…/."),
        ("/x*/", "This pattern matches an empty text, and so every prompt."),
        ("/(x{900}y{900}){3}/", "RE2 refuses this pattern: invalid repetition size: {3}."),
        ("/x{999}y{999}z{999}v{999}w{999}/", "This pattern is too large: use smaller numbers of repetitions."),
        ("/\ud800/", "The pattern holds half of a character: type it anew."),
    ],
)
def test_rules_that_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        Rule(text, REFUSE)
    assert str(caught.value) == sentence


def test_the_strictest_hit_decides_and_all_are_told() -> None:
    rules = RuleSet([Rule("red", WARN), Rule("blue", RuleAction.STRIKE), Rule("green", RuleAction.HOLD)])
    verdict = rules.check("red green", "blue sky")
    assert [(hit.rule.text, hit.part) for hit in verdict.hits] == [
        ("red", "prompt"),
        ("green", "prompt"),
        ("blue", "negative"),
    ]
    assert verdict.action is RuleAction.STRIKE
    assert rules.check("red green").action is RuleAction.HOLD
    assert rules.check("white").action is ALLOW
    assert rules.check("white").strongest is None


def test_an_exception_covers_what_lies_within_it() -> None:
    rules = RuleSet([Rule("nude", REFUSE), Rule("nude lipstick", ALLOW)])
    assert rules.check("nude lipstick").action is ALLOW
    verdict = rules.check("n u d e   lipstick on a nude")
    assert [(hit.rule.text, hit.is_off) for hit in verdict.hits] == [
        ("nude", True),
        ("nude lipstick", False),
        ("nude", False),
    ]
    assert verdict.action is REFUSE


def test_a_server_makes_no_exceptions_to_the_rules_of_the_bot() -> None:
    bot = Rule("nude", REFUSE, Category.BOT)
    assert RuleSet([bot, Rule("nude lipstick", ALLOW)]).check("nude lipstick").action is REFUSE
    assert RuleSet([bot, Rule("nude lipstick", ALLOW, Category.BOT)]).check("nude lipstick").action is ALLOW


@pytest.mark.parametrize("prompt", ["1|!l" * 250, "1 | ! l " * 125, "il" * 500, "li l" * 250, "l" * 1000, "|"])
def test_signs_that_may_be_several_letters(prompt: str) -> None:
    rules = rule_set("ilililil", "lill", "ll il", "*il*", "l i l i l")
    for hit in rules.check(prompt).hits:
        assert 0 <= hit.start < hit.end <= len(prompt)


def test_floods_of_hits_keep_the_strictest() -> None:
    rules = RuleSet([Rule("red", WARN), Rule("blue", REFUSE)])
    verdict = rules.check("red " * 240 + "blue")
    assert len(verdict.hits) == MAX_HITS
    assert verdict.action is REFUSE


def test_more_patterns_than_fit_into_one_set() -> None:
    rules = rule_set(*(f"/x{number}y/" for number in range(450)))
    assert found(rules, "x449y x0y x450y") == ["x449y", "x0y"]


def test_no_rules() -> None:
    assert RuleSet([]).check("anything", "at all").hits == ()


def test_rules_made_to_keep_others_waiting_end_in_a_refusal() -> None:
    alike = RuleSet(Rule("a" * n + "b" * m, RuleAction.WARN) for n in range(1, 41) for m in range(1, 41))
    began_s = time.process_time()
    with pytest.raises(InvalidPromptError, match="too much like too many rules"):
        alike.check("ab " * 333)
    with pytest.raises(InvalidPromptError, match="too much like too many rules"):
        alike.check("aaabbb" * 160)
    assert time.process_time() - began_s < 10
    assert alike.check("an ordinary cab and aabb").hits


def test_exceptions_made_to_keep_others_waiting_end_in_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [Rule(f"/z{{{n}}}/", RuleAction.ALLOW if n % 2 else RuleAction.WARN) for n in range(1, 11)]
    monkeypatch.setattr("bot.moderation.prompt_rules.MAX_FOUND", 99)
    with pytest.raises(InvalidPromptError, match="too much like too many rules"):
        RuleSet(rules).check("z" * 1000)
    monkeypatch.setattr("bot.moderation.prompt_rules.MAX_FOUND", 100)
    assert len(RuleSet(rules).check("z" * 1000).hits) == 50


@pytest.mark.parametrize(
    ("prompt", "part", "tricks"),
    [
        ("a red wet dog", "red wet dog", set()),
        ("my dog is really, really R3D!", "dog is really, really R3D", {Trick.LEETSPEAK}),
        ("a dögred", "dögred", {Trick.ACCENTS, Trick.JOINED}),
        ("redgreendog, reddog", "reddog", {Trick.JOINED}),
        ("r e d d o g", "r e d d o g", {Trick.SPACING}),
        ("red. black cats and green dog. red", "dog. red", set()),
        ("a black cat is crimson", "black cat is crimson", set()),
    ],
)
def test_a_combination_fires_where_both_sides_are(prompt: str, part: str, tricks: set[Trick]) -> None:
    (hit,) = rule_set("red, crimson* && dog, black cat").check(prompt).hits
    assert prompt[hit.start : hit.end] == part
    assert hit.tricks == tricks
    assert hit.rule.text == "red, crimson* && dog, black cat"


@pytest.mark.parametrize("prompt", ["red crimson", "a dog, a black cat", "reds and dogs", "redish black cat, cats"])
def test_one_side_alone_does_nothing(prompt: str) -> None:
    assert found(rule_set("red, crimson && dog, black cat"), prompt) == []


def test_the_sides_of_a_combination_do_not_overlap() -> None:
    assert found(rule_set("red dog && dog, red"), "a red dog") == []
    assert found(rule_set("red dog && dog, red"), "a red dog, dog") == ["red dog, dog"]


def test_an_exception_may_cover_a_side() -> None:
    rules = RuleSet([Rule("red && dog", REFUSE), Rule("hot dog", ALLOW)])
    (exception, off) = sorted(rules.check("a red hot dog").hits, key=lambda hit: hit.is_off)
    assert (exception.rule.text, off.is_off) == ("hot dog", True)
    assert rules.check("a red hot dog and a dog").action is REFUSE
    with pytest.raises(InvalidParameterError, match="without &&"):
        Rule("red && dog", ALLOW)


def test_many_sides_take_no_time() -> None:
    text = "red dog hot dog " * 62
    (hit,) = rule_set("red && dog, hot").check(text).hits
    assert text[hit.start : hit.end] == "red dog"
