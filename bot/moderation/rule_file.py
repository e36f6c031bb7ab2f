"""Rules as a text that moderators edit by hand: one a line, `action: words`. Pure; read on worker threads.

# What stands behind a # at the beginning of a line is a remark.
refuse: naked
warn: *blood*
hold: /kill(ing|s)? (him|her)/
hold: naked, nude && cat, dog
allow: naked mole rat
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.errors import ConfigError, InvalidParameterError
from bot.language import Text
from bot.moderation.prompt_rules import MAX_PATTERNS, MAX_RULES, Category, Rule, RuleAction

MAX_FILE_BYTES: Final = 1 << 20
MAX_COMPLAINTS: Final = 20
MAX_MALFORMED: Final = 1000
MAX_LINES: Final = 2 * MAX_RULES  # with a rule; each takes up to 10 ms to be compiled
HEADER: Final = """\
# Rules for prompts. One a line: ACTION: WORDS
# Actions, from mild to strict: allow (an exception to others), warn, hold, refuse, strike.
# Words and phrases fire on word boundaries, however they are spelled; with a * at an end, in longer words too.
# With && between two lists, a prompt with a word or phrase of each fires: naked, nude && cat, dog
# Between slashes stands a pattern in RE2: https://github.com/google/re2/wiki/Syntax
"""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with a line, counted from 1."""

    line: int
    reason: Text


@dataclass(frozen=True, slots=True)
class RuleFile:
    """complaints: of the first MAX_COMPLAINTS malformed lines. num_malformed: of all; reading ends at
    MAX_MALFORMED."""

    rules: tuple[Rule, ...]
    complaints: tuple[Complaint, ...] = ()
    num_malformed: int = 0


def decode(data: bytes) -> str:
    """Raises InvalidParameterError for what is too large or no text."""
    if len(data) > MAX_FILE_BYTES:
        raise InvalidParameterError(
            "The file has {size:,} bytes; at most {limit:,} are read.", size=len(data), limit=MAX_FILE_BYTES
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidParameterError("The file is not UTF-8 text (line {line}): save it as UTF-8.", line=line) from None


def parse_rules(
    text: str, *, category: Category = Category.SERVER, action: RuleAction | None = None, goes_on: bool = False
) -> RuleFile:
    """action: of lines that name none; None where each must. The same rule with two actions is malformed. goes_on:
    whether a line with a backslash at its end goes on in the next.

    Raises InvalidParameterError above MAX_RULES, MAX_PATTERNS or MAX_LINES.
    """
    rules: dict[str, Rule] = {}
    complaints: list[Complaint] = []
    num_patterns = 0
    for num_lines, (number, line) in enumerate(_lines(text, goes_on=goes_on), start=1):
        if num_lines > MAX_LINES:
            raise InvalidParameterError("The file has more than {limit:,} lines with rules.", limit=MAX_LINES)
        try:
            rule = _rule(line, category, action)
            known = rules.get(rule.text)
            if known is not None and known.action is not rule.action:
                raise InvalidParameterError(
                    "Another line says “{action}” for the same: leave one of them.", action=known.action.value
                )
        except InvalidParameterError as error:
            complaints.append(Complaint(number, error.text))
            if len(complaints) == MAX_MALFORMED:
                break
            continue
        num_patterns += rule.pattern is not None and rule.text not in rules
        if num_patterns > MAX_PATTERNS:
            raise InvalidParameterError("The file has more than {limit:,} patterns.", limit=MAX_PATTERNS)
        rules[rule.text] = rule
        if len(rules) > MAX_RULES:
            raise InvalidParameterError("The file has more than {limit:,} rules.", limit=MAX_RULES)
    return RuleFile(tuple(rules.values()), tuple(complaints[:MAX_COMPLAINTS]), len(complaints))


def _lines(text: str, *, goes_on: bool) -> Iterator[tuple[int, str]]:
    """With the number of the first, where several are one."""
    begun, first = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not begun and (not line or line.startswith("#")):
            continue
        first = first if begun else number
        if goes_on and line.endswith("\\"):
            begun += line.removesuffix("\\")
            continue
        yield first, begun + line
        begun = ""
    if begun:
        yield first, begun


def _rule(line: str, category: Category, action: RuleAction | None) -> Rule:
    named, separator, text = line.partition(":")
    if separator and named.strip().lower() in set(RuleAction):
        return Rule(text.strip(), RuleAction(named.strip().lower()), category)
    if action is not None:
        return Rule(line, action, category)
    actions = ", ".join(RuleAction)
    if not separator:
        raise InvalidParameterError("There is no action: write ACTION: WORDS, with one of {actions}.", actions=actions)
    raise InvalidParameterError(
        "There is no action {given:.40}; there are {actions}.", given=named.strip(), actions=actions
    )


def write_rules(rules: Iterable[Rule]) -> str:
    """What parse_rules reads."""
    return HEADER + "".join(f"{rule.action}: {rule.text}\n" for rule in rules)


def load_rules(path: Path) -> tuple[Rule, ...]:
    """Rules of whoever runs the bot. Blocks on the disk. Raises ConfigError, with each malformed line."""
    key = "moderation.rules_file"
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        read = parse_rules(decode(data), category=Category.BOT)
    except OSError as error:
        raise ConfigError(f"{key}: {path} can't be read: {error.strerror}.") from error
    except InvalidParameterError as error:
        raise ConfigError(f"{key}: {path}: {error}") from error
    if read.complaints:
        lines = "\n".join(f"line {complaint.line}: {complaint.reason}" for complaint in read.complaints)
        raise ConfigError(f"{key}: {path} has {read.num_malformed} malformed lines.\n{lines}")
    return read.rules
