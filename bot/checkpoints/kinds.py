"""Recognises files of another model, so that a message can say what they seem to be. Called by those that open them."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
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
_PICKLE_SUFFIXES: Final = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle")


def kind_of_names(names: Iterable[str]) -> str | None:
    """Whose arrays have such names; None if nobody's that is known here."""
    listed = list(names)
    return next((kind for pattern, kind in _NAMES if any(pattern.search(name) for name in listed)), None)


def check_config(network: str, config: Mapping[str, Any], file: Path) -> None:
    """Raises CheckpointMismatchError if a config.json is plainly that of another network than `network`."""
    model_type = config.get("model_type")
    if "ch_mult" in config and "n_embed" in config:
        kind = VQGAN
    elif model_type == "dallebart":
        kind = DALLE_BART
    elif model_type == "clip" or {"text_config", "vision_config"} <= config.keys():
        kind = CLIP
    elif isinstance(model_type, str):
        kind = f"another model ({model_type})"
    else:
        return
    if kind != network:
        raise CheckpointMismatchError(f"{file}: this seems to be {kind}'s configuration; {network}'s belongs here.")


def find_weights(folder: Path, names: tuple[str, ...]) -> Path:
    """The first of these files that is in `folder`.

    Raises CheckpointNotFoundError, and CheckpointError if weights of a kind that is not read are there instead.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    wanted = " or ".join(names)
    others = sorted(file.name for file in folder.glob("*") if file.suffix in (*_PICKLE_SUFFIXES, ".safetensors", ".h5"))
    if not others:
        raise CheckpointNotFoundError(f"{folder / names[0]}: no such file. Fetch {wanted}.")
    pickled = any(name.endswith(_PICKLE_SUFFIXES) for name in others)
    why = "pickles can run code and are never read" if pickled else "it is not read for this network"
    raise CheckpointError(
        f"{folder}: {others[0]} is there, but {why}. Fetch {wanted} (dalle-bot fetch MODEL takes the right files)."
    )
