"""Which words of a text a tokenizer does not know. Called by tokenizers.py.

A tokenizer that has a token for unknown words, as word-level ones do, says where it used it. Byte-level BPE, which the
released models have, spells every text and uses no such token.
"""

import re
from collections.abc import Mapping
from typing import Final

from tokenizers import Encoding, Tokenizer
from unidecode import unidecode

_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def unknown_id_of(tokenizer: Tokenizer) -> int | None:
    """The id that the tokenizer's model gives to what it does not know; None if there is nothing of the kind."""
    name = getattr(tokenizer.model, "unk_token", None)
    if name is None:
        return None
    token_id: int | None = tokenizer.token_to_id(name)
    return token_id


def unknown_words(row: Encoding, unknown_id: int | None, text: str, original: str) -> tuple[tuple[str, ...], bool]:
    """The unknown words of what `row` holds, each once, in their order; and whether there is no other word.

    text: what was encoded. original: what it was before it was normalised; words are spelled as they are there, if
    they can be found in it.
    """
    if unknown_id not in row.ids:
        return (), False
    found = [
        text[start:end]
        for token_id, (start, end), special in zip(row.ids, row.offsets, row.special_tokens_mask, strict=True)
        if token_id == unknown_id and not special
    ]
    spellings = _spellings(original)
    words = dict.fromkeys(spellings.get(word.lower(), word) for word in found if _WORD.search(word))
    return tuple(words), bool(words) and len(found) == row.special_tokens_mask.count(0)


def _spellings(original: str) -> Mapping[str, str]:
    """Words as the normaliser (text.py) leaves them -> as they were written; one may become several."""
    spellings: dict[str, str] = {}
    for word in _WORD.findall(original):
        for plain in unidecode(word).lower().split():
            spellings.setdefault(plain, word)
    return spellings
