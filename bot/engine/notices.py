"""What people are told about how their texts were read: what was cut off, which words the model doesn't know.

Called by engine.py when it encodes prompts. Pure.
"""

from typing import Final

from bot.checkpoints.tokenizers import EncodedText

_MAX_WORDS: Final = 5
_MAX_CHARACTERS: Final = 30


def prompt_notices(text: EncodedText) -> tuple[str, ...]:
    """Sentences about a prompt, the only row of `text`. () if all of it was read and is known."""
    [words], [all_unknown] = text.unknown_words, text.all_unknown
    if all_unknown:
        unknown = "I know none of these words, and drew what came to mind."
    else:
        unknown = f"I don't know {_listed(words)}, and drew the rest."
    return (*_too_long(text, "The prompt"), *([unknown] if words else []))


def negative_prompt_notices(text: EncodedText) -> tuple[str, ...]:
    """Sentences about a negative prompt, the only row of `text`."""
    [words], [all_unknown] = text.unknown_words, text.all_unknown
    if all_unknown:
        unknown = "I know none of the words of the negative prompt, so it changed little."
    else:
        unknown = f"I don't know {_listed(words)} in the negative prompt, and avoided the rest."
    return (*_too_long(text, "The negative prompt"), *([unknown] if words else []))


def _too_long(text: EncodedText, which: str) -> list[str]:
    [dropped] = text.num_dropped
    if not dropped:
        return []
    return [
        f"{which} is longer than the model reads ({text.ids.shape[1]} tokens): "
        f"its last {dropped} {'token was' if dropped == 1 else 'tokens were'} left out."
    ]


def _listed(words: tuple[str, ...]) -> str:
    """“a”, “b” and “c”; of many words the first ones and how many more there are."""
    shown = [f"“{_cut(word)}”" for word in words[:_MAX_WORDS]]
    more = len(words) - len(shown)
    if more:
        shown.append(f"{more} more {'word' if more == 1 else 'words'}")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)


def _cut(word: str) -> str:
    return word if len(word) <= _MAX_CHARACTERS else f"{word[: _MAX_CHARACTERS - 1]}…"
