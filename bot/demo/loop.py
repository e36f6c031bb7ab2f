"""The training loop that the three stages share: resumable, with progress, losses on file, one seed one result.

Whatever a stage learns lives in one pytree, its state. The state is saved as a flat list of arrays, so a stage resumes
at the step that it was saved at and draws the batches that it would have drawn.
"""

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from bot.errors import CheckpointError

S = TypeVar("S")
Metrics = dict[str, Any]

SAVE_EVERY_S = 60.0
LOG_EVERY_STEPS = 20


@dataclass(frozen=True)
class Stage(Generic[S]):
    """One stage of the training.

    name: of its files. seed: what init and batch draw from. init() -> state at step 0. batch(step) -> arrays.
    step(state, batch) -> (state, metrics): jitted, may donate the state. metrics: scalars.
    """

    name: str
    seed: int
    num_steps: int
    init: Callable[[], S]
    batch: Callable[[int], Any]
    step: Callable[[S, Any], tuple[S, Metrics]]


def run_stage(stage: Stage[S], folder: Path, console: Console) -> S:
    """Trains `stage` to its end, from where `folder` says that it stood, and returns its final state.

    Writes `{name}.safetensors` (the state, about once a minute) and `{name}.jsonl` (losses). Raises CheckpointError if
    the saved state is damaged or belongs to another configuration, or if the loss stops being finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    saved = folder / f"{stage.name}.safetensors"
    state, first = _restore(saved, stage) if saved.exists() else (stage.init(), 0)
    if first >= stage.num_steps:
        return state
    batch = stage.batch(first)
    state = jax.device_put(state, _shardings(batch)[1])
    log = folder / f"{stage.name}.jsonl"
    _forget_losses(log, first)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"), TimeRemainingColumn())
    last_save = time.monotonic()
    with Progress(*columns, console=console, refresh_per_second=2) as progress, log.open("a", encoding="utf-8") as out:
        task = progress.add_task(stage.name, total=stage.num_steps, completed=first, text="compiling")
        for step in range(first, stage.num_steps):
            state, metrics = stage.step(state, spread(batch))
            must_save = step == stage.num_steps - 1 or time.monotonic() - last_save > SAVE_EVERY_S
            # The loss is looked at before each save, so that nobody resumes from what went wrong.
            if must_save or step % LOG_EVERY_STEPS == 0:
                values = {name: round(float(value), 5) for name, value in metrics.items()}
                if not np.isfinite(values["loss"]):
                    raise CheckpointError(f"{stage.name}: the loss is {values['loss']} at step {step}; lower the rate.")
                out.write(json.dumps({"step": step, **values}) + "\n")
                out.flush()
                progress.update(task, text=" ".join(f"{k} {v:.4g}" for k, v in values.items()))
            progress.update(task, completed=step + 1)
            if must_save:
                _save(saved, state, stage, step + 1)
                last_save = time.monotonic()
            if step + 1 < stage.num_steps:
                batch = stage.batch(step + 1)
    return state


def use_every_core() -> None:
    """Makes each core a device of JAX's, with a share of every batch: left to one device, only the matrix products of a
    step use more than one core. Has an effect only before JAX is first used."""
    try:
        jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    except RuntimeError:
        pass  # JAX runs already, with the devices that it has


def spread(batch: Any) -> Any:
    """The arrays of a batch, a share of them on each device."""
    return jax.device_put(batch, _shardings(batch)[0])


def _shardings(batch: Any) -> tuple[NamedSharding, NamedSharding]:
    """How batches are split over the devices, as many as divide them evenly, and how the state lies on all of them."""
    sizes = math.gcd(*(len(leaf) for leaf in jax.tree.leaves(batch)))
    count = max(n for n in range(1, jax.device_count() + 1) if sizes % n == 0)
    mesh = jax.make_mesh((count,), ("batch",), axis_types=(AxisType.Auto,), devices=jax.devices()[:count])
    return NamedSharding(mesh, PartitionSpec("batch")), NamedSharding(mesh, PartitionSpec())


def _forget_losses(log: Path, first: int) -> None:
    """Drops what was logged after the state was saved: those steps are taken again."""
    if log.exists():
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        log.write_text("".join(line for line in lines if json.loads(line)["step"] < first), encoding="utf-8")


def _save(path: Path, state: Any, stage: Stage[Any], step: int) -> None:
    leaves = {f"{i:05d}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
    partial = path.with_suffix(".partial")
    save_file(leaves, partial, {"seed": str(stage.seed), "num_steps": str(stage.num_steps), "step": str(step)})
    partial.replace(path)


def _restore(path: Path, stage: Stage[S]) -> tuple[S, int]:
    afresh = "remove it to train this stage afresh"
    try:
        with safe_open(path, framework="numpy") as file:
            saved = [file.get_tensor(name) for name in sorted(file.keys())]
            facts = {name: int(value) for name, value in file.metadata().items()}
    except (SafetensorError, AttributeError, ValueError, OSError) as error:
        raise CheckpointError(f"{path}: not a complete saved state; {afresh}.") from error
    for name in ("seed", "num_steps"):
        if facts.get(name) != getattr(stage, name):
            raise CheckpointError(
                f"{path}: saved by a run with {name} = {facts.get(name)}, not {getattr(stage, name)}; use the same "
                f"--seed and --speed, or {afresh}."
            )
    leaves, structure = jax.tree.flatten(stage.init())
    if [leaf.shape for leaf in leaves] != [leaf.shape for leaf in saved]:
        raise CheckpointError(f"{path}: saved by another configuration; {afresh}.")
    return jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in saved]), facts["step"]
