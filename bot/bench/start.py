"""`dalle-bot bench start`: a whole start on random weights of a true size, its memory against the plan, and a collage.

In the process that calls it, so that memory is that of one start; a second call finds the first one's compiled code.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import jax

from bot.bench.memory_watch import MemoryWatch
from bot.bench.model_options import Size
from bot.bench.random_model import Stored, ensure_random_model
from bot.config import Settings
from bot.engine.base import PromptText, SlotAssignment
from bot.engine.devices import choose_devices
from bot.engine.engine import JaxEngine
from bot.engine.memory_plan import MemoryPlan
from bot.engine.open import plan_engine
from bot.errors import CheckpointError
from bot.requests import MAX_IMAGES
from bot.startup import Listener, StartUp, format_amount

_COLLAGES: Final = 2
_PROMPT: Final = PromptText("a red circle left of a small blue star on a white background")


@dataclass(frozen=True, slots=True)
class Stage:
    """seconds: how long it took. held_bytes, peak_bytes: of the first device when it ended, and the most until then; on
    a CPU the process's anonymous memory. None where the platform does not tell."""

    name: str
    seconds: float
    held_bytes: int | None
    peak_bytes: int | None


@dataclass(frozen=True, slots=True)
class StartReport:
    """plan: made before anything was allocated. collage_s: seconds from prompt to num_images ranked images, in turn."""

    device: str
    size: Size
    dtype: str
    weights: str
    plan: MemoryPlan
    stages: list[Stage]
    num_images: int
    collage_s: list[float]

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        items = (*self.plan.process, *self.plan.weights, *self.plan.slots)
        return {
            "device": self.device,
            "size": self.size,
            "dtype": self.dtype,
            "weights": self.weights,
            "num_slots": self.plan.num_slots,
            "num_devices": self.plan.num_devices,
            "planned": {item.name: item.num_bytes for item in items},
            "planned_workspace": self.plan.workspace.num_bytes,
            "planned_total": self.plan.needed_bytes,
            "stages": [{name: getattr(stage, name) for name in Stage.__slots__} for stage in self.stages],
            "num_images": self.num_images,
            "collage_s": self.collage_s,
        }

    def __str__(self) -> str:
        def size(count: int | None) -> str:
            return "unknown" if count is None else format_amount(count, "bytes")

        lines = [
            f"{self.size}, {self.dtype}, weights {self.weights}, {self.device}",
            self.plan.table(),
            "Measured at the end of each stage:",
            *(
                f"  {stage.name:<16} {stage.seconds:7.2f} s   {size(stage.held_bytes):>8} held, "
                f"{size(stage.peak_bytes):>8} at most until then"
                for stage in self.stages
            ),
            f"{self.num_images} images after {', then '.join(f'{seconds:.2f} s' for seconds in self.collage_s)}",
        ]
        return "\n".join(lines)


def measure_start(
    settings: Settings,
    folder: Path,
    *,
    size: Size = "mega",
    stored: Stored = "float16",
    num_images: int = MAX_IMAGES,
    listener: Listener,
) -> StartReport:
    """Opens a random model as `settings` say, but for the model's name, and draws `num_images` images, twice.

    folder: where the model is, or is written if it is not there; it stays. Raises ConfigError for devices that are not
    there, for a folder that can't be used and if the model does not fit; CheckpointError for damaged files.
    """
    engine_settings = settings.engine
    # Before gigabytes are written.
    choose_devices(engine_settings.device, engine_settings.num_devices, engine_settings.memory_fraction)
    ensure_random_model(folder, size, stored, StartUp(listener))
    others = dict.fromkeys(("revision", "vqgan", "vqgan_revision", "clip", "clip_revision"))
    model = settings.model.model_copy(update={**others, "name": str(folder)})
    settings = settings.model_copy(update={"model": model})
    with MemoryWatch() as watch:
        recorder = _Recorder(listener, watch)
        start_up = StartUp(recorder)
        try:
            planned = plan_engine(settings, start_up)
            engine = planned.open(settings.engine.chunk_tokens, start_up)
        except CheckpointError as error:
            raise CheckpointError(f"--folder: {error}") from error
        collage_s = []
        for seed in range(_COLLAGES):
            with start_up.stage(
                f"collage {seed + 1}", total=num_images * engine.info.image_length, unit="tokens"
            ) as advance:
                began = time.perf_counter()
                _draw(engine, num_images, seed, settings.engine.chunk_tokens, advance)
                collage_s.append(time.perf_counter() - began)
    device = planned.mesh.devices.flat[0]
    return StartReport(
        device=f"{planned.mesh.size} x {device.device_kind}",
        size=size,
        dtype=jax.numpy.dtype(planned.checkpoint.dtype).name,
        weights=settings.model.weights,
        plan=planned.plan,
        stages=recorder.stages,
        num_images=num_images,
        collage_s=collage_s,
    )


@dataclass
class _Recorder:
    """Passes a start on to another listener and notes the memory at the end of each stage."""

    listener: Listener
    watch: MemoryWatch
    stages: list[Stage] = field(default_factory=list)

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        self.listener.begin(stage, total, unit)

    def advance(self, done: int) -> None:
        self.listener.advance(done)

    def end(self, stage: str, seconds: float) -> None:
        statistics = jax.local_devices()[0].memory_stats()
        if statistics:
            held, peak = statistics.get("bytes_in_use"), statistics.get("peak_bytes_in_use")
        else:
            held, peak = self.watch.anon_bytes, self.watch.peak_anon_bytes
        self.stages.append(Stage(stage, seconds, held, peak))
        self.listener.end(stage, seconds)

    def note(self, text: str) -> None:
        # The report holds the plan.
        pass


def _draw(engine: JaxEngine, num_images: int, seed: int, chunk_tokens: int, advance: Callable[[int], None]) -> None:
    """Draws in as many waves as the slots need."""
    prefix = engine.prefill([_PROMPT])
    for first in range(0, num_images, engine.num_slots):
        indices = range(first, min(first + engine.num_slots, num_images))
        slots = [index - first for index in indices]
        sampling = engine.info.sampling
        engine.insert(prefix, [SlotAssignment(s, 0, i, seed, sampling) for s, i in zip(slots, indices, strict=True)])
        for _ in range(-(-engine.info.image_length // chunk_tokens)):
            engine.step(chunk_tokens).wait()
            advance(chunk_tokens * len(slots))
        engine.collect(slots)
        engine.free(slots)
