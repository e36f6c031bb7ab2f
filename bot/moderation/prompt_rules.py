"""Rules for prompts, and what a set of them says of one. Pure; sets are made and asked on worker threads.

A rule is a word or phrase, or a pattern in RE2 between slashes. Words and phrases fire on word boundaries, whatever
their spelling (prompt_text.py, readings.py, spelling.py); a * at either end lets them be part of a longer word. All of
them are looked for at once, so that a prompt's cost hardly depends on how many there are.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from ahocorasick_rs import AhoCorasick

from bot.errors import InvalidParameterError, InvalidPromptError
from bot.moderation.lookalikes import MASK, SIGNS
from bot.moderation.prompt_patterns import PatternSet, compile_pattern
from bot.moderation.prompt_text import PromptText, Trick, fold
from bot.moderation.readings import is_unspaced, readings
from bot.moderation.spelling import Speller, Term, term_of

MAX_RULES: Final = 10_000
MAX_PATTERNS: Final = 500  # among them
MAX_RULE_CHARACTERS: Final = 500
MIN_LETTERS: Final = 2
MAX_HITS: Final = 50
# Letters that are compared for one text, in all its readings. 1000 ordinary ones and 10,000 rules take some thousand.
# Those that take longest are done within a second.
MAX_EFFORT: Final = 40_000
MAX_FOUND: Final = 2000

_SIGNS_WITHIN: Final = re.compile(rf"(?<=[^\W_])[{re.escape(''.join(SIGNS))}]+(?=[^\W_])")
_BETWEEN_WORDS: Final = re.compile(r"[^\w'’]|_")

Part = Literal["prompt", "negative"]


class RuleAction(StrEnum):
    """What happens to a prompt, from mild to strict. ALLOW is an exception to other rules."""

    ALLOW = "allow"
    WARN = "warn"
    HOLD = "hold"
    REFUSE = "refuse"
    STRIKE = "strike"

    @property
    def severity(self) -> int:
        """Higher is stricter."""
        return tuple(RuleAction).index(self)


class Category(StrEnum):
    """Where a rule comes from: whoever runs the bot, the server, or a category of the starter list."""

    BOT = "bot"
    SERVER = "server"
    MINORS = "minors"
    SEXUAL = "sexual"
    GORE = "gore"
    HATE = "hate"
    SELF_HARM = "self_harm"
    HARASSMENT = "harassment"
    DRUGS = "drugs"


@dataclass(frozen=True, slots=True)
class Rule:
    """Validates itself: raises InvalidParameterError, with RE2's reason where that refuses a pattern.

    text: a word or phrase, with a * at its ends perhaps, or a pattern between slashes.
    """

    text: str
    action: RuleAction
    category: Category = Category.SERVER

    def __post_init__(self) -> None:
        text = " ".join(self.text.split()) if not self.text.startswith("/") else self.text.strip()
        object.__setattr__(self, "text", text)
        if not 1 <= len(text) <= MAX_RULE_CHARACTERS:
            raise InvalidParameterError(
                "A rule has 1 to {limit} characters, and this one has {count}.",
                limit=MAX_RULE_CHARACTERS,
                count=len(text),
            )
        if self.pattern is not None:
            compile_pattern(self.pattern)
        else:
            term_from(text)

    @property
    def pattern(self) -> str | None:
        """What stands between the slashes; None for words."""
        return self.text[1:-1] if len(self.text) > 2 and self.text[0] == self.text[-1] == "/" else None


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that fires. start, end: in the original of that part, end not included. tricks: how the spelling differs
    from the rule's. is_off: an exception covers it."""

    rule: Rule
    part: Part
    start: int
    end: int
    tricks: frozenset[Trick]
    is_off: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """hits: in the order of the text, exceptions and what they switch off included."""

    hits: tuple[Hit, ...] = ()

    @property
    def strongest(self) -> Hit | None:
        """The first of the strictest hits that count; None where the prompt may pass without a word."""
        counting = [hit for hit in self.hits if not hit.is_off and hit.rule.action is not RuleAction.ALLOW]
        return max(counting, key=lambda hit: hit.rule.action.severity, default=None)

    @property
    def action(self) -> RuleAction:
        """ALLOW where nothing fires."""
        strongest = self.strongest
        return RuleAction.ALLOW if strongest is None else strongest.rule.action


def term_from(text: str) -> Term:
    """Raises InvalidParameterError for a rule that could never fire as it is meant."""
    if text.startswith("/"):
        raise InvalidParameterError("A pattern ends with a slash too: write it as /…/.")
    inner = text.removeprefix(MASK).removesuffix(MASK)
    words = _words(inner)
    if MASK in inner:
        raise InvalidParameterError("A * may stand at the ends of a rule only; for more, write a pattern: /…/.")
    if sum(map(len, words)) < MIN_LETTERS and not any(map(is_unspaced, words)):
        raise InvalidParameterError("A rule needs at least {limit} letters or digits.", limit=MIN_LETTERS)
    return term_of(words, open_start=text.startswith(MASK), open_end=text.endswith(MASK))


