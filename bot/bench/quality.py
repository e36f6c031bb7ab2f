"""Judges a model on the demo's captions: engine and ranking on one side, a verifier on pixels on the other."""

from collections.abc import Iterator, Sequence

from rich.console import Console

from bot.config import Settings
from bot.demo.evaluate import Pictures, evaluate
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

    def generate(asked: Sequence[tuple[str, int]]) -> Iterator[Pictures]:
        return draw_all(engine, [(caption, seed, chosen) for caption, seed in asked])

    return evaluate(generate, rows, MAX_IMAGES, console=console)


def draw_all(engine: JaxEngine, asked: Sequence[tuple[str, int, Sampling]]) -> Iterator[Pictures]:
    """MAX_IMAGES pictures uint8 [height, width, 3] of each caption with its seed and sampling, with their scores, best
    first; as many captions at a time as the engine has slots for. Raises JobFailedError."""
    at_once = max(1, engine.num_slots // MAX_IMAGES)
    for first in range(0, len(asked), at_once):
        yield from _draw(engine, asked[first : first + at_once])


def _draw(engine: JaxEngine, asked: Sequence[tuple[str, int, Sampling]]) -> Iterator[Pictures]:
    prefix = engine.prefill([PromptText(caption) for caption, _, _ in asked])
    slots = list(range(MAX_IMAGES * len(asked)))
    engine.insert(
        prefix,
        [
            SlotAssignment(MAX_IMAGES * row + index, row, index, seed, sampling)
            for row, (_, seed, sampling) in enumerate(asked)
            for index in range(MAX_IMAGES)
        ],
    )
    engine.step(engine.info.image_length)
    images = engine.collect(slots).wait()
    engine.free(slots)
    for row, (caption, seed, _) in enumerate(asked):
        pairs = []
        for image in images[MAX_IMAGES * row : MAX_IMAGES * (row + 1)]:
            if isinstance(image, FailedSlot):
                raise JobFailedError(f"{caption!r}, seed {seed}: {image.sentence}")
            pairs.append((image.pixels, image.score))
        yield sorted(pairs, key=lambda pair: -pair[1])
