"""Prompt normaliser: brings a prompt into the form of the texts that dalle-mini's models were trained on.

Called by tokenizers.py, on the engine thread, for checkpoints whose configuration says `normalize_text`. The result
is that of dalle-mini 0.1.5's TextNormalizer, but for two cases:

- `<person>` becomes "a person", the commonest of the three phrases that the original draws from at random.
- Without a word list beside the tokenizer a hashtag only loses its # and its underscores; the original can't start.

The normaliser is a chain of small steps in the order of the two lists below; each is a pure function of the text so
far. Every step takes time linear in its input: patterns that hold two adjacent runs use possessive quantifiers, and
patterns that begin with a run of white space begin only where such a run does.
"""

import html
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import emoji
import ftfy
from unidecode import unidecode

from bot.checkpoints.hashtags import HashtagSplitter

Step = Callable[[str], str]

# These marks stand for characters that must outlive the step that turns punctuation into commas. They are made of
# letters because the steps in between must take them for a part of their word.
_DOT: Final = "xtokxdotxtokx"
_QUOTE: Final = "xtokxquotextokx"
_SLASH: Final = "xtokxslashxtokx"


class PromptNormalizer:
    """Normalises prompts. `split_hashtag` gets a hashtag without its #; None leaves hashtags in one piece."""

    def __init__(self, split_hashtag: Step | None) -> None:
        self._split_hashtag = split_hashtag

    @classmethod
    def load(cls, folder: Path) -> "PromptNormalizer":
        """Uses the word list in `folder` if there is one. Raises CheckpointError if it is damaged."""
        return cls(HashtagSplitter.load(folder))

    def __call__(self, text: str) -> str:
        """The normalised text: one line of lower-case ASCII that starts with a space; " " if nothing is left.

        text: at most requests.MAX_PROMPT_CHARACTERS characters.
        """
        for step in _STEPS_BEFORE_HASHTAGS:
            text = step(text)
        if self._split_hashtag is not None:
            split_hashtag = self._split_hashtag
            text = _HASHTAG.sub(lambda match: split_hashtag(match[1]), text)
        for step in _STEPS_AFTER_HASHTAGS:
            text = step(text)
        return f" {text}"


def _substitution(pattern: str, replacement: str) -> Step:
    compiled = re.compile(pattern)
    return lambda text: compiled.sub(replacement, text)


def _unescape_html_twice(text: str) -> str:
    # Scraped captions are often escaped twice: `&amp;amp;`.
    return html.unescape(html.unescape(text))


def _strip_outer_commas(text: str) -> str:
    return text.strip().removesuffix(",").removeprefix(",").strip()


_HASHTAG: Final = re.compile(r"#(\w+)")

_merge_people = _substitution(r"<person>(?:[,\s]*+(?:and)*+[,\s]*+<person>)+", " people ")
_name_person = _substitution(r"<person>", " a person ")
# References of Wikipedia texts: "[12]" at either end.
_drop_leading_reference = _substitution(r"\A\s*\[\d+\]", "")
_drop_trailing_reference = _substitution(r"\[\d+\]\s*\Z", "")
_drop_tags = _substitution(r"<[^<]+?>", " ")
_drop_urls = _substitution(r"http\S+", "")
_join_thousands = _substitution(r"(\d),(\d{3})", r"\1\2")
_protect_dots = _substitution(r"(\w)\.(\w)", rf"\1{_DOT}\2")
# In 's, 't, 'd, 'm, 'll, 're and 've.
_protect_apostrophes = _substitution(r"'(?=(?:[stdm]|ll|re|ve)\b)", _QUOTE)
_protect_dates = _substitution(r"(\d)/(\d)", rf"\1{_SLASH}\2")
_part_hyphens = _substitution(r"(\w)-(\w)", r"\1 \2")
_space_symbols = _substitution(r"([%&/$*])", r" \1 ")

_drop_marks = _substitution(r"[_#\\]", " ")
_unify_quotes = _substitution("['\"`]", ' " ')
_punctuation_to_commas = _substitution(r"[()\[\].,|:;?!=+~\-/{}]", ",")
_restore_dots = _substitution(_DOT, ".")
_restore_apostrophes = _substitution(_QUOTE, "'")
_restore_dates = _substitution(_SLASH, "/")
# From four on, since three are legitimate in "viii".
_collapse_repeats = _substitution(r"(\D)\1{3,}", r"\1")
_merge_quotes = _substitution(r'(?<!\s)\s*+"[\s"]*+', ' " ')
_merge_commas = _substitution(r"(?<!\s)\s*+,[\s,]*+", ", ")
_merge_spaces = _substitution(r"\s+", " ")

_STEPS_BEFORE_HASHTAGS: Final[Sequence[Step]] = (
    ftfy.fix_text,
    _unescape_html_twice,
    emoji.demojize,  # before unidecode, which drops emoji
    unidecode,
    str.lower,
    _merge_people,
    _name_person,
    _drop_leading_reference,
    _drop_trailing_reference,
    _drop_tags,
    _drop_urls,
    _join_thousands,  # twice: a match takes the digit that the next one would start with
    _join_thousands,
    _protect_dots,
    _protect_apostrophes,
    _protect_dates,
    _part_hyphens,
    _space_symbols,
)

_STEPS_AFTER_HASHTAGS: Final[Sequence[Step]] = (
    _drop_marks,
    _unify_quotes,
    _punctuation_to_commas,
    _restore_dots,
    _restore_apostrophes,
    _restore_dates,
    _collapse_repeats,
    _merge_quotes,
    _merge_commas,
    _merge_spaces,
    _strip_outer_commas,
)
