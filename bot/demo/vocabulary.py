"""The demo's tokenizers: byte-level BPE over the words of its grammar, in the files that the originals use.

Every byte has a token, so a prompt with unknown words is read too, letter by letter.
"""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from bot.demo.grammar import COLOURS, RELATIONS, SHAPES, SIZES

_PROMPT_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_CLIP_SPECIALS = ["<|startoftext|>", "<|endoftext|>"]


def write_prompt_tokenizer(folder: Path) -> None:
    """DalleBart's tokenizer: texts between `<s>` and `</s>`, padded with `<pad>`."""
    tokenizer = _train(_PROMPT_SPECIALS)
    around = {name: (name, _id(tokenizer, name)) for name in ("<s>", "</s>")}
    tokenizer.post_processor = processors.RobertaProcessing(around["</s>"], around["<s>"], add_prefix_space=False)
    roles = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    _write(tokenizer, folder, roles)


def write_clip_tokenizer(folder: Path) -> int:
    """CLIP's tokenizer: lower-cased texts between its two special tokens. Returns the id of the second, the EOS."""
    tokenizer = _train(_CLIP_SPECIALS)
    start, end = ((name, _id(tokenizer, name)) for name in _CLIP_SPECIALS)
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.post_processor = processors.RobertaProcessing(end, start, add_prefix_space=False)
    roles = {"bos_token": start[0], "eos_token": end[0], "pad_token": end[0], "unk_token": end[0]}
    _write(tokenizer, folder, roles)
    return end[1]


def _sentences() -> Iterator[str]:
    """Every word of the grammar, at the start of a text and within it."""
    words = (*COLOURS, *SHAPES, *SIZES, *RELATIONS, "a", "an", "on", "background")
    for first, second in product(words, repeat=2):
        yield f"{first} {second}"
        yield f" {first} {second}"


def _train(specials: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=[AddedToken(name, special=True) for name in specials],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_sentences(), trainer)
    return tokenizer


def _id(tokenizer: Tokenizer, name: str) -> int:
    token_id: int | None = tokenizer.token_to_id(name)
    assert token_id is not None
    return token_id


def _write(tokenizer: Tokenizer, folder: Path, roles: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "special_tokens_map.json").write_text(json.dumps(roles, indent=1) + "\n", encoding="utf-8")
