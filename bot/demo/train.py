"""`dalle-bot train-demo`: a checkpoint from nothing, in three stages, written in the original formats."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console
from safetensors import SafetensorError, safe_open

from bot.c_heap import keep_freed_memory
from bot.checkpoints import clip, dalle_bart, vqgan
from bot.checkpoints.arrays import write_msgpack
from bot.checkpoints.places import Places, extract, places_by_name
from bot.checkpoints.tokenizers import ClipTokenizer, PromptTokenizer
from bot.demo import train_clip, train_dalle_bart, train_vqgan
from bot.demo.codebook import Codebook
from bot.demo.folder import FolderPictures
from bot.demo.loop import Stage, run_stage, use_every_core
from bot.demo.pictures import DrawnPictures, Pictures
from bot.demo.samples import clip_samples, dalle_bart_samples, vqgan_samples
from bot.demo.stage_name import StageName
from bot.demo.training_data import expect_same_data
from bot.demo.vocabulary import write_clip_tokenizer, write_prompt_tokenizer
from bot.errors import ConfigError
from bot.models.clip_config import ClipConfig
from bot.models.clip_preprocess import ClipPreprocessing
from bot.models.network import Network, Params, nest, walk
from bot.models.vqgan import VQGAN, VQGANConfig
from bot.requests import Sampling

S = TypeVar("S")

SIZE_PX: Final = 128

DEMO_SAMPLING = Sampling(condition_scale=1.5, top_k=64, top_p=0.95, temperature=0.6)
"""What the demo is best at: measured with `dalle-bot bench quality`. Below this temperature nine pictures are more
alike, and fewer prompts have a right one among them."""


def train_demo(
    out: Path,
    work: Path,
    *,
    seed: int,
    console: Console,
    data: Path | None = None,
    only: StageName | None = None,
    width: int = 1,
    speed: float = 1.0,
) -> None:
    """Trains what `work` does not hold yet and writes the checkpoint to `out`.

    out: gets the folders dalle_bart, vqgan and clip. work: states and losses of the stages, and a picture of what each
    can do; the states that it holds are resumed.
    data: a folder of pictures with captions (folder.py); None for the demo's own. only: the one stage to train, and its
    folder the only one to write. width: multiplies the networks' features. speed: divides the number of steps: above 1
    for a quick look at the machinery, below it for a longer training.
    Raises ConfigError before anything is trained if a folder can't be made, the data can't be used or is not what
    `work` began with, or `only` needs a VQGAN that is not there; CheckpointError as run_stage does.
    """
    for option, folder in (("--out", out), ("--work", work)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{option}: the folder {folder} can't be made ({error.strerror}).") from error
    if only in ("dalle-bart", "clip") and not _is_finished(work, "vqgan"):
        raise ConfigError(
            f"--stage {only}: it learns from a finished VQGAN, and {work} has none. Train that before, with --stage "
            "vqgan and the same --work."
        )
    pictures = DrawnPictures(SIZE_PX) if data is None else FolderPictures(data, SIZE_PX, console=console)
    expect_same_data(work, data, pictures)
    use_every_core()
    keep_freed_memory()
    run = _Run(out, work, pictures, seed, width, speed, console)
    codec = _train_vqgan(run, write=only in (None, "vqgan"))
    if only in (None, "dalle-bart"):
        _train_dalle_bart(run, codec)
    if only in (None, "clip"):
        _train_clip(run, codec)


@dataclass(frozen=True, slots=True)
class _Run:
    """What all stages of one training share."""

    out: Path
    work: Path
    pictures: Pictures
    seed: int
    width: int
    speed: float
    console: Console

    def shortened(self, num_steps: int) -> int:
        return max(1, round(num_steps / self.speed))

    def finish(self, stage: Stage[S]) -> S:
        return run_stage(stage, self.work, self.console)

    def show(self, name: str, sample: npt.NDArray[np.uint8]) -> None:
        """Writes what a finished stage can do beside its state."""
        Image.fromarray(sample).save(self.work / f"{name}.png")


@dataclass(frozen=True, slots=True)
class _Codec:
    """A finished VQGAN, with parameters as later stages see them: as the file has them."""

    network: Network[VQGAN]
    config: VQGANConfig
    params: Params
    codebook: Codebook


def _train_vqgan(run: _Run, *, write: bool) -> _Codec:
    config = train_vqgan.config(run.pictures.size_px, run.width)
    network = vqgan.network(config)
    steps = run.shortened(train_vqgan.NUM_STEPS)
    state = run.finish(train_vqgan.stage(network, config, run.pictures, seed=run.seed, num_steps=steps))
    params = state.params
    if write:
        options = {**asdict(config), "out_ch": 3, "dropout": 0.0, "give_pre_end": False}
        _write(run.out / "vqgan", options, params, places_by_name(params, vqgan.name_of))
    codec = _Codec(network, config, rounded(params), state.codebook)
    run.show("vqgan", vqgan_samples(network, codec.params, run.pictures, run.seed))
    return codec


def _train_dalle_bart(run: _Run, codec: _Codec) -> None:
    folder = run.out / "dalle_bart"
    write_prompt_tokenizer(folder, run.pictures.sentences())
    tokenizer = PromptTokenizer.load(folder, max_length=train_dalle_bart.MAX_TEXT_LENGTH, normalize=True)
    config = train_dalle_bart.config(tokenizer.num_ids, codec.config, run.width)
    network = dalle_bart.network(config)
    stage = train_dalle_bart.stage(
        network,
        config,
        tokenizer,
        codec.codebook,
        run.pictures,
        seed=run.seed,
        num_steps=run.shortened(train_dalle_bart.NUM_STEPS),
    )
    params = run.finish(stage).params
    _write(folder, _dalle_bart_json(asdict(config)), params, dalle_bart.places(params, stacked=False))
    _write_json(folder / "generation_config.json", asdict(DEMO_SAMPLING))
    sample = dalle_bart_samples(network, params, tokenizer, codec.network, codec.params, run.pictures, run.seed)
    run.show("dalle_bart", sample)


def _train_clip(run: _Run, codec: _Codec) -> None:
    folder = run.out / "clip"
    eos_id = write_clip_tokenizer(folder, run.pictures.sentences())
    tokenizer = ClipTokenizer.load(folder, train_clip.MAX_TEXT_LENGTH)
    options = train_clip.config_json(tokenizer.num_ids, eos_id, run.pictures.size_px, run.width)
    config = ClipConfig.from_json(options)
    network = clip.network(config)
    stage = train_clip.stage(
        network,
        config,
        tokenizer,
        codec.network,
        codec.params,
        run.pictures,
        seed=run.seed,
        num_steps=run.shortened(train_clip.NUM_STEPS),
    )
    params = run.finish(stage).params
    _write(folder, options, params, places_by_name(params, clip.name_of))
    preprocess = ClipPreprocessing(config.vision.image_size)
    run.show("clip", clip_samples(network, params, tokenizer, preprocess, run.pictures, run.seed))


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


def _write(folder: Path, config: Mapping[str, Any], params: Params, places: Places) -> None:
    """Writes config.json and flax_model.msgpack, float16."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "config.json", config)
    write_msgpack(folder / "flax_model.msgpack", extract(params, places, dtype=np.float16))


def rounded(params: Params) -> Params:
    """Parameters as they come back from a float16 file, in float32."""
    return nest({path: leaf.astype(np.float16).astype(np.float32) for path, leaf in walk(params)})


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _is_finished(work: Path, name: str) -> bool:
    """Whether `work` holds the final state of a stage. A damaged one counts: run_stage says what is wrong with it."""
    try:
        with safe_open(work / f"{name}.safetensors", framework="numpy") as file:
            facts = file.metadata() or {}
    except FileNotFoundError:
        return False
    except (SafetensorError, OSError):
        return True
    return facts.get("step") == facts.get("num_steps")
