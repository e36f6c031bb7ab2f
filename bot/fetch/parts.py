"""The three networks of a model: which files each one needs, and whether a folder holds them. Nothing is downloaded.

Called by bot.fetch.locate before a network is downloaded and after, on the thread that starts the engine.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from bot.checkpoints.json_file import read_json
from bot.errors import CheckpointError, CheckpointNotFoundError

CONFIG_FILE: Final = "config.json"
PICKLE_SUFFIXES: Final = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle"})
WHY_NO_PICKLES: Final = "pickled weights are never read, since loading one runs its code"

_SMALL_FILES: Final = (
    CONFIG_FILE,
    "generation_config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    "enwiki-words-frequency.txt",
)


@dataclass(frozen=True, slots=True)
class Part:
    """One network. name: its folder's. option: the setting that says where it is. what: what people call it.

    weights: names of the file that holds its arrays; the first one that is there is taken.
    """

    name: str
    option: str
    what: str
    weights: tuple[str, ...]


DALLE_BART: Final = Part("dalle_bart", "model.name", "DALL-E Mini or Mega (DalleBart)", ("flax_model.msgpack",))
VQGAN: Final = Part("vqgan", "model.vqgan", "a VQGAN", ("flax_model.msgpack",))
CLIP: Final = Part("clip", "model.clip", "CLIP", ("flax_model.msgpack", "model.safetensors"))
PARTS: Final = (DALLE_BART, VQGAN, CLIP)


def choose_files(names: Iterable[str], part: Part, where: str) -> list[str]:
    """What to take of the files called `names`: the configuration first, the weights last, no pickle ever.

    Raises CheckpointNotFoundError if there is no configuration, or if there are no weights that could be read.
    """
    there = set(names)
    weights = next((name for name in part.weights if name in there), None)
    if weights is None:
        raise CheckpointNotFoundError(_no_weights(sorted(there), part, where))
    if CONFIG_FILE not in there:
        raise CheckpointNotFoundError(f"{where} has no {CONFIG_FILE}, so it is not a model; {part.option} names it.")
    return [*(name for name in _SMALL_FILES if name in there), weights]


def check_folder(folder: Path, part: Part) -> None:
    """Raises CheckpointError if `folder` has no weights of ours, or is another network's."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise CheckpointNotFoundError(f"{folder}: can't be read ({error.strerror}); {part.option} names it.") from error
    if CONFIG_FILE not in names and not any(is_pickle(name) for name in names):
        raise CheckpointNotFoundError(f"{folder / CONFIG_FILE}: no such file, so this folder is not a model.")
    choose_files(names, part, str(folder))
    check_config(folder, part)


def check_config(folder: Path, part: Part) -> None:
    """Raises CheckpointError if the configuration in `folder` is another network's."""
    file = folder / CONFIG_FILE
    config = read_json(file)
    found = _kind(config)
    if found is None and part is DALLE_BART and config.get("model_type") is not None:
        raise CheckpointError(
            f"{file}: a model of type {config['model_type']!r}, but {part.option} must name {part.what}."
        )
    if found is not None and found is not part:
        raise CheckpointError(
            f"{file}: this is {found.what}, but {part.option} must name {part.what}; {found.option} is for this one."
        )


def is_pickle(name: str) -> bool:
    """Whether a file's name is one that pickled weights have."""
    return PurePosixPath(name).suffix.lower() in PICKLE_SUFFIXES


def _kind(config: Mapping[str, Any]) -> Part | None:
    """Whose configuration this is. vqgan-jax writes no usable `model_type`, so options that only one has decide."""
    if config.get("model_type") == "dallebart" or {"image_vocab_size", "image_length"} <= config.keys():
        return DALLE_BART
    if config.get("model_type") == "clip" or {"text_config", "vision_config"} <= config.keys():
        return CLIP
    if {"n_embed", "z_channels"} <= config.keys() or {"n_embed", "ch_mult"} <= config.keys():
        return VQGAN
    return None


def _no_weights(names: list[str], part: Part, where: str) -> str:
    wanted = " or ".join(part.weights)
    pickles = [name for name in names if is_pickle(name)]
    if not pickles:
        return f"{where} has no {wanted}; {part.option} must name {part.what} with such weights."
    return f"{where} has {', '.join(pickles[:3])} but no {wanted}: {WHY_NO_PICKLES}. {_remedy(part)}"


def _remedy(part: Part) -> str:
    if part is DALLE_BART:
        return "`dalle-bot fetch mini` and `dalle-bot fetch mega` bring safe ones."
    return f"Remove {part.option}, and `dalle-bot fetch` brings safe ones."
