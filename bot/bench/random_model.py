"""Models of random weights in the original formats and the released models' sizes, to measure loading and running.

Nothing is ever in memory but one array. The pictures are noise; tokenizers are the demo's. Called by bench commands and
tests.
"""

import json
import math
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from bot.bench.model_options import CLIP, DALLE_BART, TINY_CLIP, TINY_VQGAN, VQGAN, Size
from bot.checkpoints import clip, dalle_bart, vqgan
from bot.checkpoints.arrays import write_msgpack
from bot.checkpoints.folders import ModelFolders
from bot.checkpoints.places import places_by_name, stored_shapes
from bot.demo.pictures import DrawnPictures
from bot.demo.vocabulary import write_clip_tokenizer, write_prompt_tokenizer
from bot.errors import ConfigError
from bot.models.clip_config import ClipConfig
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.vqgan import VQGANConfig
from bot.startup import StartUp

Stored = Literal["float16", "float32"]

_MARKER: Final = "random_model.json"
"""Written last, so that it also tells that the rest is whole."""


def ensure_random_model(folder: Path, size: Size, stored: Stored, start_up: StartUp) -> None:
    """Writes a random model into `folder`, unless it is there already. Raises ConfigError, about `--folder`, where
    something else is there or nothing can be written."""
    wanted = {"size": size, "stored": stored}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            _expect(folder, wanted)
            return
        with start_up.stage(f"write a random {size} as {stored}"):
            write_random_model(folder, size, stored)
        (folder / _MARKER).write_text(json.dumps(wanted) + "\n", encoding="utf-8")
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError(f"--folder: {folder} is not a folder; name another one.") from error
    except OSError as error:
        raise ConfigError(f"--folder: {folder} can't be used ({error.strerror}); name another one.") from error


def _expect(folder: Path, wanted: Mapping[str, str]) -> None:
    try:
        found = json.loads((folder / _MARKER).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise ConfigError(
            f"--folder: {folder} holds something else than a whole random model; empty it or name another one."
        )
    if found != wanted:
        raise ConfigError(
            f"--folder: {folder} holds a random model of --size {found.get('size')} --stored {found.get('stored')}, "
            f"not of --size {wanted['size']} --stored {wanted['stored']}; give these or name another folder."
        )


def write_random_model(folder: Path, size: Size, stored: Stored) -> ModelFolders:
    """Writes the folders dalle_bart (stacked layout, kept as `stored`), vqgan and clip (both float32) into `folder`."""
    folders = ModelFolders(f"random {size}", *(folder / name for name in ("dalle_bart", "vqgan", "clip")))
    write_prompt_tokenizer(folders.dalle_bart, DrawnPictures().sentences())
    eos_id = write_clip_tokenizer(folders.clip, DrawnPictures().sentences())

    options: Mapping[str, Any] = {"model_type": "dallebart", "use_scan": True, **DALLE_BART[size]}
    shapes = dalle_bart.network(DalleBartConfig.from_json(options)).shapes
    stacked = stored_shapes(shapes, dalle_bart.places(shapes, stacked=True))
    _write(folders.dalle_bart, options, stacked, np.dtype(stored))

    options = TINY_VQGAN if size == "tiny" else VQGAN
    shapes = vqgan.network(VQGANConfig.from_json(options)).shapes
    wanted = stored_shapes(shapes, places_by_name(shapes, vqgan.name_of))
    _write(folders.vqgan, options, wanted, np.dtype(np.float32))

    options = TINY_CLIP if size == "tiny" else CLIP
    options = {**options, "text_config": {**options["text_config"], "eos_token_id": eos_id}}
    shapes = clip.network(ClipConfig.from_json(options)).shapes
    wanted = stored_shapes(shapes, places_by_name(shapes, clip.name_of))
    _write(folders.clip, options, wanted, np.dtype(np.float32))
    return folders


def _write(
    folder: Path, options: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], dtype: np.dtype[Any]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(options, indent=2) + "\n", encoding="utf-8")
    write_msgpack(folder / "flax_model.msgpack", _RandomArrays(shapes, dtype))


class _RandomArrays(Mapping[str, npt.NDArray[Any]]):
    """Weights as networks are initialised with, made when asked for; each depends on its name alone."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], dtype: np.dtype[Any]) -> None:
        self._shapes = shapes
        self._dtype = dtype

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        shape = self._shapes[name]
        kind = name.rpartition("/")[2]
        if kind in ("scale", "bias"):
            return np.full(shape, float(kind == "scale"), self._dtype)
        if kind == "logit_scale":
            return np.full(shape, math.log(100), self._dtype)
        # Of the last axes alone: the first may be layers.
        fan_in = math.prod(shape[:-1]) if kind == "kernel" and len(shape) == 4 else shape[-2] if len(shape) > 1 else 1
        deviation = 0.02 if kind.endswith("embedding") else fan_in**-0.5
        values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, np.float32)
        values *= deviation
        return values.astype(self._dtype, copy=False)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._shapes))

    def __len__(self) -> int:
        return len(self._shapes)
