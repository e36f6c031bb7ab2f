"""A whole model as the engine needs it: DalleBart, VQGAN and CLIP with their tokenizers and sampling defaults.

Two steps. `open_checkpoint` reads what is small and checks everything but the values; the memory plan is made from
what it gives. `Checkpoint.load` then puts the parameters onto a device. Called on the engine thread.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
from jax.typing import DTypeLike

from bot.checkpoints.clip import load_preprocessing, open_clip
from bot.checkpoints.dalle_bart import open_dalle_bart
from bot.checkpoints.fingerprint import fingerprint
from bot.checkpoints.folders import ModelFolders
from bot.checkpoints.json_file import read_json
from bot.checkpoints.staging import Placement
from bot.checkpoints.tokenizers import ClipTokenizer, PromptTokenizer
from bot.checkpoints.vqgan import open_vqgan
from bot.checkpoints.weights import Weights
from bot.errors import CheckpointError, InvalidParameterError
from bot.models.clip import Clip
from bot.models.clip_config import ClipConfig
from bot.models.clip_preprocess import ClipPreprocessing
from bot.models.dalle_bart import DalleBart
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.int8 import WeightsKind
from bot.models.network import Network, Params
from bot.models.vqgan import VQGAN, VQGANConfig
from bot.requests import Sampling
from bot.startup import StartUp

RELEASED_SAMPLING = Sampling(condition_scale=10.0, top_k=50, top_p=1.0, temperature=1.0)
"""What the released models are used with (dalle-mini's inference notebook; a top_k of None means 50 there)."""


@dataclass(frozen=True)
class Bundle:
    """Everything loaded, parameters on their devices. dtype: what DalleBart computes in. version: see fingerprint; ""
    for parameters that come from no file."""

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
    version: str = ""


@dataclass(frozen=True)
class Checkpoint:
    """A model whose files are known to fit together; its parameters are still in them."""

    name: str
    dtype: DTypeLike
    bart: Network[DalleBart]
    bart_config: DalleBartConfig
    bart_weights: Weights
    vqgan: Network[VQGAN]
    vqgan_config: VQGANConfig
    vqgan_weights: Weights
    clip: Network[Clip]
    clip_config: ClipConfig
    clip_weights: Weights
    preprocess: ClipPreprocessing
    prompt_tokenizer: PromptTokenizer
    clip_tokenizer: ClipTokenizer
    sampling: Sampling

    def load(self, placement: Placement, start_up: StartUp) -> Bundle:
        """Loads all parameters, a stage of the start for each network. Raises CheckpointError."""
        loaded: dict[str, Params] = {}
        for name, weights in (
            ("DalleBart", self.bart_weights),
            ("VQGAN", self.vqgan_weights),
            ("CLIP", self.clip_weights),
        ):
            with start_up.stage(f"load {name}", total=weights.file_bytes, unit="bytes") as advance:
                loaded[name] = weights.load(placement, advance)
        return Bundle(
            name=self.name,
            dtype=self.dtype,
            bart=self.bart,
            bart_config=self.bart_config,
            bart_params=loaded["DalleBart"],
            vqgan=self.vqgan,
            vqgan_config=self.vqgan_config,
            vqgan_params=loaded["VQGAN"],
            clip=self.clip,
            clip_config=self.clip_config,
            clip_params=loaded["CLIP"],
            preprocess=self.preprocess,
            prompt_tokenizer=self.prompt_tokenizer,
            clip_tokenizer=self.clip_tokenizer,
            sampling=self.sampling,
            version=fingerprint(each.file.path for each in (self.bart_weights, self.vqgan_weights, self.clip_weights)),
        )


def open_checkpoint(folders: ModelFolders, *, dtype: DTypeLike, weights: WeightsKind = "same") -> Checkpoint:
    """Opens and cross-checks the three networks; allocates no parameters.

    weights: how DalleBart keeps its matrices, see bot.models.int8. VQGAN and CLIP compute in float32 whatever `dtype`
    says: they run once per image, and ranking needs the precision.
    Raises CheckpointError naming the file that is wrong.
    """
    bart, bart_config, bart_weights = open_dalle_bart(folders.dalle_bart, dtype=dtype, weights=weights)
    vqgan, vqgan_config, vqgan_weights = open_vqgan(folders.vqgan, dtype=jnp.float32)
    clip, clip_config, clip_weights = open_clip(folders.clip, dtype=jnp.float32)
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
    return Checkpoint(
        name=folders.name,
        dtype=dtype,
        bart=bart,
        bart_config=bart_config,
        bart_weights=bart_weights,
        vqgan=vqgan,
        vqgan_config=vqgan_config,
        vqgan_weights=vqgan_weights,
        clip=clip,
        clip_config=clip_config,
        clip_weights=clip_weights,
        preprocess=load_preprocessing(folders.clip, clip_config),
        prompt_tokenizer=prompt_tokenizer,
        clip_tokenizer=clip_tokenizer,
        sampling=read_sampling(folders.dalle_bart),
    )


def load_bundle(
    folders: ModelFolders,
    *,
    dtype: DTypeLike,
    weights: WeightsKind = "same",
    placement: Placement = None,
    start_up: StartUp | None = None,
) -> Bundle:
    """open_checkpoint and load in one go. Raises CheckpointError."""
    return open_checkpoint(folders, dtype=dtype, weights=weights).load(placement, start_up or StartUp())


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
    except (TypeError, ValueError, OverflowError, InvalidParameterError) as error:
        raise CheckpointError(f"{folder}: the sampling defaults are wrong. {error}") from error


def _fits(folder: Path, what: str, count: int, option: str, room: int) -> None:
    if count > room:
        raise CheckpointError(f"{folder}: {count} {what}, but {option} is {room}. Do these files belong together?")
