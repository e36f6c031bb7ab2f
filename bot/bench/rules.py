"""What the rules for prompts find and what they cost: evasions of the starter list, innocent words, 10,000 rules."""

import random
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ahocorasick_rs import AhoCorasick

from bot.bench.evasions import evasions_of, pairs
from bot.errors import ConfigError
from bot.moderation.prompt_rules import Rule, RuleAction, RuleSet
from bot.moderation.prompt_text import fold
from bot.moderation.rule_terms import sides_from
from bot.moderation.starter import STARTER_CATEGORIES, starter_rules
from bot.requests import MAX_PROMPT_CHARACTERS

NUM_RULES: Final = 10_000
NUM_PATTERNS: Final = 200
NUM_PROMPTS: Final = 200
MAX_COST_MS: Final = 5.0
MIN_RECALL: Final = 0.95
MAX_NAMED: Final = 10
MAX_WORDS_BYTES: Final = 64 << 20
MEETINGS_APART: Final = 2
SETTING: Final = "a picture of {}, oil on canvas"


@dataclass(frozen=True, slots=True)
class Recall:
    """Of evasions: how many there were, how many were found, and where most were missed."""

    num_terms: int
    num_pairs: int
    num_evasions: int
    num_found: int
    worst_pairs: tuple[tuple[str, int], ...]

    @property
    def share(self) -> float:
        return self.num_found / self.num_evasions if self.num_evasions else 0.0


@dataclass(frozen=True, slots=True)
class Innocents:
    """num_words: of the list. num_containing: with a term inside a longer word. alarms: those of them that are taken
    for it. other_alarms: further words of the list that no term is and that fire."""

    num_words: int
    num_containing: int
    alarms: tuple[str, ...]
    other_alarms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """In milliseconds for a prompt, median and worst of many; compiling the set, in seconds."""

    num_rules: int
    num_patterns: int
    compile_s: float
    median_ms: float
    p99_ms: float
    worst_ms: float
    long_median_ms: float
    long_worst_ms: float


@dataclass(frozen=True, slots=True)
class RulesReport:
    """seen: pairs that the rules were tuned on; unseen: the others. combined_…: of the words whose meeting counts."""

    seen: Recall
    unseen: Recall
    combined_seen: Recall
    combined_unseen: Recall
    innocents: Innocents
    cost: Cost

    @property
    def missed(self) -> list[str]:
        """The goals that were missed. Of the cost only medians count, of either kind of prompts: what is slower than
        those may be the doing of other programs."""
        goals = {
            "recall": self.unseen.share >= MIN_RECALL,
            "recall of combinations": self.combined_unseen.share >= MIN_RECALL,
            "false alarms": not self.innocents.alarms,
            "cost": self.cost.median_ms < MAX_COST_MS and self.cost.long_median_ms < MAX_COST_MS,
        }
        return [name for name, is_reached in goals.items() if not is_reached]

    def to_json(self) -> dict[str, Any]:
        """Counts and times, with their units in the names."""
        values = asdict(self)
        for name in ("seen", "unseen", "combined_seen", "combined_unseen"):
            values[name]["recall"] = getattr(self, name).share
        return values | {"missed": self.missed}

    def __str__(self) -> str:
        innocents, cost = self.innocents, self.cost
        lines = [
            f"evasions, {name} pairs   {recall.num_found:,} of {recall.num_evasions:,} found: {recall.share:.2%}"
            for name, recall in (("seen", self.seen), ("unseen", self.unseen))
        ]
        lines += [f"  most missed            {pair}: {number}" for pair, number in self.unseen.worst_pairs]
        lines += [
            f"combinations, {name}      {recall.num_found:,} of {recall.num_evasions:,} found: {recall.share:.2%}"
            for name, recall in (("seen", self.combined_seen), ("unseen", self.combined_unseen))
        ]
        lines += [f"  most missed            {pair}: {number}" for pair, number in self.combined_unseen.worst_pairs]
        lines += [
            f"innocents               {innocents.num_containing:,} of {innocents.num_words:,} words hold a term, "
            f"{len(innocents.alarms)} of them fire",
            f"other words that fire   {len(innocents.other_alarms)}: {', '.join(innocents.other_alarms[:MAX_NAMED])}",
            f"compiling               {cost.num_rules:,} rules, {cost.num_patterns} of them patterns: "
            f"{cost.compile_s:.2f} s",
            f"a prompt                median {cost.median_ms:.2f} ms, 99 % {cost.p99_ms:.2f} ms, worst "
            f"{cost.worst_ms:.2f} ms",
            f"of 1000 characters      median {cost.long_median_ms:.2f} ms, worst {cost.long_worst_ms:.2f} ms",
            f"goals missed            {', '.join(self.missed) or 'none'}",
        ]
        return "\n".join(lines)


def measure_rules(
    word_files: Sequence[Path], *, num_rules: int = NUM_RULES, num_prompts: int = NUM_PROMPTS
) -> RulesReport:
    """word_files: lists with a word a line. Raises ConfigError for one that can't be read."""
    words = read_words(word_files)
    rules = [rule for category in STARTER_CATEGORIES for rule in starter_rules(category, RuleAction.REFUSE)]
    terms = sorted(
        {
            rule.text
            for rule in rules
            if rule.pattern is None and not rule.is_combination and rule.action is RuleAction.REFUSE
        }
    )
    combined = meetings(rules)
    combining = RuleSet(rule for rule in rules if rule.is_combination)
    rule_set = RuleSet(rules)
    return RulesReport(
        seen=measure_recall(rule_set, terms, pairs(is_seen=True)),
        unseen=measure_recall(rule_set, terms, pairs(is_seen=False)),
        combined_seen=measure_recall(combining, combined, pairs(is_seen=True)),
        combined_unseen=measure_recall(combining, combined, pairs(is_seen=False)),
        innocents=measure_innocents(rule_set, terms, words),
        cost=measure_cost(num_rules, num_prompts),
    )


