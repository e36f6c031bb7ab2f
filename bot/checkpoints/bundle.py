"""A whole model as the engine needs it: DalleBart, VQGAN and CLIP with their tokenizers and sampling defaults."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
from jax.typing import DTypeLike

from bot.checkpoints.clip import load_clip, load_preprocessing
from bot.checkpoints.dalle_bart import load_dalle_bart
from bot.checkpoints.json_file import read_json
from bot.checkpoints.locate import ModelFolders
from bot.checkpoints.tokenizers import ClipTokenizer, PromptTokenizer
from bot.checkpoints.vqgan import load_vqgan
from bot.errors import CheckpointError, InvalidParameterError
from bot.models.clip import Clip
from bot.models.clip_config import ClipConfig
from bot.models.clip_preprocess import ClipPreprocessing
from bot.models.dalle_bart import DalleBart
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.network import Network, Params
from bot.models.vqgan import VQGAN, VQGANConfig
from bot.requests import Sampling

RELEASED_SAMPLING = Sampling(condition_scale=10.0, top_k=50, top_p=1.0, temperature=1.0)
"""What the released models are used with (dalle-mini's inference notebook; a top_k of None means 50 there)."""


@dataclass(frozen=True)
class Bundle:
    """Everything loaded, parameters on the default device. dtype: what DalleBart computes in."""

    name: str
    dtype: DTypeLike
    bart: Network[DalleBart]
    bart_config: DalleBartConfig
    bart_params: Params
    vqgan: Network[VQGAN]
    vqgan_config: VQGANConfig
    vqgan_params: Params
    clip: Network[Clip]
    clip_config: ClipConfig
    clip_params: Params
    preprocess: ClipPreprocessing
    prompt_tokenizer: PromptTokenizer
    clip_tokenizer: ClipTokenizer
    sampling: Sampling


def load_bundle(folders: ModelFolders, *, dtype: DTypeLike) -> Bundle:
    """Loads and cross-checks the three networks. Raises CheckpointError naming the file that is wrong.

    VQGAN and CLIP compute in float32 whatever `dtype` says: they run once per image, and ranking needs the precision.
    """
    bart, bart_config, bart_params = load_dalle_bart(folders.dalle_bart, dtype=dtype)
    vqgan, vqgan_config, vqgan_params = load_vqgan(folders.vqgan, dtype=jnp.float32)
    clip, clip_config, clip_params = load_clip(folders.clip, dtype=jnp.float32)
    prompt_tokenizer = PromptTokenizer.load(
        folders.dalle_bart, max_length=bart_config.max_text_length, normalize=bart_config.normalize_text
    )
    clip_tokenizer = ClipTokenizer.load(folders.clip, clip_config.text.max_position_embeddings)
    _fits(
        folders.dalle_bart,
        "tokenizer ids",
        prompt_tokenizer.num_ids,
        "encoder_vocab_size",
        bart_config.encoder_vocab_size,
    )
    _fits(folders.clip, "tokenizer ids", clip_tokenizer.num_ids, "vocab_size", clip_config.text.vocab_size)
    _fits(
        folders.vqgan,
        "codes (n_embed)",
        vqgan_config.n_embed,
        "DalleBart's image_vocab_size",
        bart_config.image_vocab_size,
    )
    if vqgan_config.grid**2 != bart_config.image_length:
        raise CheckpointError(
            f"{folders.vqgan}: a picture has {vqgan_config.grid**2} codes here, but DalleBart writes "
            f"{bart_config.image_length} (image_length). Do these two checkpoints belong together?"
        )
    return Bundle(
        name=folders.name,
        dtype=dtype,
        bart=bart,
        bart_config=bart_config,
        bart_params=bart_params,
        vqgan=vqgan,
        vqgan_config=vqgan_config,
        vqgan_params=vqgan_params,
        clip=clip,
        clip_config=clip_config,
        clip_params=clip_params,
        preprocess=load_preprocessing(folders.clip, clip_config),
        prompt_tokenizer=prompt_tokenizer,
        clip_tokenizer=clip_tokenizer,
        sampling=read_sampling(folders.dalle_bart),
    )


def read_sampling(folder: Path) -> Sampling:
    """Sampling defaults of generation_config.json, then of config.json, then the released models'.

    Raises CheckpointError naming a value that is not possible.
    """
    config_file, generation_file = folder / "config.json", folder / "generation_config.json"
    known = read_json(config_file) | (read_json(generation_file) if generation_file.exists() else {})

    def value(name: str) -> Any:
        given = known.get(name)
        return getattr(RELEASED_SAMPLING, name) if given is None else given

    try:
        return Sampling(
            condition_scale=float(value("condition_scale")),
            top_k=int(value("top_k")),
            top_p=float(value("top_p")),
            temperature=float(value("temperature")),
        )
    except (TypeError, ValueError, InvalidParameterError) as error:
        raise CheckpointError(f"{folder}: the sampling defaults are wrong. {error}") from error


def _fits(folder: Path, what: str, count: int, option: str, room: int) -> None:
    if count > room:
        raise CheckpointError(f"{folder}: {count} {what}, but {option} is {room}. Do these files belong together?")
