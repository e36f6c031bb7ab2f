"""`dalle-bot imagine`: one prompt through executor, engine, ranking and collage, without Discord.

Called by the command line, on an event loop of its own.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from bot.collage import encode_png, make_collage
from bot.config import Settings
from bot.engine.base import Engine
from bot.errors import ConfigError, ExecutorClosedError
from bot.executor.local import LocalExecutor
from bot.render import picture_metadata
from bot.requests import Finished, GenerationRequest, Result, Update
from bot.startup import StartUp


@dataclass(frozen=True, slots=True)
class Imagined:
    """What `imagine` made. files: of the single images, in the order of the result; empty without a folder for them.

    timings: seconds. `load`: until the model was ready; `generate`: from there to the ranked images; `write`: collage
    and files; `total`: all of it.
    """

    result: Result
    collage: Path
    files: tuple[Path, ...]
    timings: Mapping[str, float]

    def label_scores(self) -> list[list[float]]:
        """For each label of the request the scores of the images, in the order of the result."""
        images = [image.label_scores.tolist() for image in self.result.images]
        return [list(scores) for scores in zip(*images, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """The one object of `--json`."""
        labels = self.result.request.labels
        images: list[dict[str, Any]] = [
            {"rank": rank, "score": image.score, "index": image.index, "image_tokens": image.image_tokens.tolist()}
            for rank, image in enumerate(self.result.images, start=1)
        ]
        for entry, image in zip(images, self.result.images, strict=True):
            if labels:
                entry["labels"] = dict(zip(labels, image.label_scores.tolist(), strict=True))
        for entry, file in zip(images, self.files, strict=False):
            entry["file"] = str(file)
        return {
            "prompt": self.result.request.prompt,
            "negative_prompt": self.result.request.negative_prompt,
            "sampling": asdict(self.result.sampling),
            "seed": self.result.request.seed,
            "model": self.result.model,
            "images": images,
            "collage": str(self.collage),
            "notices": [str(notice) for notice in self.result.notices],
            "timings": dict(self.timings),
        }


async def imagine(
    request: GenerationRequest,
    *,
    settings: Settings,
    engine_factory: Callable[[], Engine],
    out: Path,
    images_dir: Path | None,
    on_update: Callable[[Update], None],
    start_up: StartUp | None = None,
) -> Imagined:
    """Draws `request` and writes the collage to `out`, and single images to `images_dir`.

    on_update: sees each update as it comes. start_up: that of the engine.
    Raises ConfigError if a file can't be written, RequestError and JobError as the executor does, and what kept the
    engine from starting.
    """
    check_writable(out, images_dir)
    started = time.perf_counter()
    ready = started
    failure: Exception | None = None

    def build() -> Engine:
        nonlocal ready, failure
        try:
            engine = engine_factory()
        except Exception as error:
            failure = error
            raise
        ready = time.perf_counter()
        return engine

    executor = LocalExecutor(
        build,
        max_jobs=1,
        max_jobs_per_user=1,
        chunk_tokens=settings.engine.chunk_tokens,
        start_up=start_up,
    )
    async with executor:
        result = None
        try:
            async for update in await executor.submit(request):
                if isinstance(update, Finished):
                    result = update.result
                on_update(update)
        except ExecutorClosedError:
            # The engine's own complaint says more than that there is no engine.
            if failure is not None:
                raise failure from None
            raise
    assert result is not None, "a stream ends with Finished or raises"
    drawn = time.perf_counter()
    files = _write(result, out, images_dir)
    written = time.perf_counter()
    timings = {
        "load": ready - started,
        "generate": drawn - ready,
        "write": written - drawn,
        "total": written - started,
    }
    return Imagined(result, out, files, {name: round(seconds, 3) for name, seconds in timings.items()})


def check_writable(out: Path, images_dir: Path | None) -> None:
    """Makes the folders that are missing. Raises ConfigError naming the option whose path can't be used.

    Called before anything is drawn, which may take minutes.
    """
    if out.suffix.lower() != ".png":
        raise ConfigError(f"--out: {out} must end in .png.")
    if out.is_dir():
        raise ConfigError(f"--out: {out} is a folder; name a file.")
    for option, folder in (("--out", out.parent), ("--images-dir", images_dir)):
        if folder is None:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{option}: the folder {folder} can't be made ({error.strerror}).") from error
        if not os.access(folder, os.W_OK):
            raise ConfigError(f"{option}: the folder {folder} can't be written to.")


def _write(result: Result, out: Path, images_dir: Path | None) -> tuple[Path, ...]:
    metadata = dict(picture_metadata(result.request, result.sampling, result.model))
    files = []
    try:
        out.write_bytes(encode_png(make_collage([image.pixels for image in result.images]), metadata))
        for rank, image in enumerate(result.images, start=1):
            if images_dir is None:
                break
            file = images_dir / f"{rank}.png"
            own = metadata | {"index": str(image.index), "score": f"{image.score:.3f}"}
            file.write_bytes(encode_png(Image.fromarray(image.pixels), own))
            files.append(file)
    except OSError as error:
        raise ConfigError(f"{error.filename or out} can't be written ({error.strerror}).") from error
    return tuple(files)