def meetings(rules: Iterable[Rule]) -> list[str]:
    """Of every combination the words of its longer side, each with one of the other side, in turn: next to each other
    or with a comma between them, one or the other first. Without numbers: disguised, an age would be another one."""
    texts: list[str] = []
    for rule in rules:
        if not rule.is_combination:
            continue
        first, second = ([word for word in side if not any(map(str.isdecimal, word))] for side in sides_from(rule.text))
        for number in range(max(len(first), len(second))):
            one, other = first[number % len(first)], second[number % len(second)]
            before, after = (one, other) if number % 2 else (other, one)
            texts.append(f"{before} {after}" if number % 4 < MEETINGS_APART else f"{before}, {after}")
    return texts


def read_words(files: Iterable[Path]) -> list[str]:
    """Without their possessive forms' doubles; in the files' order."""
    words: dict[str, None] = {}
    for path in files:
        try:
            with path.open("rb") as file:
                text = file.read(MAX_WORDS_BYTES).decode("utf-8", "replace")
        except OSError as error:
            raise ConfigError(f"--words: {path} can't be read: {error.strerror}.") from error
        words |= dict.fromkeys(line.strip() for line in text.splitlines() if line.strip())
    return list(words)


def measure_recall(rules: RuleSet, terms: Sequence[str], chosen: list[tuple[str, str]]) -> Recall:
    """An evasion is found if something that isn't an exception fires within it."""
    num_evasions = num_found = 0
    missed = Counter[str]()
    start = SETTING.index("{")
    for term in terms:
        for pair, evasion in evasions_of(term.strip("*"), chosen):
            num_evasions += 1
            hits = rules.check(SETTING.format(evasion)).hits
            end = start + len(evasion)
            if any(not hit.is_off and start <= hit.start and hit.end <= end for hit in hits):
                num_found += 1
            else:
                missed[" + ".join(pair)] += 1
    return Recall(len(terms), len(chosen), num_evasions, num_found, tuple(missed.most_common(5)))


def measure_innocents(rules: RuleSet, terms: Sequence[str], words: Sequence[str]) -> Innocents:
    """Words are compared as the rules compare them: without case and accents."""
    plain = {fold(term).text for term in terms if "*" not in term}
    finder = AhoCorasick(sorted(plain))
    containing = 0
    alarms: list[str] = []
    others: list[str] = []
    for word in words:
        folded = fold(word).text
        if folded in plain or folded.removesuffix("'s") in plain:
            continue
        is_containing = bool(finder.find_matches_as_indexes(folded))
        containing += is_containing
        if any(not hit.is_off and hit.rule.action is not RuleAction.ALLOW for hit in rules.check(word).hits):
            (alarms if is_containing else others).append(word)
    return Innocents(len(words), containing, tuple(alarms), tuple(others))


def measure_cost(num_rules: int, num_prompts: int, *, seed: int = 7) -> Cost:
    """Invented words, phrases and patterns; prompts of ordinary length, and of MAX_PROMPT_CHARACTERS with signs."""
    chance = random.Random(seed)  # noqa: S311 - the same rules for everybody
    num_patterns = min(NUM_PATTERNS, num_rules // 10)
    rules = list(_invented(chance, num_rules - num_patterns))
    rules += [Rule(f"/{_word(chance)}[a-f]{{1,3}}{_word(chance)}?/", RuleAction.WARN) for _ in range(num_patterns)]
    began_s = time.perf_counter()
    rule_set = RuleSet(rules)
    compile_s = time.perf_counter() - began_s
    vocabulary = [rule.text for rule in rules[:200]] + [_word(chance) for _ in range(2000)]
    prompts = [" ".join(chance.choices(vocabulary, k=15)) for _ in range(num_prompts)]
    longs = [
        " ".join(chance.choices([*vocabulary, "w0rd$", "a.b.c"], k=300))[:MAX_PROMPT_CHARACTERS]
        for _ in range(num_prompts)
    ]
    short_ms, long_ms = _times_ms(rule_set, prompts), _times_ms(rule_set, longs)
    return Cost(
        num_rules=num_rules,
        num_patterns=num_patterns,
        compile_s=compile_s,
        median_ms=statistics.median(short_ms),
        p99_ms=sorted(short_ms)[int(len(short_ms) * 0.99)],
        worst_ms=max(short_ms),
        long_median_ms=statistics.median(long_ms),
        long_worst_ms=max(long_ms),
    )


def _times_ms(rules: RuleSet, prompts: Sequence[str]) -> list[float]:
    times: list[float] = []
    for prompt in prompts:
        began_s = time.perf_counter()
        rules.check(prompt)
        times.append((time.perf_counter() - began_s) * 1000)
    return times


def _invented(chance: random.Random, number: int) -> Iterable[Rule]:
    texts: dict[str, None] = {}
    while len(texts) < number:
        texts[" ".join(_word(chance) for _ in range(chance.choice((1, 1, 1, 2, 3))))] = None
    return [Rule(text, RuleAction.WARN) for text in texts]


def _word(chance: random.Random) -> str:
    return "".join(chance.choice("bcdfghklmnprstvw") + chance.choice("aeiou") for _ in range(chance.randint(2, 4)))
