"""The originals, and checkpoints that the original dalle-mini wrote, with the smallest VQGAN and CLIP that fit.

These tests install nothing, and skip where an original can't be imported. `.ci/parity` makes an environment where both
can, and sets REQUIRED, with which a test that would skip fails.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

from bot.checkpoints import vqgan
from bot.checkpoints.folders import ModelFolders
from bot.models.network import walk
from bot.models.vqgan import VQGANConfig
from tests.golden.sets import GOLDEN, random_arrays, write_checkpoint
from tests.golden.tiny_model import write_tiny_model
from tests.parity.dalle_mini import DalleMini
from tests.parity.min_dalle import START_TOKEN, MinDalle
from tests.parity.sizes import NUM_CODES, Size

REQUIRED: Final = "DALLE_BOT_REQUIRE_PARITY"

_VQGAN: Final[dict[str, Any]] = {
    "ch": 32,
    "ch_mult": [1, 1],
    "num_res_blocks": 0,
    "resolution": 32,
    "attn_resolutions": [],
    "z_channels": 8,
    "embed_dim": 8,
    "n_embed": NUM_CODES,
    "resamp_with_conv": False,
}

T = TypeVar("T")

Checkpoints = Callable[[Size, str], ModelFolders]
"""A size and a kind (stacked, unscanned, or min_dalle: stacked, with min-dalle's start token) -> its folders."""


@pytest.fixture(scope="session")
def dalle_mini() -> DalleMini:
    return _load(DalleMini)


@pytest.fixture(scope="session")
def min_dalle() -> MinDalle:
    return _load(MinDalle)


@pytest.fixture(scope="session")
def checkpoints(dalle_mini: DalleMini) -> Iterator[Checkpoints]:
    """Models, written when they are first asked for and deleted at the end: Mini has 1.75 GB. Read-only."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        tiny = write_tiny_model(root / "tiny_model")
        config = VQGANConfig.from_json(_VQGAN)
        shapes = {vqgan.name_of(path): tuple(leaf.shape) for path, leaf in walk(vqgan.network(config).shapes)}
        write_checkpoint(root / "vqgan", _VQGAN, random_arrays(shapes))

        def folders(size: Size, kind: str) -> ModelFolders:
            folder = root / f"{size.name}_{kind}"
            if not folder.exists():
                if kind == "min_dalle":
                    _with_start_token(folders(size, "stacked").dalle_bart, folder, START_TOKEN)
                else:
                    dalle_mini.write(folder, size, stacked=kind == "stacked")
                    shutil.copytree(GOLDEN / "tokenizer_tiny", folder, dirs_exist_ok=True)
            return ModelFolders(folder.name, folder, root / "vqgan", tiny / "clip")

        yield folders


def _with_start_token(original: Path, folder: Path, token: int) -> None:
    """A folder with the files of another one, but for one option of its config."""
    folder.mkdir()
    for file in original.iterdir():
        (folder / file.name).symlink_to(file)
    config = json.loads((original / "config.json").read_text("utf-8"))
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps({**config, "decoder_start_token_id": token}), "utf-8")


def _load(original: Callable[[], T]) -> T:
    """An original; where it can't be imported, skips the test, or fails it if REQUIRED is set."""
    try:
        return original()
    except ImportError as error:
        sentence = f"an original program can't be imported ({error}); .ci/parity makes an environment where it can"
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{sentence}, and {REQUIRED} is set")
    pytest.skip(sentence)
