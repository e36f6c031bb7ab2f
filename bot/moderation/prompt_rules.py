"""Rules for prompts, and what a set of them says of one. Pure; sets are made and asked on worker threads.

A rule is a word or phrase, or a pattern in RE2 between slashes. Words and phrases fire on word boundaries, whatever
their spelling (prompt_text.py, readings.py, spelling.py); a * at either end lets them be part of a longer word. With &&
between them, they fire where both sides are (together.py). All of them are looked for at once, so that a prompt's cost
hardly depends on how many there are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Final, Literal

from ahocorasick_rs import AhoCorasick

from bot.errors import InvalidParameterError, InvalidPromptError
from bot.moderation.prompt_patterns import PatternSet, compile_pattern
from bot.moderation.prompt_text import PromptText, Trick, fold
from bot.moderation.readings import readings
from bot.moderation.rule_terms import TOGETHER, sides_from, term_from
from bot.moderation.spelling import Speller, Term
from bot.moderation.together import Side, Together

MAX_RULES: Final = 10_000
MAX_PATTERNS: Final = 500  # among them
MAX_RULE_CHARACTERS: Final = 500
MAX_SHIPPED_CHARACTERS: Final = 5000
MAX_HITS: Final = 50
# Letters that are compared for one text, in all its readings. 1000 ordinary ones and 10,000 rules take some thousand.
# Those that take longest are done within a second.
MAX_EFFORT: Final = 40_000
MAX_FOUND: Final = 2000

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

    text: a word or phrase, with a * at its ends perhaps; two lists of those, with commas, and && between the lists; or
    a pattern between slashes.
    """

    text: str
    action: RuleAction
    category: Category = Category.SERVER

    def __post_init__(self) -> None:
        text = " ".join(self.text.split()) if not self.text.startswith("/") else self.text.strip()
        object.__setattr__(self, "text", text)
        limit = MAX_RULE_CHARACTERS if self.category in (Category.BOT, Category.SERVER) else MAX_SHIPPED_CHARACTERS
        if not 1 <= len(text) <= limit:
            raise InvalidParameterError(
                "A rule has 1 to {limit} characters, and this one has {count}.", limit=limit, count=len(text)
            )
        if self.pattern is not None:
            compile_pattern(self.pattern)
        elif self.is_combination:
            if self.action is RuleAction.ALLOW:
                raise InvalidParameterError("An exception is a word, a phrase or a pattern, without &&.")
            sides_from(text)
        else:
            term_from(text)

    @property
    def pattern(self) -> str | None:
        """What stands between the slashes; None for words."""
        return self.text[1:-1] if len(self.text) > 2 and self.text[0] == self.text[-1] == "/" else None

    @property
    def is_combination(self) -> bool:
        """Whether it has two sides."""
        return TOGETHER in self.text and self.pattern is None


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


class RuleSet:
    """Compiled rules. Immutable."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        rules = tuple(rules)
        self._patterned = [rule for rule in rules if rule.pattern is not None]
        self._patterns = PatternSet([rule.pattern or "" for rule in self._patterned])
        self._combined = [rule for rule in rules if rule.is_combination]
        terms: dict[str, list[tuple[Term, Rule | Side]]] = {}
        for rule in rules:
            if rule.pattern is None and not rule.is_combination:
                term = term_from(rule.text)
                terms.setdefault(term.squeezed, []).append((term, rule))
        for number, rule in enumerate(self._combined):
            for which, side in enumerate(sides_from(rule.text)):
                for word, term in side.items():
                    terms.setdefault(term.squeezed, []).append((term, Side(number, which, word)))
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
        text, together = fold(original), Together()
        found: dict[tuple[Rule, int, int], Hit] = {}
        for hit in (*self._spelled(text, part, together), *self._matched(text, part)):
            key = (hit.rule, hit.start, hit.end)
            if key not in found or len(found[key].tricks) > len(hit.tricks):
                found[key] = hit
            if len(found) > MAX_FOUND:
                raise _too_alike()
        if len(found) + together.num_found > MAX_FOUND:
            raise _too_alike()
        exceptions = [hit for hit in found.values() if hit.rule.action is RuleAction.ALLOW]
        hits = [
            replace(hit, is_off=True) if _is_off(exceptions, hit.rule, hit.start, hit.end) else hit
            for hit in found.values()
        ]
        hits += self._both_sides(together, part, exceptions)
        hits.sort(key=lambda hit: (hit.is_off, -hit.rule.action.severity))
        return sorted(hits[:MAX_HITS], key=lambda hit: (hit.start, hit.end))

    def _both_sides(self, together: Together, part: Part, exceptions: Sequence[Hit]) -> Iterator[Hit]:
        """One hit for each combination that has both its sides. An exception may cover a side."""
        for number in together.numbers:
            rule = self._combined[number]
            pair = together.pair(number, partial(_is_off, exceptions, rule))
            if pair is not None:
                if rule.category not in (Category.BOT, Category.SERVER):
                    # Shipped lists are long; these two are what matters.
                    rule = replace(rule, text=f"{pair.words[0]} {TOGETHER} {pair.words[1]}")
                yield Hit(rule, part, pair.start, pair.end, pair.tricks, pair.is_off)

    def _spelled(self, text: PromptText, part: Part, together: Together) -> Iterator[Hit]:
        """together: gets the sides of combinations that are found."""
        if self._finder is None:
            return
        effort = 0
        for reading in readings(text):
            speller = Speller(text, reading)
            together.begin(speller)
            for number, first, end in self._finder.find_matches_as_indexes(reading.squeezed, overlapping=True):
                for term, target in self._terms[number]:
                    effort += 1 + len(term.runs)
                    if effort > MAX_EFFORT:
                        raise _too_alike()
                    if isinstance(target, Side):
                        together.see(target, term, first, end - 1)
                        continue
                    spelled = speller.find(term, first, end - 1)
                    if spelled is not None:
                        start, stop = speller.span(spelled.start, spelled.end)
                        yield Hit(target, part, start, stop, spelled.tricks)
            effort += together.end(MAX_EFFORT - effort)
            if effort > MAX_EFFORT:
                raise _too_alike()

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


def _is_off(exceptions: Sequence[Hit], rule: Rule, start: int, end: int) -> bool:
    """Whether an exception covers what fires there."""
    return any(
        _may_except(exception.rule.category, rule.category) and exception.start <= start and end <= exception.end
        for exception in exceptions
        if rule.action is not RuleAction.ALLOW
    )


def _may_except(exception: Category, category: Category) -> bool:
    """A server makes no exceptions to the rules of whoever runs the bot, and nobody to those for minors."""
    if Category.MINORS in (exception, category):
        return exception is category
    return exception is Category.BOT or category is not Category.BOT
