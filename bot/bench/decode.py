"""`dalle-bot bench decode`: seconds per step of the decode loop, against what the device's memory and cores allow.

Drives the engine as the executor does, the next chunk dispatched before the last one is waited for, but with one prompt
and nothing else to do. In the process that calls it, on one device.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as Spec

from bot.bench.decode_report import CONDITION_SCALE, DecodeReport, DecodeRun
from bot.bench.floor import Floor, measure_floor
from bot.bench.random_bundle import dalle_bart_options, random_bundle
from bot.bench.step_costs import cache_bytes, matmul_flops, weight_bytes
from bot.checkpoints.bundle import Bundle, load_bundle
from bot.config import Settings
from bot.engine.base import Chunk, PromptText, SlotAssignment
from bot.engine.devices import choose_devices, slot_mesh, use_compile_cache
from bot.engine.engine import JaxEngine, JaxPrefix
from bot.engine.precision import choose_dtype, kept_dtypes
from bot.errors import ConfigError
from bot.fetch import locate_model
from bot.startup import Advance, StartUp

_PROMPT: Final = "a red circle left of a small blue star on a white background"


def measure_decode(
    settings: Settings,
    *,
    random_weights: bool,
    num_images: Sequence[int],
    num_tokens: int | None = None,
    num_slots: int | None = None,
    repeats: int = 3,
    start_up: StartUp,
) -> DecodeReport:
    """Opens the model of `settings` on one device and measures it as measure_runs does.

    random_weights: the model's name is then one that dalle_bart_options knows; nothing is fetched. Raises ConfigError,
    CheckpointError.
    """
    model, engine = settings.model, settings.engine
    use_compile_cache(settings.compile_cache_dir)
    with start_up.stage("find devices"):
        device, *_ = choose_devices(engine.device, 1, engine.memory_fraction)
    mesh, dtype = slot_mesh([device]), choose_dtype(model.dtype, device)
    everywhere = NamedSharding(mesh, Spec())
    if random_weights:
        options = dalle_bart_options(model.name)
        _check_sizes(model.name, options["image_length"], num_images, num_tokens, num_slots)
        with start_up.stage("make random weights"):
            bundle = random_bundle(model.name, options, dtype=dtype, weights=model.weights, sharding=everywhere)
    else:
        folders = locate_model(model, settings.data_dir, start_up)
        bundle = load_bundle(folders, dtype=dtype, weights=model.weights, placement=everywhere, start_up=start_up)
    runs = measure_runs(
        bundle,
        mesh,
        num_images=num_images,
        num_tokens=num_tokens,
        num_slots=num_slots,
        chunk_tokens=engine.chunk_tokens,
        deterministic=engine.deterministic,
        repeats=repeats,
        start_up=start_up,
    )
    return DecodeReport(
        model=model.name,
        random_weights=random_weights,
        dtype=jnp.dtype(dtype).name,
        weights=model.weights,
        device=_name(device),
        chunk_tokens=engine.chunk_tokens,
        deterministic=engine.deterministic,
        runs=runs,
    )


def measure_runs(
    bundle: Bundle,
    mesh: Mesh,
    *,
    num_images: Sequence[int],
    num_tokens: int | None,
    num_slots: int | None,
    chunk_tokens: int,
    deterministic: bool = False,
    repeats: int,
    start_up: StartUp,
    floor: Floor | None = None,
) -> list[DecodeRun]:
    """Draws the first `num_tokens` tokens (None: all) of so many images, for each number in `num_images`.

    mesh: of one device, on which `bundle` lies. num_slots: None for as many as there are images. floor: None measures
    it before and after each run; the best counts for all. A first drawing, in which programs are compiled, does not
    count. Raises ConfigError for tokens or slots that don't fit.
    """
    length = bundle.bart_config.image_length
    _check_sizes(bundle.name, length, num_images, num_tokens, num_slots)

    def current_floor() -> Floor:
        if floor is not None:
            return floor
        with start_up.stage("measure memory and products"):
            return measure_floor(mesh.devices.flat[0], bundle.dtype)

    floor_so_far = current_floor()
    measured = []
    for count in num_images:
        engine = JaxEngine(bundle, num_slots=num_slots or count, mesh=mesh, deterministic=deterministic)
        rounds = _Rounds(engine, count, num_tokens or length, chunk_tokens)
        with start_up.stage(f"compile for {count} images"):
            rounds.draw(lambda _: None)
        with start_up.stage(f"draw {count} images", total=repeats * (num_tokens or length), unit="tokens") as advance:
            measured.append((count, [rounds.draw(advance) for _ in range(repeats)]))
        # Its state would stay beside that of the next one.
        del engine, rounds
        floor_so_far = floor_so_far.or_better(current_floor())
    return [
        _run(bundle, mesh, count, num_tokens or length, num_slots or count, times, floor_so_far)
        for count, times in measured
    ]


def _check_sizes(
    name: str, image_length: int, num_images: Sequence[int], num_tokens: int | None, num_slots: int | None
) -> None:
    if num_tokens is not None and num_tokens > image_length:
        raise ConfigError(f"--tokens is {num_tokens}, but a picture of {name} has {image_length}. Lower it.")
    if num_slots is not None and num_slots < max(num_images):
        raise ConfigError(f"--slots is {num_slots}; expected at least as many as --images, which is {max(num_images)}.")


class _Rounds:
    """Draws the same images again and again."""

    def __init__(self, engine: JaxEngine, num_images: int, num_tokens: int, chunk_tokens: int) -> None:
        sampling = replace(engine.info.sampling, condition_scale=CONDITION_SCALE)
        self._engine = engine
        self._assignments = [SlotAssignment(i, 0, i, 0, sampling) for i in range(num_images)]
        self._num_tokens = num_tokens
        self._chunk_tokens = chunk_tokens

    def draw(self, advance: Advance) -> tuple[float, float]:
        """Seconds of a prefill, and of a step on average over all tokens."""
        engine = self._engine
        began = time.perf_counter()
        prefix = engine.prefill([PromptText(_PROMPT)])
        _wait_for_prefix(prefix)
        prefill_s = time.perf_counter() - began
        engine.insert(prefix, self._assignments)
        # What inserting still does is no part of the first step. The engine gives nothing to wait for.
        jax.block_until_ready(jax.live_arrays())
        began = time.perf_counter()
        last: Chunk | None = None
        for first in range(0, self._num_tokens, self._chunk_tokens):
            size = min(self._chunk_tokens, self._num_tokens - first)
            chunk = engine.step(size)
            if last is not None:
                last.wait()
            last = chunk
            advance(size)
        if last is not None:
            last.wait()
        step_s = (time.perf_counter() - began) / self._num_tokens
        engine.free([assignment.slot for assignment in self._assignments])
        return prefill_s, step_s


def _wait_for_prefix(prefix: JaxPrefix) -> None:
    jax.block_until_ready([(row.cond, row.text_vector) for row in prefix.rows])


def _run(
    bundle: Bundle,
    mesh: Mesh,
    num_images: int,
    num_tokens: int,
    num_slots: int,
    times: Sequence[tuple[float, float]],
    floor: Floor,
) -> DecodeRun:
    tokenizer = bundle.prompt_tokenizer
    texts = [tokenizer.encode([_PROMPT]), tokenizer.encode_unconditional()]
    kept = kept_dtypes(bundle.dtype, mesh.devices.flat[0].platform)
    return DecodeRun(
        num_images=num_images,
        num_tokens=num_tokens,
        num_slots=num_slots,
        image_length=bundle.bart_config.image_length,
        prefill_s=[prefill for prefill, _ in times],
        step_s=[step for _, step in times],
        weight_bytes=weight_bytes(bundle.bart_params),
        cache_bytes=cache_bytes(
            bundle.bart_config, num_images, num_tokens, [int(text.mask.sum()) for text in texts], kept
        ),
        matmul_flops=matmul_flops(bundle.bart_params, num_images),
        floor=floor,
    )


def _name(device: jax.Device) -> str:
    """The kind of a device; of a CPU also how many cores this process may use."""
    if device.platform != "cpu":
        return str(device.device_kind)
    return f"cpu, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"