def _words(text: str) -> list[str]:
    """Folded. A sign between two letters, as in a$$hole, is the letter that it stands for."""
    folded = _SIGNS_WITHIN.sub(lambda signs: "".join(SIGNS[sign][0] for sign in signs[0]), fold(text).text)
    # An apostrophe doesn't end a word.
    return ["".join(filter(str.isalnum, word)) for word in _BETWEEN_WORDS.split(folded) if any(map(str.isalnum, word))]


class RuleSet:
    """Compiled rules. Immutable."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        rules = tuple(rules)
        words = [rule for rule in rules if rule.pattern is None]
        self._patterned = [rule for rule in rules if rule.pattern is not None]
        self._patterns = PatternSet([rule.pattern or "" for rule in self._patterned])
        terms: dict[str, list[tuple[Term, Rule]]] = {}
        for rule in words:
            term = term_from(rule.text)
            terms.setdefault(term.squeezed, []).append((term, rule))
        self._terms = list(terms.values())
        self._finder = AhoCorasick(list(terms)) if terms else None
        self.num_rules = len(rules)

    def check(self, prompt: str, negative_prompt: str | None = None) -> Verdict:
        """What fires, at most MAX_HITS in each part, the strictest. Raises InvalidPromptError for a text that begins
        like so many rules at so many places that comparing it would keep others waiting."""
        hits = self._hits(prompt, "prompt")
        if negative_prompt is not None:
            hits += self._hits(negative_prompt, "negative")
        return Verdict(tuple(hits))

    def _hits(self, original: str, part: Part) -> list[Hit]:
        text = fold(original)
        found: dict[tuple[Rule, int, int], Hit] = {}
        for hit in (*self._spelled(text, part), *self._matched(text, part)):
            key = (hit.rule, hit.start, hit.end)
            if key not in found or len(found[key].tricks) > len(hit.tricks):
                found[key] = hit
            if len(found) > MAX_FOUND:
                raise _too_alike()
        hits = _with_exceptions(list(found.values()))
        hits.sort(key=lambda hit: (hit.is_off, -hit.rule.action.severity))
        return sorted(hits[:MAX_HITS], key=lambda hit: (hit.start, hit.end))

    def _spelled(self, text: PromptText, part: Part) -> Iterator[Hit]:
        if self._finder is None:
            return
        effort = 0
        for reading in readings(text):
            speller = Speller(text, reading)
            for number, first, end in self._finder.find_matches_as_indexes(reading.squeezed, overlapping=True):
                for term, rule in self._terms[number]:
                    effort += 1 + len(term.runs)
                    if effort > MAX_EFFORT:
                        raise _too_alike()
                    spelled = speller.find(term, first, end - 1)
                    if spelled is not None:
                        start, stop = text.span(reading.places[spelled.start], reading.places[spelled.end - 1] + 1)
                        yield Hit(rule, part, start, stop, spelled.tricks)

    def _matched(self, text: PromptText, part: Part) -> Iterator[Hit]:
        original = text.original.encode("utf-8", "replace").decode("utf-8")
        plain = set[tuple[int, int, int]]()
        for number, start, end in self._patterns.find(original):
            plain.add((number, start, end))
            yield Hit(self._patterned[number], part, start, end, frozenset())
        for number, start, end in self._patterns.find(text.text):
            span = text.span(start, end)
            if (number, *span) not in plain:
                yield Hit(self._patterned[number], part, *span, text.tricks_in(start, end))


def _too_alike() -> InvalidPromptError:
    return InvalidPromptError("This is too much like too many rules of this server. Write it differently.")


def _with_exceptions(hits: Sequence[Hit]) -> list[Hit]:
    """Those within an exception switched off. A server makes no exceptions to the rules of whoever runs the bot."""
    allowed = [hit for hit in hits if hit.rule.action is RuleAction.ALLOW]
    if not allowed:
        return list(hits)
    return [
        Hit(hit.rule, hit.part, hit.start, hit.end, hit.tricks, is_off=True)
        if hit.rule.action is not RuleAction.ALLOW and any(_covers(exception, hit) for exception in allowed)
        else hit
        for hit in hits
    ]


def _covers(exception: Hit, hit: Hit) -> bool:
    may = exception.rule.category is Category.BOT or hit.rule.category is not Category.BOT
    return may and exception.start <= hit.start and hit.end <= exception.end
