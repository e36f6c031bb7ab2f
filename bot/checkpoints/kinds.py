"""Recognises files of another model, so that a message can say what they seem to be. Called by those that open them."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any, Final

from bot.errors import CheckpointError, CheckpointMismatchError, CheckpointNotFoundError

DALLE_BART: Final = "DalleBart"
VQGAN: Final = "VQGAN"
CLIP: Final = "CLIP"

# Of names that only one kind has; the first that matches counts.
_NAMES: Final = (
    (re.compile(r"^model/(en|de)coder/layers/FlaxBart"), DALLE_BART),
    (re.compile(r"^(params|opt_state|step)(/|$)"), "a training run (with its optimizer's state)"),
    (re.compile(r"^(model\.)?(en|de)coder\.(embed_tokens|layers\.\d)"), "a PyTorch DalleBart or another BART"),
    (re.compile(r"^model/(shared|(en|de)coder/layers/\d)"), "another BART"),
    (re.compile(r"^quantize/embedding"), VQGAN),
    (re.compile(r"^quantize\.embedding"), "a PyTorch VQGAN"),
    (re.compile(r"^(text|vision)_model[./]|^logit_scale$"), CLIP),
)
_PICKLE_SUFFIXES: Final = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle"})
WHY_NO_PICKLES: Final = "pickles are never read, since loading one runs its code"


def kind_of_names(names: Iterable[str]) -> str | None:
    """Whose arrays have such names; None if nobody's that is known here."""
    listed = list(names)
    return next((kind for pattern, kind in _NAMES if any(pattern.search(name) for name in listed)), None)


def is_pickle(name: str) -> bool:
    """Whether a file's name is one that pickled weights have."""
    return PurePath(name).suffix.lower() in _PICKLE_SUFFIXES


def kind_of_config(config: Mapping[str, Any]) -> str | None:
    """Whose config.json this is: DALLE_BART, VQGAN or CLIP; None if it is plainly nobody's of these.

    vqgan-jax writes no usable `model_type`, so options that only one has decide.
    """
    if {"n_embed", "z_channels"} <= config.keys() or {"n_embed", "ch_mult"} <= config.keys():
        return VQGAN
    if config.get("model_type") == "dallebart" or {"image_vocab_size", "image_length"} <= config.keys():
        return DALLE_BART
    if config.get("model_type") == "clip" or {"text_config", "vision_config"} <= config.keys():
        return CLIP
    return None


def check_config(network: str, config: Mapping[str, Any], file: Path) -> None:
    """Raises CheckpointMismatchError if a config.json is plainly that of another network than `network`."""
    kind, model_type = kind_of_config(config), config.get("model_type")
    if kind is None and isinstance(model_type, str):
        kind = f"another model ({model_type:.80})"
    if kind not in (None, network):
        raise CheckpointMismatchError(f"{file}: this seems to be {kind}'s configuration; {network}'s belongs here.")


def find_weights(folder: Path, names: tuple[str, ...]) -> Path:
    """The first of these files that is in `folder`.

    Raises CheckpointNotFoundError, and CheckpointError if weights of a kind that is not read are there instead.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    wanted = " or ".join(names)
    others = sorted(
        path.name for path in folder.glob("*") if is_pickle(path.name) or path.suffix.lower() in (".safetensors", ".h5")
    )
    if not others:
        raise CheckpointNotFoundError(f"{folder / names[0]}: no such file. Fetch {wanted}.")
    pickles = [name for name in others if is_pickle(name)]
    why = WHY_NO_PICKLES if pickles else "it is not read for this network"
    raise CheckpointError(
        f"{folder}: {(pickles or others)[0]} is there, but {why}. Fetch {wanted} (`dalle-bot fetch mini` or `dalle-bot "
        "fetch mega`, say, takes the right files)."
    )
