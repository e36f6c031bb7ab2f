"""Tokenizers made from captions, in the files that the originals use: one for prompts and one for CLIP.

The prompt's has one token for each word and one for all words that captions don't have, so that the model learns to
draw the rest and the reply can say which words it doesn't know. CLIP's spells unknown words byte by byte.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from bot.checkpoints.text import PromptNormalizer

MAX_IDS: Final = 8000
"""Of each tokenizer, its special tokens included. Words beyond are the rarest ones, and unknown."""

PROMPT_SPECIALS: Final = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
_CLIP_SPECIALS: Final = ("<|startoftext|>", "<|endoftext|>")
_WORD: Final = r"[\p{L}\p{N}]+(?:'[\p{L}\p{N}]+)*"


def write_prompt_tokenizer(folder: Path, sentences: Iterable[str]) -> None:
    """DalleBart's: the words of `sentences`, the most frequent first, between `<s>` and `</s>`, padded with `<pad>`.

    For a model whose configuration says `normalize_text`: its words are those that the prompt normaliser leaves.
    """
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))  # noqa: S106
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True)
    specials = [AddedToken(name, special=True) for name in PROMPT_SPECIALS]
    trainer = trainers.WordLevelTrainer(vocab_size=MAX_IDS, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator(map(PromptNormalizer(None), sentences), trainer)
    _put_between(tokenizer, "<s>", "</s>")
    roles = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    _write(tokenizer, folder, roles)


def write_clip_tokenizer(folder: Path, sentences: Iterable[str]) -> int:
    """CLIP's: byte-level BPE over lower-cased words between its two special tokens. Returns the id of the second, the
    EOS, where CLIP reads a text's vector."""
    start, end = _CLIP_SPECIALS
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Lowercase()
    # With a space before the first word, it is the same token as within a text.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MAX_IDS,
        special_tokens=[AddedToken(name, special=True) for name in _CLIP_SPECIALS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences, trainer)
    eos_id = _put_between(tokenizer, start, end)
    _write(tokenizer, folder, {"bos_token": start, "eos_token": end, "pad_token": end, "unk_token": end})
    return eos_id


def _put_between(tokenizer: Tokenizer, start: str, end: str) -> int:
    """Frames every text with two special tokens; returns the id of the second."""
    start_id, end_id = tokenizer.token_to_id(start), tokenizer.token_to_id(end)
    assert start_id is not None
    assert end_id is not None
    tokenizer.post_processor = processors.RobertaProcessing(
        (end, end_id), (start, start_id), trim_offsets=False, add_prefix_space=False
    )
    return int(end_id)


def _write(tokenizer: Tokenizer, folder: Path, roles: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "special_tokens_map.json").write_text(json.dumps(roles, indent=1) + "\n", encoding="utf-8")
