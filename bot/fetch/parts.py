"""The three networks of a model: which files each one needs, and whether a folder holds them. Nothing is downloaded.

Called by bot.fetch.locate before a network is downloaded and after, on the thread that starts the engine.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from bot.checkpoints import kinds
from bot.checkpoints.json_file import read_json
from bot.checkpoints.kinds import WHY_NO_PICKLES, is_pickle, kind_of_config
from bot.errors import CheckpointError, CheckpointNotFoundError

CONFIG_FILE: Final = "config.json"
_BRING_SAFE_ONES: Final = "`dalle-bot fetch mini` and `dalle-bot fetch mega` bring safe ones."

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

    kind: in bot.checkpoints.kinds. weights: names of the file that holds its arrays; the first one that is there is
    taken. in_whole: it lies in a folder of that name in the folder that model.name names.
    """

    name: str
    option: str
    what: str
    kind: str
    weights: tuple[str, ...]
    in_whole: bool = False

    def of_whole(self) -> Self:
        """The same network in a folder that brings all three, which nobody named by an option of its own."""
        return replace(self, option=DALLE_BART.option, in_whole=True)

    @property
    def wish(self) -> str:
        """For sentences: "model.vqgan must name a VQGAN"."""
        if self.in_whole:
            return f"{self.option} names the folder around it, whose {self.name} must be {self.what}"
        return f"{self.option} must name {self.what}"


DALLE_BART: Final = Part(
    "dalle_bart", "model.name", "DALL-E Mini or Mega (DalleBart)", kinds.DALLE_BART, ("flax_model.msgpack",)
)
VQGAN: Final = Part("vqgan", "model.vqgan", "a VQGAN", kinds.VQGAN, ("flax_model.msgpack",))
CLIP: Final = Part("clip", "model.clip", "CLIP", kinds.CLIP, ("flax_model.msgpack", "model.safetensors"))
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
        raise CheckpointNotFoundError(f"{where} has no {CONFIG_FILE}, so it is not a model; {part.wish}.")
    return [*(name for name in _SMALL_FILES if name in there), weights]


def check_folder(folder: Path, part: Part) -> None:
    """Raises CheckpointError if `folder` has no weights of ours, or is another network's."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError as error:
        hint = " Put it there." if part.in_whole else ""
        if part.in_whole and part.name != DALLE_BART.name:
            hint = f" Put it there, or set model.{part.name} to another one."
        raise CheckpointNotFoundError(f"{folder}: no such folder; {part.wish}.{hint}") from error
    except OSError as error:
        raise CheckpointNotFoundError(f"{folder}: can't be read ({error.strerror}); {part.wish}.") from error
    if CONFIG_FILE not in names and not any(is_pickle(name) for name in names):
        raise CheckpointNotFoundError(
            f"{folder / CONFIG_FILE}: no such file, so this folder is not a model; {part.wish}. Put the file there, or "
            "name another folder."
        )
    choose_files(names, part, str(folder))
    check_config(folder, part)


def check_config(folder: Path, part: Part) -> None:
    """Raises CheckpointError if the configuration in `folder` is another network's."""
    file = folder / CONFIG_FILE
    config = read_json(file)
    kind = kind_of_config(config)
    if kind is None and part.name == DALLE_BART.name and config.get("model_type") is not None:
        raise CheckpointError(f"{file}: a model of type {config['model_type']!r:.80}, but {part.wish}.")
    if kind not in (None, part.kind):
        found = next(other for other in PARTS if other.kind == kind)
        hint = "" if part.in_whole else f"; {found.option} is for this one"
        raise CheckpointError(f"{file}: this is {found.what}, but {part.wish}{hint}.")


def _no_weights(names: list[str], part: Part, where: str) -> str:
    wanted = " or ".join(part.weights)
    pickles = [name for name in names if is_pickle(name)]
    if not pickles:
        return f"{where} has no {wanted}; {part.wish} with such weights."
    return f"{where} has {', '.join(pickles[:3])} but no {wanted}: {WHY_NO_PICKLES}. {_remedy(part)}"


def _remedy(part: Part) -> str:
    if part.name == DALLE_BART.name:
        return _BRING_SAFE_ONES
    if part.in_whole:
        return f"Put safe ones there, or set model.{part.name} to others."
    return f"Remove {part.option}, and `dalle-bot fetch` brings safe ones."


def no_pickle(part: Part) -> str:
    """What to give in place of a pickle that somebody named."""
    weights = " or ".join(part.weights)
    return f"{WHY_NO_PICKLES}. {part.option} names a folder with {CONFIG_FILE} and {weights}. {_remedy(part)}"
