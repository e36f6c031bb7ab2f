"""Tokenizer files as transformers writes them, read into a `tokenizers.Tokenizer`. Called by tokenizers.py.

A folder holds tokenizer.json, or vocab.json and merges.txt. tokenizer_config.json and special_tokens_map.json, where
they are there, say what the special tokens are called. `tokenizers` reads tokenizer.json by itself; transformers uses
the same library and would add more than a second and 55 MB to every start.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.processors import RobertaProcessing

from bot.checkpoints.json_file import MAX_JSON_BYTES, read_json
from bot.checkpoints.tokenizer_parts import check_parts
from bot.errors import CheckpointError, CheckpointNotFoundError
from bot.small_file import TooLargeError, read_small


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """What the special tokens of one tokenizer are called; their ids are in its vocabulary."""

    bos_token: str
    eos_token: str
    pad_token: str
    unk_token: str


Vocabulary = Mapping[str, int]
Merges = list[tuple[str, str]]
Build = Callable[[Vocabulary, Merges, SpecialTokens], Tokenizer]
"""Puts a tokenizer together where there is no tokenizer.json: all but the special tokens around a text."""


def read_tokenizer(folder: Path, *, defaults: SpecialTokens, build: Build, max_length: int) -> Tokenizer:
    """A tokenizer that cuts and pads every text to `max_length` tokens, among them one special token at either end.

    Special tokens within a text are plain text to it: who writes `</s>` does not end the prompt.
    Raises CheckpointError naming the file that is missing, damaged or at odds with another one.
    """
    special = _special_tokens(folder, defaults)
    file = folder / "tokenizer.json"
    if file.exists():
        tokenizer = _from_json(file)
    else:
        file = folder / "vocab.json"
        tokenizer = _from_vocabulary(file, folder / "merges.txt", special, build)
    bos, eos, pad = (
        _id_of(tokenizer, name, file) for name in (special.bos_token, special.eos_token, special.pad_token)
    )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    around = tokenizer.encode("").ids
    if around != [bos, eos]:
        raise CheckpointError(
            f"{file}: an empty text must become {special.bos_token} {special.eos_token} (ids {[bos, eos]}), "
            f"not the ids {around}. Is it the tokenizer of this model?"
        )
    tokenizer.encode_special_tokens = True
    tokenizer.enable_truncation(max_length)
    tokenizer.enable_padding(pad_id=pad, pad_token=special.pad_token, length=max_length)
    return tokenizer


def _special_tokens(folder: Path, defaults: SpecialTokens) -> SpecialTokens:
    special = defaults
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        file = folder / name
        if not file.exists():
            continue
        data = read_json(file)
        for role in (field.name for field in fields(SpecialTokens)):
            token = data.get(role)
            # A plain string, or an AddedToken with its flags.
            content = token.get("content") if isinstance(token, dict) else token
            if isinstance(content, str):
                special = replace(special, **{role: content})
            elif token is not None:
                raise CheckpointError(f"{file}: {role} must be a token's text, not {token!r:.80}.")
    return special


def _from_json(file: Path) -> Tokenizer:
    check_parts(read_json(file), str(file))
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # `tokenizers` raises nothing more precise
        raise CheckpointError(f"{file}: not a tokenizer ({error}). Fetch it again.") from error


def _from_vocabulary(vocab_file: Path, merges_file: Path, special: SpecialTokens, build: Build) -> Tokenizer:
    if not vocab_file.exists() and not merges_file.exists():
        raise CheckpointNotFoundError(
            f"{vocab_file.parent}: no tokenizer. Fetch tokenizer.json, or vocab.json and merges.txt."
        )
    vocabulary = read_json(vocab_file)
    if not all(isinstance(value, int) and value >= 0 for value in vocabulary.values()):
        raise CheckpointError(f"{vocab_file}: every token must have a whole number as its id. Fetch it again.")
    merges = _read_merges(merges_file)
    try:
        tokenizer = build(vocabulary, merges, special)
    except Exception as error:  # `tokenizers` raises nothing more precise
        raise CheckpointError(
            f"{merges_file}: does not fit to {vocab_file.name} ({error}). Fetch both again."
        ) from error
    bos, eos = (_id_of(tokenizer, name, vocab_file) for name in (special.bos_token, special.eos_token))
    around = ((special.eos_token, eos), (special.bos_token, bos))
    tokenizer.post_processor = RobertaProcessing(*around, trim_offsets=False, add_prefix_space=False)
    return tokenizer


def _read_merges(file: Path) -> Merges:
    try:
        lines = read_small(file, MAX_JSON_BYTES).decode().split("\n")
    except FileNotFoundError as error:
        raise CheckpointNotFoundError(f"{file}: no such file; vocab.json alone is not a tokenizer.") from error
    except (OSError, UnicodeDecodeError, TooLargeError) as error:
        raise CheckpointError(f"{file}: not readable as UTF-8 text ({error}). Fetch it again.") from error
    merges: Merges = []
    for number, line in enumerate(lines, start=1):
        if not line or line.startswith("#version"):
            continue
        left, space, right = line.rstrip("\r").partition(" ")
        if not (left and space and right):
            raise CheckpointError(
                f"{file}: line {number} must hold two pieces of text, not {line!r:.80}. Fetch it again."
            )
        merges.append((left, right))
    return merges


def _id_of(tokenizer: Tokenizer, token: str, file: Path) -> int:
    token_id: int | None = tokenizer.token_to_id(token)
    if token_id is None:
        raise CheckpointError(f"{file}: the special token {token} is not in the vocabulary. Is the file complete?")
    return token_id
