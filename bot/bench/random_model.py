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

from bot.checkpoints import clip, dalle_bart, vqgan
from bot.checkpoints.arrays import write_msgpack
from bot.checkpoints.folders import ModelFolders
from bot.checkpoints.places import places_by_name, stored_shapes
from bot.demo.vocabulary import write_clip_tokenizer, write_prompt_tokenizer
from bot.errors import ConfigError
from bot.models.clip_config import ClipConfig
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.vqgan import VQGANConfig
from bot.startup import StartUp

Size = Literal["mega", "mini", "tiny"]
Stored = Literal["float16", "float32"]

# Where config.json of the released models differs from the original's defaults; tiny is nobody's.
_DALLE_BART: Final[Mapping[Size, dict[str, Any]]] = {
    "mega": {
        "encoder_vocab_size": 50272,
        "image_vocab_size": 16415,
        "decoder_start_token_id": 16384,
        "d_model": 2048,
        "encoder_layers": 24,
        "encoder_attention_heads": 32,
        "decoder_layers": 24,
        "decoder_attention_heads": 32,
    },
    "mini": {"encoder_ffn_dim": 2730, "decoder_ffn_dim": 2730},
    "tiny": {
        "encoder_vocab_size": 1200,
        "image_vocab_size": 256,
        "image_length": 16,
        "d_model": 64,
        "encoder_layers": 2,
        "encoder_ffn_dim": 96,
        "encoder_attention_heads": 2,
        "decoder_layers": 2,
        "decoder_ffn_dim": 96,
        "decoder_attention_heads": 2,
    },
}
_TRUE_VQGAN: Final = {"n_embed": 16384}
_TINY_VQGAN: Final = {"n_embed": 256, "ch": 32, "ch_mult": [1, 2], "resolution": 8, "z_channels": 8, "embed_dim": 8}
_TRUE_CLIP: Final[Mapping[str, Any]] = {"model_type": "clip", "text_config": {}, "vision_config": {}}
_TINY_TOWER: Final = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
_TINY_CLIP: Final[Mapping[str, Any]] = {
    "model_type": "clip",
    "projection_dim": 32,
    "text_config": {**_TINY_TOWER, "vocab_size": 1200},
    "vision_config": {**_TINY_TOWER, "image_size": 32, "patch_size": 16},
}


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
    write_prompt_tokenizer(folders.dalle_bart)
    eos_id = write_clip_tokenizer(folders.clip)

    options: Mapping[str, Any] = {"model_type": "dallebart", "use_scan": True, **_DALLE_BART[size]}
    shapes = dalle_bart.network(DalleBartConfig.from_json(options)).shapes
    stacked = stored_shapes(shapes, dalle_bart.places(shapes, stacked=True))
    _write(folders.dalle_bart, options, stacked, np.dtype(stored))

    options = _TINY_VQGAN if size == "tiny" else _TRUE_VQGAN
    shapes = vqgan.network(VQGANConfig.from_json(options)).shapes
    wanted = stored_shapes(shapes, places_by_name(shapes, vqgan.name_of))
    _write(folders.vqgan, options, wanted, np.dtype(np.float32))

    options = _TINY_CLIP if size == "tiny" else _TRUE_CLIP
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
