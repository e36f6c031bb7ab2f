"""The training loop on a stage of a few numbers: it resumes as if it had never stopped, and names what went wrong."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from bot.demo import loop as module
from bot.demo.loop import Metrics, Stage, run_stage
from bot.errors import CheckpointError

Batch = np.ndarray[Any, np.dtype[np.float32]]


class State(NamedTuple):
    weights: jax.Array
    moments: dict[str, jax.Array]
    num_steps: jax.Array


class InterruptedTrainingError(Exception):
    """Someone pulled the plug."""


@jax.jit
def learn(state: State, batch: Batch) -> tuple[State, Metrics]:
    loss, slope = jax.value_and_grad(lambda w: jnp.mean((batch @ (w - 1.0)) ** 2))(state.weights)
    momentum = 0.9 * state.moments["momentum"] + slope
    return State(state.weights - 0.05 * momentum, {"momentum": momentum}, state.num_steps + 1), {"loss": loss}


def stage(
    num_steps: int = 30, *, width: int = 3, seed: int = 5, step: Callable[[State, Batch], Any] = learn
) -> Stage[State]:
    def init() -> State:
        return State(jnp.zeros(width), {"momentum": jnp.zeros(width)}, jnp.int32(0))

    def batch(step: int) -> Batch:
        return np.random.default_rng((seed, step)).normal(size=(8, width)).astype(np.float32)

    return Stage("tiny", seed, num_steps, init, batch, step)


def failing_at(count: int) -> Callable[[State, Batch], Any]:
    def step(state: State, batch: Batch) -> Any:
        if int(state.num_steps) == count:
            raise InterruptedTrainingError
        return learn(state, batch)

    return step


def run(work: Path, stage: Stage[State]) -> State:
    return run_stage(stage, work, Console(file=StringIO()))


def assert_same(one: State, other: State) -> None:
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def losses(work: Path) -> list[tuple[int, float]]:
    rows = [json.loads(line) for line in (work / "tiny.jsonl").read_text("utf-8").splitlines()]
    return [(row["step"], row["loss"]) for row in rows]


def test_learns_and_writes_its_losses(tmp_path: Path) -> None:
    state = run(tmp_path / "new" / "work", stage())
    assert int(state.num_steps) == 30
    written = losses(tmp_path / "new" / "work")
    assert [step for step, _ in written] == [0, 20, 29]
    assert written[-1][1] < 0.5 * written[0][1]


@pytest.mark.parametrize("stopped_at", [1, 13, 29])
def test_resumes_as_if_it_had_never_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_at: int) -> None:
    straight = run(tmp_path / "straight", stage())
    monkeypatch.setattr(module, "SAVE_EVERY_S", 0.0)
    with pytest.raises(InterruptedTrainingError):
        run(tmp_path / "work", stage(step=failing_at(stopped_at)))
    assert_same(run(tmp_path / "work", stage()), straight)
    steps = [step for step, _ in losses(tmp_path / "work")]
    assert steps == sorted(set(steps))


def test_without_a_save_since_it_starts_where_the_last_one_was(tmp_path: Path) -> None:
    straight = run(tmp_path / "straight", stage())
    with pytest.raises(InterruptedTrainingError):
        run(tmp_path / "work", stage(step=failing_at(13)))
    assert not (tmp_path / "work" / "tiny.safetensors").exists()
    assert_same(run(tmp_path / "work", stage()), straight)


def test_a_finished_stage_is_not_trained_again(tmp_path: Path) -> None:
    done = run(tmp_path, stage())
    assert_same(run(tmp_path, stage(step=failing_at(30))), done)


def test_a_loss_that_is_not_finite_is_named_and_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(state: State, batch: Batch) -> Any:
        state, metrics = learn(state, batch)
        return state, {"loss": jnp.where(state.num_steps > 7, jnp.nan, metrics["loss"])}

    monkeypatch.setattr(module, "SAVE_EVERY_S", 0.0)
    with pytest.raises(CheckpointError, match="tiny: the loss is nan at step 7; lower the rate"):
        run(tmp_path, stage(step=step))
    monkeypatch.undo()
    assert_same(run(tmp_path, stage()), run(tmp_path / "straight", stage()))
    assert np.isfinite([loss for _, loss in losses(tmp_path)]).all()


def test_a_state_of_another_configuration_is_named(tmp_path: Path) -> None:
    run(tmp_path, stage())
    with pytest.raises(CheckpointError, match=r"tiny\.safetensors: saved by another configuration; remove it"):
        run(tmp_path, stage(width=4))


@pytest.mark.parametrize(
    ("other", "named"),
    [(stage(seed=6), "seed = 5, not 6"), (stage(40), "num_steps = 30, not 40")],
    ids=["seed", "num_steps"],
)
def test_a_state_of_another_run_is_named(tmp_path: Path, other: Stage[State], named: str) -> None:
    run(tmp_path, stage())
    with pytest.raises(CheckpointError, match=rf"tiny\.safetensors: saved by a run with {named}; use the same --seed"):
        run(tmp_path, other)


@pytest.mark.parametrize("kept", [0, 30, -1])
def test_a_state_cut_short_is_named(tmp_path: Path, kept: int) -> None:
    run(tmp_path, stage(1))
    file = tmp_path / "tiny.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"tiny\.safetensors: not a complete saved state; remove it"):
        run(tmp_path, stage())


def test_a_save_that_is_interrupted_leaves_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAVE_EVERY_S", 0.0)
    with pytest.raises(InterruptedTrainingError):
        run(tmp_path, stage(step=failing_at(10)))
    before = (tmp_path / "tiny.safetensors").read_bytes()

    def save_half(arrays: dict[str, Any], path: Path, metadata: dict[str, str]) -> None:
        path.write_bytes(b"half")
        raise InterruptedTrainingError

    monkeypatch.setattr(module, "save_file", save_half)
    with pytest.raises(InterruptedTrainingError):
        run(tmp_path, stage())
    assert (tmp_path / "tiny.safetensors").read_bytes() == before


def test_progress_is_told(tmp_path: Path) -> None:
    told = StringIO()
    run_stage(stage(), tmp_path, Console(file=told, force_terminal=True, width=100))
    assert "tiny" in told.getvalue()
    assert "loss" in told.getvalue()
