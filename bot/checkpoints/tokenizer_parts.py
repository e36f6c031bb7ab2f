"""Which parts a tokenizer.json may be made of, so that a prompt's cost can't be chosen by whoever made the checkpoint.

Called by tokenizer_files.py before `tokenizers` reads the file. That library takes any regular expression, and its
matcher goes back: one like (a+)+b would keep the engine thread busy for hours. And it replaces a letter by any text.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from bot.errors import CheckpointError

MAX_PARTS: Final = 16

# Those that need no expression of the file's own, and no text but what they take it from.
_NORMALIZERS: Final = frozenset(
    {"NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "StripAccents", "BertNormalizer", "Replace", "Sequence"}
)
_PRE_TOKENIZERS: Final = frozenset(
    {
        *("ByteLevel", "Whitespace", "WhitespaceSplit", "Punctuation", "Digits", "BertPreTokenizer", "Metaspace"),
        *("Split", "Sequence"),
    }
)
_CLIP_WORDS: Final = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
# Those of bot/demo/vocabulary.py, and of CLIP with and without its special tokens. None of them goes back.
_DEMO_WORDS: Final = r"[\p{L}\p{N}]+(?:'[\p{L}\p{N}]+)*"
EXPRESSIONS: Final = frozenset({_DEMO_WORDS, r"\s+", _CLIP_WORDS, rf"<\|startoftext\|>|<\|endoftext\|>|{_CLIP_WORDS}"})

# Neither does one class of characters, repeated or not.
_ONE_CLASS: Final = re.compile(r"\[(?:[^\[\]\\]|\\.)+\]\+?")


def check_parts(data: Mapping[str, Any], source: str) -> None:
    """data: a tokenizer.json. Raises CheckpointError for a part that is not known to be harmless."""
    for role, kinds in (("normalizer", _NORMALIZERS), ("pre_tokenizer", _PRE_TOKENIZERS)):
        waiting, count = [data.get(role)], 0
        while waiting:
            part = waiting.pop()
            if part is None:
                continue
            count += 1
            kind = part.get("type") if isinstance(part, Mapping) else None
            if count > MAX_PARTS or not isinstance(kind, str) or kind not in kinds:
                raise CheckpointError(
                    f"{source}: its {role} holds {kind!s:.40}, or more than {MAX_PARTS} parts, which no model that "
                    "is supported here has."
                )
            if "pattern" in part or kind in ("Split", "Replace"):
                _check_pattern(part, f"{source}: its {role}")
            inner = part.get("normalizers" if role == "normalizer" else "pretokenizers") or []
            waiting += inner if isinstance(inner, list) else [inner]


def _check_pattern(part: Mapping[str, Any], what: str) -> None:
    match part.get("pattern"):
        case {"Regex": str(expression)} if expression in EXPRESSIONS or _ONE_CLASS.fullmatch(expression):
            pass
        case {"String": str(text)} if text:
            pass
        case pattern:
            raise CheckpointError(
                f"{what} looks for {pattern!s:.80}, which is none of the expressions that are known to be fast."
            )
    if len(str(part.get("content") or "")) > 1:
        raise CheckpointError(f"{what} puts more than one letter into the place of others.")
