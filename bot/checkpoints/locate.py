"""From a model's name to folders on this machine: the shipped demo, a local folder, or a hub id."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.checkpoints.folders import ModelFolders as ModelFolders
from bot.errors import CheckpointNotFoundError

DEMO_FOLDER = Path(__file__).parents[1] / "demo" / "checkpoint"
RELEASED: Mapping[str, str] = {"mini": "dalle-mini/dalle-mini", "mega": "dalle-mini/dalle-mega"}

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FILES = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "flax_model.msgpack",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    "enwiki-words-frequency.txt",
)


@dataclass(frozen=True, slots=True)
class Source:
    """A local folder or a hub id, with a revision for the latter (None: the newest)."""

    name: str
    revision: str | None = None


def locate_model(model: Source, *, vqgan: Source, clip: Source) -> ModelFolders:
    """Finds a model, downloading from the hub what is not here yet.

    model: `demo`, `mini`, `mega`, a folder or a hub id. A folder with subfolders dalle_bart, vqgan and clip, as the
    demo's, brings all three; otherwise `vqgan` and `clip` say where the others are.
    Raises CheckpointNotFoundError.
    """
    is_demo = model.name == "demo"
    folder = DEMO_FOLDER if is_demo else Path(model.name).expanduser()
    if model.name and any((folder / network).is_dir() for network in ("dalle_bart", "vqgan", "clip")):
        name = "demo" if is_demo else folder.resolve().name
        return ModelFolders(name, *(folder / network for network in ("dalle_bart", "vqgan", "clip")))
    if is_demo:
        raise CheckpointNotFoundError(
            f"The demo checkpoint is not in {folder}: reinstall, or train it with dalle-bot train-demo."
        )
    source = Source(RELEASED.get(model.name, model.name), model.revision)
    # The other two are not fetched for a folder that is no model.
    dalle_bart = locate(source)
    return ModelFolders(model.name, dalle_bart, locate(vqgan), locate(clip))


def locate(source: Source) -> Path:
    """The folder of one network. Raises CheckpointNotFoundError."""
    folder = Path(source.name).expanduser()
    if source.name and folder.is_dir():
        if not (folder / "config.json").is_file():
            raise CheckpointNotFoundError(f"{folder / 'config.json'}: no such file, so this folder is not a model.")
        return folder
    if folder.is_absolute() or source.name.startswith((".", "~")) or not _HUB_ID.fullmatch(source.name):
        raise CheckpointNotFoundError(
            f"There is no model {source.name!r}: use demo, mini, mega, a folder, or a hub id such as owner/name."
        )
    return _download(source)


def _download(source: Source) -> Path:
    # Importing the hub's client takes half a second that local folders need not pay.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(source.name, revision=source.revision, allow_patterns=list(_FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        at = f" at revision {source.revision}" if source.revision else ""
        raise CheckpointNotFoundError(
            f"The hub model {source.name}{at} could not be fetched ({type(error).__name__}): check its name, the "
            "network and, for a private one, HF_TOKEN."
        ) from error
