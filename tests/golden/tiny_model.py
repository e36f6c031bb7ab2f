"""A whole model of a few hundred kilobytes, in the original formats: the golden DalleBart with a VQGAN and a CLIP to
fit. It draws noise, 16 codes to a picture of 16x16 pixels, through the same code as Mega."""

import json
import shutil
from pathlib import Path
from typing import Any, Final

import jax.numpy as jnp
import pytest

from bot.checkpoints import clip, vqgan
from bot.checkpoints.bundle import Bundle, load_bundle
from bot.checkpoints.folders import ModelFolders
from bot.checkpoints.places import NameOf
from bot.checkpoints.tokenizers import ClipTokenizer
from bot.demo.pictures import DrawnPictures
from bot.demo.vocabulary import write_clip_tokenizer
from bot.models.clip_config import ClipConfig
from bot.models.network import Params, walk
from bot.models.vqgan import VQGANConfig
from tests.golden.sets import GOLDEN, random_arrays, write_checkpoint

# DalleBart's vocabulary of images has 128, and its start token: 29 ids must never be drawn.
NUM_CODES: Final = 100
IMAGE_LENGTH: Final = 16
IMAGE_SIZE_PX: Final = 16
MAX_TEXT_TOKENS: Final = 16
# Where the codes are drawn from is peaked: a high temperature makes pictures of different seeds differ.
SAMPLING: Final = {"condition_scale": 3.0, "top_k": 0, "top_p": 0.95, "temperature": 4.0}

_VQGAN: Final[dict[str, Any]] = {
    "ch": 32,
    "ch_mult": [1, 1, 1],
    "num_res_blocks": 0,
    "resolution": IMAGE_SIZE_PX,
    "attn_resolutions": [],
    "z_channels": 8,
    "embed_dim": 8,
    "n_embed": NUM_CODES,
    "resamp_with_conv": False,
}
_MAX_CLIP_TOKENS: Final = 24


def write_tiny_model(folder: Path) -> Path:
    """Writes the folders dalle_bart, vqgan and clip into a new folder; returns it."""
    bart = folder / "dalle_bart"
    shutil.copytree(GOLDEN / "dalle_tiny_mini", bart)
    shutil.copytree(GOLDEN / "tokenizer_tiny", bart, dirs_exist_ok=True)
    (bart / "generation_config.json").write_text(json.dumps(SAMPLING), "utf-8")
    _write(folder / "vqgan", _VQGAN, vqgan.network(VQGANConfig.from_json(_VQGAN)).shapes, vqgan.name_of)

    eos_id = write_clip_tokenizer(folder / "tokenizer", DrawnPictures().sentences())
    num_ids = ClipTokenizer.load(folder / "tokenizer", _MAX_CLIP_TOKENS).num_ids
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {"vocab_size": num_ids, "max_position_embeddings": _MAX_CLIP_TOKENS, "eos_token_id": eos_id}
    vision = {"image_size": IMAGE_SIZE_PX, "patch_size": 8}
    config = {
        "model_type": "clip",
        "projection_dim": 8,
        "text_config": {**tower, **text},
        "vision_config": {**tower, **vision},
    }
    _write(folder / "clip", config, clip.network(ClipConfig.from_json(config)).shapes, clip.name_of)
    shutil.copytree(folder / "tokenizer", folder / "clip", dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny model, made once. Read-only: copy it to change it."""
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


def load_tiny_model(folder: Path) -> Bundle:
    """What write_tiny_model wrote, computing in float32."""
    folders = ModelFolders(folder.name, folder / "dalle_bart", folder / "vqgan", folder / "clip")
    return load_bundle(folders, dtype=jnp.float32)


def _write(folder: Path, config: dict[str, Any], shapes: Params, name_of: NameOf) -> None:
    names = {name_of(path): tuple(leaf.shape) for path, leaf in walk(shapes)}
    write_checkpoint(folder, config, random_arrays(names))
