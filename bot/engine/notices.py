"""What people are told about how their texts were read: what was cut off, which words the model doesn't know.

Called by engine.py when it encodes prompts. Pure.
"""

from typing import Final

from bot.checkpoints.tokenizers import EncodedText
from bot.language import Text
from bot.requests import THE_NEGATIVE_PROMPT, THE_PROMPT

_MAX_WORDS: Final = 5
_MAX_CHARACTERS: Final = 30


def prompt_notices(text: EncodedText) -> tuple[Text, ...]:
    """Sentences about a prompt, the only row of `text`. () if all of it was read and is known."""
    [words], [all_unknown] = text.unknown_words, text.all_unknown
    if all_unknown:
        unknown = Text("I know none of these words, and drew what came to mind.")
    else:
        unknown = Text("I don't know {words}, and drew the rest.", words=_listed(words))
    return (*_too_long(text, THE_PROMPT), *([unknown] if words else []))


def negative_prompt_notices(text: EncodedText) -> tuple[Text, ...]:
    """Sentences about a negative prompt, the only row of `text`."""
    [words], [all_unknown] = text.unknown_words, text.all_unknown
    if all_unknown:
        unknown = Text("I know none of the words of the negative prompt, so it changed little.")
    else:
        unknown = Text("I don't know {words} in the negative prompt, and avoided the rest.", words=_listed(words))
    return (*_too_long(text, THE_NEGATIVE_PROMPT), *([unknown] if words else []))


def _too_long(text: EncodedText, which: Text) -> list[Text]:
    [dropped] = text.num_dropped
    if not dropped:
        return []
    return [
        Text.plural(
            "{prompt} is longer than the model reads ({limit} tokens): its last {n} token was left out.",
            "{prompt} is longer than the model reads ({limit} tokens): its last {n} tokens were left out.",
            dropped,
            prompt=which,
            limit=text.ids.shape[1],
        )
    ]


def _listed(words: tuple[str, ...]) -> tuple[Text, ...]:
    """The words in quotation marks; of many the first ones and how many more there are."""
    shown = [Text("“{word}”", word=_cut(word)) for word in words[:_MAX_WORDS]]
    more = len(words) - len(shown)
    if more:
        shown.append(Text.plural("{n} more word", "{n} more words", more))
    return tuple(shown)


def _cut(word: str) -> str:
    return word if len(word) <= _MAX_CHARACTERS else f"{word[: _MAX_CHARACTERS - 1]}…"
