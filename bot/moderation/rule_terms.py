"""What the text of a rule means: a word or phrase, or two lists of those whose meeting fires. Pure."""

import re
from functools import lru_cache
from typing import Final

from bot.errors import InvalidParameterError
from bot.moderation.lookalikes import MASK, SIGNS
from bot.moderation.prompt_text import fold
from bot.moderation.readings import is_unspaced
from bot.moderation.spelling import Term, term_of

MIN_LETTERS: Final = 2
TOGETHER: Final = "&&"
"""Between the two sides of a combination."""

_SIGNS_WITHIN: Final = re.compile(rf"(?<=[^\W_])[{re.escape(''.join(SIGNS))}]+(?=[^\W_])")
_BETWEEN_WORDS: Final = re.compile(r"[^\w'’]|_")


@lru_cache(maxsize=8192)  # the starter list is a part of every server's rules
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


def sides_from(text: str) -> list[dict[str, Term]]:
    """The two sides of a combination, each word or phrase with its term. Raises InvalidParameterError where there are
    not two."""
    sides = [
        {word: term_from(word) for each in side.split(",") if (word := " ".join(each.split()))}
        for side in text.split(TOGETHER)
    ]
    if len(sides) != 2 or not all(sides):
        raise InvalidParameterError(
            "A combination has two sides, words or phrases with commas: naked, nude && cat, dog."
        )
    return sides


def _words(text: str) -> list[str]:
    """Folded. A sign between two letters, as in a$$hole, is the letter that it stands for."""
    folded = _SIGNS_WITHIN.sub(lambda signs: "".join(SIGNS[sign][0] for sign in signs[0]), fold(text).text)
    # An apostrophe doesn't end a word.
    return ["".join(filter(str.isalnum, word)) for word in _BETWEEN_WORDS.split(folded) if any(map(str.isalnum, word))]
