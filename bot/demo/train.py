"""`dalle-bot train-demo`: the demo checkpoint from nothing, in three stages, written in the original formats."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bot.checkpoints import clip, dalle_bart, vqgan
from bot.checkpoints.arrays import write_msgpack
from bot.checkpoints.places import Places, extract, places_by_name
from bot.checkpoints.tokenizers import ClipTokenizer, PromptTokenizer
from bot.demo import train_clip, train_dalle_bart, train_vqgan
from bot.demo.loop import run_stage, use_every_core
from bot.demo.vocabulary import write_clip_tokenizer, write_prompt_tokenizer
from bot.errors import ConfigError
from bot.models.clip_config import ClipConfig
from bot.models.network import Params, nest, walk
from bot.requests import Sampling

DEMO_SAMPLING = Sampling(condition_scale=2.0, top_k=64, top_p=0.95, temperature=0.8)
"""What the demo is best at: measured with `dalle-bot train-demo --evaluate`."""


def train_demo(out: Path, work: Path, *, seed: int, console: Console, speed: float = 1.0) -> None:
    """Trains what `work` does not hold yet and writes the checkpoint to `out`.

    out: gets the folders dalle_bart, vqgan and clip. work: states and losses of the stages; what it holds is resumed.
    speed: divides the number of steps, for a quick look at the machinery.
    Raises ConfigError before anything is trained if a folder can't be made, CheckpointError as run_stage does.
    """
    for option, folder in (("--out", out), ("--work", work)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{option}: the folder {folder} can't be made ({error.strerror}).") from error
    use_every_core()
    vqgan_net = vqgan.network(train_vqgan.CONFIG)
    steps = _shortened(train_vqgan.NUM_STEPS, speed)
    vqgan_params = run_stage(train_vqgan.stage(vqgan_net, seed=seed, num_steps=steps), work, console).params
    # Later stages see what the file will hold, rounded as it will be.
    vqgan_places = places_by_name(vqgan_params, vqgan.name_of)
    vqgan_params = _write(out / "vqgan", _vqgan_json(), vqgan_params, vqgan_places)

    write_prompt_tokenizer(out / "dalle_bart")
    prompts = PromptTokenizer.load(out / "dalle_bart", max_length=train_dalle_bart.MAX_TEXT_LENGTH, normalize=True)
    bart_config = train_dalle_bart.demo_config(prompts.num_ids)
    bart_net = dalle_bart.network(bart_config)
    steps = _shortened(train_dalle_bart.NUM_STEPS, speed)
    bart_stage = train_dalle_bart.stage(
        bart_net, bart_config, prompts, vqgan_net, vqgan_params, seed=seed, num_steps=steps
    )
    bart_params = run_stage(bart_stage, work, console).params
    bart_places = dalle_bart.places(bart_params, stacked=False)
    _write(out / "dalle_bart", _dalle_bart_json(dataclasses.asdict(bart_config)), bart_params, bart_places)
    _write_json(out / "dalle_bart" / "generation_config.json", dataclasses.asdict(DEMO_SAMPLING))

    eos_id = write_clip_tokenizer(out / "clip")
    texts = ClipTokenizer.load(out / "clip", train_clip.MAX_TEXT_LENGTH)
    clip_json = train_clip.demo_config(texts.num_ids, eos_id)
    clip_config = ClipConfig.from_json(clip_json)
    clip_net = clip.network(clip_config)
    steps = _shortened(train_clip.NUM_STEPS, speed)
    clip_stage = train_clip.stage(clip_net, clip_config, texts, vqgan_net, vqgan_params, seed=seed, num_steps=steps)
    clip_params = run_stage(clip_stage, work, console).params
    _write(out / "clip", clip_json, clip_params, places_by_name(clip_params, clip.name_of))


def _shortened(num_steps: int, speed: float) -> int:
    return max(1, round(num_steps / speed))


def _vqgan_json() -> dict[str, Any]:
    return {**dataclasses.asdict(train_vqgan.CONFIG), "out_ch": 3, "dropout": 0.0, "give_pre_end": False}


def _dalle_bart_json(options: Mapping[str, Any]) -> dict[str, Any]:
    special = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), options["decoder_start_token_id"])
    length = options["image_length"] + 1
    return {
        **options,
        **special,
        "model_type": "dallebart",
        "use_scan": False,
        "min_length": length,
        "max_length": length,
    }


def _write(folder: Path, config: Mapping[str, Any], params: Params, places: Places) -> Params:
    """Writes config.json and flax_model.msgpack, float16, and returns the parameters as the file has them."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "config.json", config)
    write_msgpack(folder / "flax_model.msgpack", extract(params, places, dtype=np.float16))
    return rounded(params)


def rounded(params: Params) -> Params:
    """Parameters as they come back from a float16 file, in float32."""
    return nest({path: leaf.astype(np.float16).astype(np.float32) for path, leaf in walk(params)})


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", encoding="utf-8")
