"""`dalle-bot bench load`: how much memory and time loading takes, on random weights of a released model's true size.

Every measurement is a fresh process, so that its memory is that of a start; ways take turns in alternating order.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal

from bot.bench.load_process import UNREADABLE
from bot.bench.model_options import Size
from bot.bench.random_model import Stored, ensure_random_model
from bot.errors import CheckpointError, JobFailedError
from bot.startup import StartUp, format_amount

SPARE_BYTES: Final = 400 * 10**6
"""What a process may need beside parameters and one array: Python, JAX, compiled programs, buffers."""
MAX_RATIO: Final = 1.5

_TIMEOUT_S: Final = 1800.0
_READ_BYTES: Final = 2**24

PageCache = Literal["warm", "cold"]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What was measured. load_s, plain_s: seconds of every repeat, from the first byte read to the last parameter on
    the device; open_s: of what comes before, configurations, tokenizers and headers. Memory is that of whole processes
    from their start, the most of all repeats; None where there is no /proc."""

    size: Size
    stored: Stored
    dtype: str
    weights: str
    page_cache: PageCache
    file_bytes: int
    parameter_bytes: int
    largest_bytes: int
    peak_anon_bytes: int | None
    peak_bytes: int | None
    plain_peak_anon_bytes: int | None
    open_s: list[float]
    load_s: list[float]
    plain_s: list[float]

    @property
    def bound_bytes(self) -> int:
        """What anonymous memory may come to."""
        return self.parameter_bytes + self.largest_bytes + SPARE_BYTES

    @property
    def within_bound(self) -> bool | None:
        return None if self.peak_anon_bytes is None else self.peak_anon_bytes <= self.bound_bytes

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return median(self.load_s) / median(self.plain_s)

    @property
    def within_ratio(self) -> bool:
        return self.ratio <= MAX_RATIO

    @property
    def passed(self) -> bool:
        """Whether neither bound is broken, as far as anybody can tell."""
        return self.within_ratio and self.within_bound is not False

    def to_json(self) -> dict[str, Any]:
        """Everything, for `--json`."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {
            "bound_bytes": self.bound_bytes,
            "within_bound": self.within_bound,
            "ratio": self.ratio,
            "within_ratio": self.within_ratio,
            "max_ratio": MAX_RATIO,
        }

    def __str__(self) -> str:
        def size(count: int | None) -> str:
            return "not measured (no /proc)" if count is None else format_amount(count, "bytes")

        def seconds(values: list[float]) -> str:
            return f"{median(values):.2f} s ({', '.join(f'{value:.2f}' for value in values)})"

        too_much = ": too much" if self.within_bound is False else ""
        too_slow = "" if self.within_ratio else ": too slow"
        return "\n".join(
            (
                f"{self.size}, {self.stored} -> {self.dtype}, weights {self.weights}, {self.page_cache} page cache",
                f"file               {size(self.file_bytes)}, largest array {size(self.largest_bytes)}",
                f"parameters         {size(self.parameter_bytes)}",
                f"anonymous memory   {size(self.peak_anon_bytes)} at most; allowed: {size(self.bound_bytes)}{too_much}",
                f"resident memory    {size(self.peak_bytes)} at most, with pages of files",
                f"open               {seconds(self.open_s)}",
                f"load               {seconds(self.load_s)}",
                f"read and convert   {seconds(self.plain_s)}, anonymous memory {size(self.plain_peak_anon_bytes)}",
                f"ratio              {self.ratio:.2f}; allowed: {MAX_RATIO}{too_slow}",
            )
        )


def measure_load(
    size: Size = "mega",
    *,
    stored: Stored = "float16",
    dtype: str = "bfloat16",
    weights: Literal["same", "int8"] = "same",
    folder: Path | None = None,
    repeats: int = 3,
    page_cache: PageCache = "warm",
    start_up: StartUp | None = None,
) -> LoadReport:
    """Writes a random model, loads it `repeats` times in either way, and compares.

    folder: where the model is written, and left; one of this size and storage that is there is used again. None: a
    temporary folder. page_cache: whether the files are in the system's page cache
    before each measurement; "cold" needs posix_fadvise.
    Raises ConfigError for a folder that can't be used, CheckpointError for damaged files in it, JobFailedError if a
    process fails otherwise.
    """
    start_up = start_up or StartUp()
    with _folder(folder) as model:
        ensure_random_model(model, size, stored, start_up)
        results: dict[str, list[dict[str, Any]]] = {"streamed": [], "plain": []}
        for repeat in range(repeats):
            for way in sorted(results, reverse=repeat % 2 == 0):
                with start_up.stage(f"load {way}, {repeat + 1} of {repeats}"):
                    for file in model.glob("*/*.msgpack"):
                        _prepare(file, page_cache)
                    results[way].append(_measured(model, way, dtype, weights))
    streamed, plain = results["streamed"], results["plain"]
    return LoadReport(
        size=size,
        stored=stored,
        dtype=dtype,
        weights=weights,
        page_cache=page_cache,
        file_bytes=streamed[0]["file_bytes"],
        parameter_bytes=streamed[0]["parameter_bytes"],
        largest_bytes=streamed[0]["largest_bytes"],
        peak_anon_bytes=_most(streamed, "peak_anon_bytes"),
        peak_bytes=_most(streamed, "peak_bytes"),
        plain_peak_anon_bytes=_most(plain, "peak_anon_bytes"),
        open_s=[result["open_s"] for result in streamed],
        load_s=[result["load_s"] for result in streamed],
        plain_s=[result["load_s"] for result in plain],
    )


@contextmanager
def _folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="dalle-bot-bench-") as temporary:
        yield Path(temporary)


def _prepare(file: Path, page_cache: PageCache) -> None:
    with file.open("rb", buffering=0) as opened:
        if page_cache == "cold":
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return
        buffer = bytearray(_READ_BYTES)
        while opened.readinto(buffer):
            pass


def _measured(model: Path, way: str, dtype: str, weights: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bot.bench.load_process", str(model)]
    command += ["--way", way, "--dtype", dtype, "--weights", weights]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603
    if done.returncode == UNREADABLE:
        raise CheckpointError(f"--folder: {done.stderr.strip()}")
    if done.returncode:
        raise JobFailedError(f"Loading ({way}) failed with exit code {done.returncode}: {done.stderr.strip()[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _most(results: list[dict[str, Any]], name: str) -> int | None:
    values = [result[name] for result in results if result[name] is not None]
    return max(values, default=None)
