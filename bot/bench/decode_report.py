"""What `dalle-bot bench decode` has measured: figures, JSON and a table. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from bot.bench.floor import Floor
from bot.models.int8 import WeightsKind
from bot.startup import format_amount

CONDITION_SCALE: Final = 10.0
MIN_RATIO: Final = 0.95
"""Nothing is faster than its floor; what seems to be has a wrong one."""


@dataclass(frozen=True, slots=True)
class DecodeRun:
    """One number of images. step_s, prefill_s: seconds of a step and of a prefill, one for each repeat. weight_bytes,
    cache_bytes, matmul_flops: of a step, see bot.bench.step_costs. floor: the best that was measured
    before, between and after the runs."""

    num_images: int
    num_tokens: int
    num_slots: int
    image_length: int
    prefill_s: Sequence[float]
    step_s: Sequence[float]
    weight_bytes: int
    cache_bytes: float
    matmul_flops: int
    floor: Floor

    @property
    def seconds_per_step(self) -> float:
        return median(self.step_s)

    @property
    def floor_seconds_per_step(self) -> float:
        return self.floor.seconds(self.weight_bytes + self.cache_bytes, self.matmul_flops)

    @property
    def ratio_to_floor(self) -> float:
        return self.seconds_per_step / self.floor_seconds_per_step

    @property
    def images_per_second(self) -> float:
        """Whole pictures' tokens, at this speed; prefill, pixels and scores don't count."""
        return self.num_images / (self.image_length * self.seconds_per_step)

    @property
    def read_bytes_per_second(self) -> float:
        return (self.weight_bytes + self.cache_bytes) / self.seconds_per_step

    @property
    def matmul_flops_per_second(self) -> float:
        return self.matmul_flops / self.seconds_per_step

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "images": self.num_images,
            "tokens": self.num_tokens,
            "slots": self.num_slots,
            "prefill_seconds": median(self.prefill_s),
            "seconds_per_step": self.seconds_per_step,
            "min_seconds_per_step": min(self.step_s),
            "repeats": list(self.step_s),
            "images_per_second": self.images_per_second,
            "weight_bytes": self.weight_bytes,
            "cache_bytes": self.cache_bytes,
            "read_bytes_per_second": self.read_bytes_per_second,
            "matmul_flops_per_second": self.matmul_flops_per_second,
            "bandwidth_bytes_per_second": self.floor.bandwidth,
            "rate_flops_per_second": self.floor.rate,
            "floor_seconds_per_step": self.floor_seconds_per_step,
            "ratio_to_floor": self.ratio_to_floor,
        }


@dataclass(frozen=True, slots=True)
class DecodeReport:
    """dtype, weights, deterministic: as in the settings. random_weights: made on the device, not those of the model."""

    model: str
    random_weights: bool
    dtype: str
    weights: WeightsKind
    device: str
    chunk_tokens: int
    deterministic: bool
    runs: Sequence[DecodeRun]

    @property
    def wrong_floor(self) -> str | None:
        """A sentence if a run is faster than its floor."""
        for run in self.runs:
            if run.ratio_to_floor < MIN_RATIO:
                return (
                    f"With --images {run.num_images} a step takes {run.ratio_to_floor:.2f} of its floor, which nothing "
                    "can: the floor was measured while something else was running. Stop that and measure again."
                )
        return None

    def to_json(self) -> dict[str, Any]:
        """For `--json`: one object, with a list `runs` if there are several."""
        head = {
            "model": self.model,
            "random_weights": self.random_weights,
            "dtype": self.dtype,
            "weights": self.weights,
            "device": self.device,
            "chunk_tokens": self.chunk_tokens,
            "deterministic": self.deterministic,
        }
        runs = [run.to_json() for run in self.runs]
        return {**head, **(runs[0] if len(runs) == 1 else {"runs": runs})}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        made = "random weights, " if self.random_weights else ""
        first = self.runs[0]
        yield (
            f"{self.model}, {made}{self.dtype}, weights {self.weights}, on {self.device}; {first.num_tokens} tokens in "
            f"chunks of {self.chunk_tokens}, condition_scale {CONDITION_SCALE:g}"
            f"{', deterministic' if self.deterministic else ''}"
        )
        yield (
            f"A step reads {format_amount(first.weight_bytes, 'bytes')} of weights. Memory gives at best "
            f"{first.floor.bandwidth / 1e9:,.1f} GB/s, large products {first.floor.rate / 1e12:,.2f} TFLOP/s."
        )
        yield (
            f"{'images':>6}{'prefill':>11}{'step':>11}{'(best)':>11}{'images/s':>10}{'GB/s':>9}{'TFLOP/s':>9}"
            f"{'floor':>11}{'ratio':>7}"
        )
        for run in self.runs:
            yield (
                f"{run.num_images:>6}{_ms(median(run.prefill_s))}{_ms(run.seconds_per_step)}{_ms(min(run.step_s))}"
                f"{run.images_per_second:>10.3f}{run.read_bytes_per_second / 1e9:>9.1f}"
                f"{run.matmul_flops_per_second / 1e12:>9.3f}{_ms(run.floor_seconds_per_step)}{run.ratio_to_floor:>7.2f}"
            )


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:>8.2f} ms"
