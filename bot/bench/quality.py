"""Judges a model on the demo's captions: engine and ranking on one side, a verifier on pixels on the other."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rich.console import Console

from bot.config import Settings
from bot.demo.evaluate import evaluate
from bot.demo.report import Report
from bot.demo.scenes import evaluation_rows
from bot.engine.base import FailedSlot, PromptText, SlotAssignment
from bot.engine.engine import JaxEngine
from bot.engine.open import open_engine
from bot.errors import JobFailedError
from bot.requests import MAX_IMAGES, Sampling
from bot.startup import StartUp

CAPTIONS_SEED = 2026


def judge(
    settings: Settings, *, num_captions: int, console: Console | None = None, sampling: Sampling | None = None
) -> Report:
    """Draws MAX_IMAGES images for every caption of the evaluation's rows, which training never saw, and verifies them.

    num_captions: of each row. sampling: None uses the model's own. Raises ConfigError or CheckpointError,
    JobFailedError for an image that failed, ValueError for more captions than a row has.
    """
    engine = open_engine(settings, StartUp())
    rows = evaluation_rows(CAPTIONS_SEED, num_captions)
    chosen = sampling or engine.info.sampling

    def generate(caption: str, seed: int) -> Sequence[tuple[npt.NDArray[np.uint8], float]]:
        return draw(engine, caption, seed, chosen)

    return evaluate(generate, rows, MAX_IMAGES, console=console)


def draw(
    engine: JaxEngine, caption: str, seed: int, sampling: Sampling
) -> Sequence[tuple[npt.NDArray[np.uint8], float]]:
    """MAX_IMAGES pictures uint8 [height, width, 3] of one caption with their scores, best first."""
    slots = list(range(MAX_IMAGES))
    prefix = engine.prefill([PromptText(caption)])
    engine.insert(prefix, [SlotAssignment(slot, 0, slot, seed, sampling) for slot in slots])
    engine.step(engine.info.image_length)
    pairs = []
    for image in engine.collect(slots).wait():
        if isinstance(image, FailedSlot):
            raise JobFailedError(f"{caption!r}, seed {seed}: {image.sentence}")
        pairs.append((image.pixels, image.score))
    engine.free(slots)
    return sorted(pairs, key=lambda pair: -pair[1])
