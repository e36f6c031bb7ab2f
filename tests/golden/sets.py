"""The golden sets, and checkpoint folders with the weights that they were computed with.

Of each DalleBart the stacked file that the original wrote is kept. What else the original wrote of the same weights is
made from it here: the unscanned layout, the float16 one, the ones with other special ids. The VQGAN's weights are drawn
anew as those of the golden data were; their digest is kept.
"""

import hashlib
import json
import re
import shutil
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest

from bot.checkpoints.arrays import Arrays, read_arrays, write_msgpack

GOLDEN: Final = Path(__file__).parent
_VQGAN_DIGEST: Final = "bc961887daf4d1907291f808523447e227c3c7d1a5d69658a4668ac277c4b661"


@cache
def golden(name: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays of one set, by the name of its file."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        return dict(file)


def listed(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a list of parameters: lines `name (3, 64)`."""
    lines = (GOLDEN / name).read_text("utf-8").splitlines()
    split = (line.split(" ", 1) for line in lines if not line.startswith("#"))
    return {name: tuple(map(int, re.findall(r"\d+", shape))) for name, shape in split}


def config_of(name: str, **changes: Any) -> dict[str, Any]:
    """The config.json of one of the kept folders, with changes."""
    return {**json.loads((GOLDEN / name / "config.json").read_text("utf-8")), **changes}


def write_checkpoint(folder: Path, config: Mapping[str, Any], arrays: Arrays) -> Path:
    """config.json and flax_model.msgpack in a new folder; returns it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    write_msgpack(folder / "flax_model.msgpack", arrays)
    return folder


def unscanned(arrays: Arrays) -> Arrays:
    """The other layout of a stacked file, as DalleBart.unscan of the original makes it."""
    flat: Arrays = {}
    for name, array in arrays.items():
        before, layers, after = name.partition("coderLayers/")
        if not layers:
            flat[name] = array
            continue
        for i, layer in enumerate(array):
            flat[f"{before}coderLayer_{i}/{after}"] = layer
    return flat


def random_arrays(shapes: Mapping[str, tuple[int, ...]]) -> Arrays:
    """Weights as the golden data's VQGAN has them, each from a seed that its name gives."""
    arrays: Arrays = {}
    for name, shape in shapes.items():
        values = np.random.default_rng([4, zlib.crc32(name.encode())]).standard_normal(shape)
        match name.rpartition("/")[2]:
            case "kernel":
                values /= np.sqrt(np.prod(shape[:-1]))
            case "scale":
                values = 1 + 0.1 * values
            case "bias":
                values *= 0.1
            case _:
                values *= 0.5
        arrays[name] = np.asarray(values, np.float32)
    return arrays


def vqgan_arrays() -> Arrays:
    """What the original saved for vqgan_tiny_opts."""
    arrays = random_arrays(listed("vqgan_tiny_opts/param_names.txt"))
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays.values()))
    assert digest.hexdigest() == _VQGAN_DIGEST, "these are not the weights of the golden data"
    return arrays


def _mini() -> Arrays:
    return read_arrays(GOLDEN / "dalle_tiny_mini" / "flax_model.msgpack")


def _mega() -> Arrays:
    return read_arrays(GOLDEN / "dalle_tiny_mega" / "flax_model.msgpack")


def _mini_eos() -> Arrays:
    arrays = _mini()
    head = arrays["lm_head/kernel"].copy()
    head[:, 128] = golden("dalle_tiny_mini_eos")["lm_head_128"]
    return {**arrays, "lm_head/kernel": head}


_OUT_OF_BOUNDS: Final = {"bos_token_id": 129, "eos_token_id": 129, "pad_token_id": 129}

_MADE: Final[Mapping[str, Callable[[], tuple[dict[str, Any], Arrays]]]] = {
    "mini_unscanned": lambda: (config_of("dalle_tiny_mini", use_scan=False), unscanned(_mini())),
    "mega_unscanned": lambda: (config_of("dalle_tiny_mega", use_scan=False), unscanned(_mega())),
    "mega_fp16": lambda: (
        config_of("dalle_tiny_mega"),
        {name: array.astype(np.float16) for name, array in _mega().items()},
    ),
    "mini_eos": lambda: (config_of("dalle_tiny_mini"), _mini_eos()),
    "mini_eosoob": lambda: (config_of("dalle_tiny_mini", **_OUT_OF_BOUNDS), _mini()),
    "vqgan": lambda: (config_of("vqgan_tiny_opts"), vqgan_arrays()),
}

Folders = Callable[[str], Path]
"""A name (mini, mini_unscanned, mini_eos, mini_eosoob, mega, mega_unscanned, mega_fp16, vqgan) -> its folder."""


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Checkpoint folders, made when they are first asked for. Read-only: copy one to change it."""
    root = tmp_path_factory.mktemp("golden")
    for name in ("mini", "mega"):
        shutil.copytree(GOLDEN / f"dalle_tiny_{name}", root / name)

    def folder(name: str) -> Path:
        if not (root / name).exists():
            write_checkpoint(root / name, *_MADE[name]())
        return root / name

    return folder
