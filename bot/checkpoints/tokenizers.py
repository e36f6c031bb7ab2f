"""Prompts to token ids: DalleBart's tokenizer and CLIP's. Called on the engine thread when prompts are prefilled."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE

from bot.checkpoints.text import PromptNormalizer
from bot.checkpoints.tokenizer_files import Merges, SpecialTokens, Vocabulary, read_tokenizer
from bot.checkpoints.unknown_words import unknown_id_of, unknown_words

# OpenAI's CLIP, simple_tokenizer.py: contractions, words, single digits, runs of anything else.
_CLIP_WORDS: Final = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


@dataclass(frozen=True, slots=True, eq=False)
class EncodedText:
    """Texts of one length. ids, mask: int32 [rows, length]; mask is 1 for tokens and 0 for padding.

    num_dropped: for each row, how many tokens of the text did not fit; 0 if it is complete. unknown_words: for each
    row, the words among those that fit that the tokenizer does not know, each once, as they were written.
    all_unknown: for each row, whether it has such words and no others.
    """

    ids: npt.NDArray[np.int32]
    mask: npt.NDArray[np.int32]
    num_dropped: tuple[int, ...]
    unknown_words: tuple[tuple[str, ...], ...]
    all_unknown: tuple[bool, ...]


class PromptTokenizer:
    """DalleBart's: a text between `<s>` and `</s>`, after the prompt normaliser where the model wants it. The released
    models spell it with byte-level BPE."""

    def __init__(self, tokenizer: Tokenizer, normalizer: PromptNormalizer | None) -> None:
        self._tokenizer = tokenizer
        self._normalizer = normalizer
        self._unknown_id = unknown_id_of(tokenizer)

    @classmethod
    def load(cls, folder: Path, *, max_length: int, normalize: bool) -> "PromptTokenizer":
        """Reads the tokenizer in `folder` and, for `normalize`, the word list beside it.

        max_length: config.json's max_text_length, which counts the special tokens. normalize: its normalize_text.
        Raises CheckpointError naming the file that is missing, damaged or at odds with another one.
        """
        defaults = SpecialTokens(bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>")  # noqa: S106
        tokenizer = read_tokenizer(folder, defaults=defaults, build=_build_dalle_bart, max_length=max_length)
        return cls(tokenizer, PromptNormalizer.load(folder) if normalize else None)

    @property
    def num_ids(self) -> int:
        """One more than the largest id: the least vocabulary that a model must have."""
        return _num_ids(self._tokenizer)

    def encode(self, prompts: Sequence[str]) -> EncodedText:
        """Users' prompts, at least one, cut or padded to max_length."""
        texts = prompts if self._normalizer is None else [self._normalizer(prompt) for prompt in prompts]
        rows = [self._tokenizer.encode(text) for text in texts]
        unknown = [
            unknown_words(row, self._unknown_id, text, prompt)
            for row, text, prompt in zip(rows, texts, prompts, strict=True)
        ]
        return _encoded(rows, unknown)

    def encode_unconditional(self) -> EncodedText:
        """One row, `<s> </s>`: no prompt at all. The normaliser would make it one token longer."""
        return _encoded([self._tokenizer.encode("")])


class ClipTokenizer:
    """CLIP's: byte-level BPE over lower-cased words, between `<|startoftext|>` and `<|endoftext|>`."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, folder: Path, max_length: int) -> "ClipTokenizer":
        """Reads the tokenizer in `folder`.

        max_length: the text tower's max_position_embeddings, 77 in the released models.
        Raises CheckpointError naming the file that is missing, damaged or at odds with another one.
        """
        end = "<|endoftext|>"
        defaults = SpecialTokens(bos_token="<|startoftext|>", eos_token=end, pad_token=end, unk_token=end)  # noqa: S106
        return cls(read_tokenizer(folder, defaults=defaults, build=_build_clip, max_length=max_length))

    @property
    def num_ids(self) -> int:
        """One more than the largest id: the least vocabulary that a text tower must have."""
        return _num_ids(self._tokenizer)

    def encode(self, texts: Sequence[str]) -> EncodedText:
        """Texts as they are, at least one, cut or padded to max_length. Unknown words are not looked for."""
        return _encoded([self._tokenizer.encode(text) for text in texts])


def _build_dalle_bart(vocabulary: Vocabulary, merges: Merges, special: SpecialTokens) -> Tokenizer:
    tokenizer = Tokenizer(BPE(dict(vocabulary), merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def _build_clip(vocabulary: Vocabulary, merges: Merges, special: SpecialTokens) -> Tokenizer:
    tokenizer = Tokenizer(
        BPE(dict(vocabulary), merges, end_of_word_suffix="</w>", unk_token=special.unk_token, fuse_unk=False)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return tokenizer


def _encoded(rows: Sequence[Encoding], unknown: Sequence[tuple[tuple[str, ...], bool]] | None = None) -> EncodedText:
    words, all_unknown = zip(*([((), False)] * len(rows) if unknown is None else unknown), strict=True)
    return EncodedText(
        ids=np.array([row.ids for row in rows], np.int32),
        mask=np.array([row.attention_mask for row in rows], np.int32),
        # Each overflowing piece is framed by special tokens and padded; neither was in the text.
        num_dropped=tuple(sum(piece.special_tokens_mask.count(0) for piece in row.overflowing) for row in rows),
        unknown_words=words,
        all_unknown=all_unknown,
    )


def _num_ids(tokenizer: Tokenizer) -> int:
    return max(tokenizer.get_vocab().values()) + 1
