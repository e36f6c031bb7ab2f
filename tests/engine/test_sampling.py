"""Sampling against the original's: the same warped logits, and the same draws once it is given the same noise."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest

from bot.checkpoints.dalle_bart import load_dalle_bart
from bot.engine.sampling import CANDIDATES, candidates_for, draw, guide, gumbel, image_keys, warp, warp_likeliest
from bot.engine.state import SlotSampling
from bot.models.network import Params
from bot.requests import Sampling
from tests.golden.sets import Folders, golden

MODELS = ["mini", "mega"]

# The golden names of sampling parameters; what is not here is off.
COMBINATIONS: dict[str, dict[str, Any]] = {
    "default": {"top_k": 50},
    "default_topk50": {"top_k": 50},
    "topk0": {},
    "k10": {"top_k": 10},
    "p0.9": {"top_p": 0.9},
    "t0.7": {"temperature": 0.7},
    "t0.7_k10_p0.8": {"temperature": 0.7, "top_k": 10, "top_p": 0.8},
    "t0.8_k20_p0.9": {"temperature": 0.8, "top_k": 20, "top_p": 0.9},
    "t1.5_default": {"temperature": 1.5, "top_k": 50},
    "t1.5_k0": {"temperature": 1.5},
    "t1.5_k5": {"temperature": 1.5, "top_k": 5},
    "t1.5_k0_p0.6": {"temperature": 1.5, "top_p": 0.6},
    "t1.5_k40_p0.8": {"temperature": 1.5, "top_k": 40, "top_p": 0.8},
    "t5_default": {"temperature": 5.0, "top_k": 50},
    "t5_k0": {"temperature": 5.0},
    "t5_k5": {"temperature": 5.0, "top_k": 5},
    "t5_k0_p0.6": {"temperature": 5.0, "top_p": 0.6},
    "t5_k40_p0.8": {"temperature": 5.0, "top_k": 40, "top_p": 0.8},
}


def sampling(
    slots: int, *, condition_scale: float = 1.0, top_k: int = 0, top_p: float = 1.0, temperature: float = 1.0
) -> SlotSampling:
    return SlotSampling(
        jnp.full(slots, condition_scale), jnp.full(slots, top_k), jnp.full(slots, top_p), jnp.full(slots, temperature)
    )


warped = jax.jit(warp)
draw_of_all = jax.jit(partial(draw, candidates=None))
draw_of_likeliest = jax.jit(partial(draw, candidates=CANDIDATES))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["t0.7", "k10", "p0.9", "t0.7_k10_p0.8", "default"])
def test_warp_golden(model: str, name: str) -> None:
    data = golden(f"dalle_tiny_{model}")
    logits, want = jnp.asarray(data["warp_input"]), data[f"warp_{name}"]
    ours = np.asarray(warped(logits, sampling(len(logits), **COMBINATIONS[name])))
    np.testing.assert_array_equal(np.isfinite(ours), np.isfinite(want))
    np.testing.assert_allclose(ours, want, rtol=1e-6)


class Sample(NamedTuple):
    """Tokens that the original drew: int32 [3, image_length + 1], the start token first."""

    model: str
    condition_scale: float
    combination: str
    seed: int
    partitionable: bool
    eos_suppressed: bool
    tokens: npt.NDArray[np.int32]


def samples() -> Iterator[Any]:
    for model in MODELS:
        for name, tokens in golden(f"dalle_tiny_{model}").items():
            if name.startswith("sample_"):
                _, part, seed, scale, combination = name.split("_", 4)
                number = 1.0 if scale == "nocfg" else float(scale.removeprefix("cfg"))
                sample = Sample(model, number, combination, int(seed[4:]), part == "part1", False, tokens)
                yield pytest.param(sample, id=f"{model}-{name}")
    for name, tokens in golden("dalle_sampling").items():
        model, scale, combination, seed, part = name.split("/")
        if (model := model.removeprefix("tiny_")) in MODELS:
            sample = Sample(model, float(scale[3:]), combination, int(seed[4:]), part == "part1", True, tokens)
            yield pytest.param(sample, id=name)


@cache
def path_logits(folder: Path, given: str) -> Any:
    """(tokens int32 [3, t]) -> conditional and unconditional logits along that path, [3, t, vocabulary] each."""
    net, _, params = load_dalle_bart(folder)
    data = {name: jnp.asarray(array) for name, array in golden(given).items()}

    @jax.jit
    def both(params: Params, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        bart = net.bind(params)
        cond = bart.memory(data["input_ids"], data["attention_mask"])
        uncond = bart.memory(data["input_ids_uncond"], data["attention_mask_uncond"])
        return bart.logits(tokens, cond), bart.logits(tokens, uncond)

    return lambda tokens: both(params, tokens)


@jax.jit
def original_draw(key: jax.Array, logits: jax.Array) -> jax.Array:
    return jax.random.categorical(key, logits, axis=-1)


@pytest.mark.parametrize("sample", list(samples()))
def test_the_originals_noise_gives_the_originals_tokens(folders: Folders, sample: Sample) -> None:
    """One key per step for the whole batch, as the original draws, over our guided and warped logits."""
    cond, uncond = path_logits(folders(sample.model), f"dalle_tiny_{sample.model}")(sample.tokens[:, :-1])
    rows, length, vocabulary = cond.shape
    eos = {"mini": 128, "mega": 129}[sample.model]
    parameters = sampling(rows, condition_scale=sample.condition_scale, **COMBINATIONS[sample.combination])
    ended = np.zeros(rows, bool)
    compared = 0
    with jax.threefry_partitionable(sample.partitionable):
        key = jax.random.PRNGKey(sample.seed)
        for position in range(length):
            step_key, key = jax.random.split(key)
            logits = guide(cond[:, position], uncond[:, position], parameters.condition_scale)
            if sample.eos_suppressed:
                logits = logits.at[:, eos].set(-jnp.inf)
            drawn = np.asarray(original_draw(step_key, warped(logits, parameters)))
            # After an EOS the original only pads.
            want = sample.tokens[:, position + 1]
            np.testing.assert_array_equal(drawn[~ended], want[~ended], err_msg=f"position {position}")
            compared += int(np.sum(~ended))
            ended |= want == eos
    assert compared > 0.8 * rows * length
    assert vocabulary > eos


def test_condition_scale() -> None:
    cond, uncond = jnp.asarray([[1.0, 2.0]] * 3), jnp.asarray([[3.0, -1.0]] * 3)
    guided = guide(cond, uncond, jnp.asarray([1.0, 0.0, 10.0]))
    np.testing.assert_allclose(guided, [[1, 2], [3, -1], [-17, 29]])


def test_at_a_scale_of_one_the_other_branch_may_hold_anything() -> None:
    cond = jnp.asarray([[1.0, 2.0]])
    np.testing.assert_array_equal(guide(cond, jnp.full((1, 2), jnp.nan), jnp.ones(1)), cond)


def test_top_k_counts_equals_in_the_order_of_their_ids() -> None:
    logits = jnp.asarray([[0.0, 1.0, 1.0, 1.0]])
    kept = np.isfinite(warped(logits, sampling(1, top_k=2)))
    np.testing.assert_array_equal(kept, [[False, True, True, False]])


def test_top_p_always_keeps_one_and_top_k_may_exceed_the_vocabulary() -> None:
    logits = jnp.asarray([[0.0, 0.1, 0.0]])
    np.testing.assert_array_equal(np.isfinite(warped(logits, sampling(1, top_p=0.01))), [[False, True, False]])
    np.testing.assert_array_equal(warped(logits, sampling(1, top_k=65536)), logits)


def test_every_slot_has_its_own_parameters() -> None:
    logits = jnp.broadcast_to(jnp.log(jnp.asarray([0.4, 0.3, 0.2, 0.1])), (4, 4))
    parameters = SlotSampling(
        jnp.ones(4), jnp.asarray([0, 3, 0, 1]), jnp.asarray([1.0, 1.0, 0.5, 1.0]), jnp.asarray([2.0, 1.0, 1.0, 1.0])
    )
    ours = np.asarray(warped(logits, parameters))
    np.testing.assert_array_equal(np.isfinite(ours).sum(axis=1), [4, 3, 2, 1])
    np.testing.assert_allclose(ours[0], logits[0] / 2)


Draw = Callable[[jax.Array, jax.Array, jax.Array, SlotSampling], jax.Array]
LOGITS = jnp.asarray(np.random.default_rng(0).normal(size=(5, 61)), jnp.float32)


@pytest.mark.parametrize("draw_some", [draw_of_all, draw_of_likeliest])
def test_a_draw_depends_on_its_own_slot_alone(draw_some: Draw) -> None:
    keys = image_keys(jnp.arange(5, dtype=jnp.uint32), jnp.arange(5))
    positions = jnp.asarray([3, 0, 7, 7, 2])
    parameters = sampling(5, top_k=20, top_p=0.9)
    together = draw_some(LOGITS, keys, positions, parameters)
    for slot in range(5):
        row = jnp.full(5, slot)
        repeated = draw_some(LOGITS[row], keys[row], positions[row], parameters)
        assert np.all(np.asarray(repeated) == together[slot])


def test_draws_differ_by_seed_index_and_position() -> None:
    seeds, indices, positions = (grid.ravel() for grid in np.meshgrid(range(5), range(5), range(8)))
    keys = image_keys(jnp.asarray(seeds, jnp.uint32), jnp.asarray(indices))
    flat = jnp.zeros((200, 4096))
    drawn = np.asarray(draw_of_all(flat, keys, jnp.asarray(positions), sampling(200)))
    assert drawn.dtype == np.int32
    # 200 of 4096 at random: about five pairs coincide.
    assert len(set(drawn.tolist())) > 180


def test_the_largest_seed_is_one_like_the_others() -> None:
    seeds = jnp.asarray([0, 1, 2**31 - 1, 2**31, 2**32 - 1], jnp.uint32)
    assert len({tuple(key) for key in np.asarray(image_keys(seeds, jnp.zeros(5, jnp.int32))).tolist()}) == 5


@pytest.mark.parametrize("draw_some", [draw_of_all, draw_of_likeliest])
def test_draws_follow_the_warped_probabilities(draw_some: Draw) -> None:
    """A chi-squared test over 4,000 draws; the bound is passed by chance once in ten thousand fixed seeds."""
    count = 4000
    logits = jnp.log(jnp.asarray([0.1, 0.2, 0.3, 0.4, 1e-9]))
    keys = image_keys(jnp.zeros(count, jnp.uint32), jnp.arange(count))
    parameters = sampling(count, top_k=4, temperature=2.0)
    drawn = np.asarray(draw_some(jnp.tile(logits, (count, 1)), keys, jnp.zeros(count, jnp.int32), parameters))
    expected = np.sqrt([0.1, 0.2, 0.3, 0.4])
    expected *= count / expected.sum()
    counts = np.bincount(drawn, minlength=5)
    assert counts[4] == 0
    assert np.sum((counts[:4] - expected) ** 2 / expected) < 21.1


@pytest.mark.parametrize("draw_some", [draw_of_all, draw_of_likeliest])
def test_numbers_that_are_not_finite_still_give_an_id(draw_some: Draw) -> None:
    logits = jnp.full((4, 7), jnp.nan).at[1].set(-jnp.inf).at[2].set(jnp.inf).at[3, 0].set(2.0)
    keys = image_keys(jnp.zeros(4, jnp.uint32), jnp.arange(4))
    drawn = np.asarray(draw_some(logits, keys, jnp.zeros(4, jnp.int32), sampling(4, top_k=1, top_p=0.5)))
    assert np.all((drawn >= 0) & (drawn < 7))


def test_an_idle_slot_may_keep_all_beside_candidates() -> None:
    keys = image_keys(jnp.zeros(5, jnp.uint32), jnp.arange(5))
    drawn = np.asarray(draw_of_likeliest(LOGITS, keys, jnp.zeros(5, jnp.int32), sampling(5)))
    assert np.all((drawn >= 0) & (drawn < LOGITS.shape[1]))


def test_noise_is_gumbels() -> None:
    """Its largest distance from the distribution, exp(-exp(-x)), stays within Kolmogorov's bound for one in 10,000."""
    count = 2**17
    key = image_keys(jnp.zeros(1, jnp.uint32), jnp.zeros(1, jnp.int32))
    noise = np.sort(np.asarray(jax.jit(gumbel)(key, jnp.asarray([3]), jnp.arange(count)[None]))[0])
    expected = np.exp(-np.exp(-noise.astype(np.float64)))
    assert np.max(np.abs(expected - np.arange(count) / count)) < 2.23 / count**0.5


def test_noise_is_finite_at_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    key = image_keys(jnp.zeros(1, jnp.uint32), jnp.zeros(1, jnp.int32))
    for words, want in (([0, 0], -np.log(24 * np.log(2))), ([2**32 - 1, 0], 24 * np.log(2))):
        monkeypatch.setattr(jax.random, "key_data", lambda key, words=words: jnp.asarray([words], jnp.uint32))
        np.testing.assert_allclose(gumbel(key, jnp.zeros(1, jnp.int32), jnp.zeros((1, 1), jnp.int32)), want, rtol=1e-5)


def kept_by_sorting(logits: jax.Array, parameters: SlotSampling) -> npt.NDArray[np.bool_]:
    """What the original's order keeps: every id is ranked, and its probabilities are added up in that order."""
    tempered = np.asarray(logits / parameters.temperature[:, None])
    kept = np.zeros(tempered.shape, bool)
    for row, top_k, top_p, out in zip(
        tempered, np.asarray(parameters.top_k), np.asarray(parameters.top_p, np.float64), kept, strict=True
    ):
        ids = np.argsort(-row, kind="stable")[: top_k or None]
        probabilities = np.exp(row[ids].astype(np.float64) - row.max())
        before = np.cumsum(probabilities) - probabilities
        out[ids[(before < top_p * probabilities.sum()) | (top_p == 1.0)]] = True
    return kept


class Rows(NamedTuple):
    logits: jax.Array
    parameters: SlotSampling


def some_rows(seed: int, *, max_top_k: int | None) -> Rows:
    """Forty rows of 300 logits, half of them with many equals. max_top_k: None lets top_k be 0 and beyond 300, too."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(40, 300)) * rng.choice([0.5, 3.0, 30.0], size=(40, 1))
    logits[::2] = np.round(logits[::2])
    # Both zeros are equals.
    logits[0] = np.where(rng.random(300) < 0.5, 0.0, -0.0)
    top_k = rng.integers(1, max_top_k + 1, 40) if max_top_k else rng.choice([0, 0, 1, 5, 50, 150, 300, 1000], 40)
    # Not the fractions that equals give: whether 0.5 is less than half of it would be up to rounding.
    top_p = rng.choice([1.0, 1.0, 0.01, 0.3301, 0.5003, 0.9007, 0.98003], 40)
    temperature = rng.choice([1.0, 0.7, 2.5], 40)
    return Rows(
        jnp.asarray(logits, jnp.float32),
        SlotSampling(
            jnp.ones(40), jnp.asarray(top_k, jnp.int32), *(jnp.asarray(a, jnp.float32) for a in (top_p, temperature))
        ),
    )


@pytest.mark.parametrize("seed", range(20))
def test_bisection_keeps_what_sorting_keeps(seed: int) -> None:
    rows = some_rows(seed, max_top_k=None)
    np.testing.assert_array_equal(np.isfinite(warped(*rows)), kept_by_sorting(*rows))


@pytest.mark.parametrize("seed", range(20))
def test_candidates_are_what_the_whole_vocabulary_keeps(seed: int) -> None:
    rows = some_rows(seed, max_top_k=CANDIDATES)
    values, ids = jax.jit(warp_likeliest, static_argnums=2)(*rows, CANDIDATES)
    spread = np.full(rows.logits.shape, -np.inf, np.float32)
    np.put_along_axis(spread, np.asarray(ids), np.asarray(values), axis=-1)
    np.testing.assert_array_equal(spread, warped(*rows))


@pytest.mark.parametrize("seed", range(20))
def test_both_ways_draw_the_same(seed: int) -> None:
    rows = some_rows(seed, max_top_k=CANDIDATES)
    keys = image_keys(jnp.full(40, seed, jnp.uint32), jnp.arange(40))
    positions = jnp.arange(40) * 7
    some, every = (way(rows.logits, keys, positions, rows.parameters) for way in (draw_of_likeliest, draw_of_all))
    np.testing.assert_array_equal(some, every)
    # And not always the likeliest.
    assert np.mean(np.asarray(some) == np.argmax(rows.logits, axis=-1)) < 0.9


def test_candidates_are_for_small_top_k_alone() -> None:
    def given(*top_k: int) -> list[Sampling]:
        return [Sampling(condition_scale=10.0, top_k=k, top_p=0.9, temperature=1.0) for k in top_k]

    assert candidates_for(given(1, 50, CANDIDATES)) == CANDIDATES
    assert candidates_for(given()) == CANDIDATES
    assert candidates_for(given(50, CANDIDATES + 1)) is None
    assert candidates_for(given(0, 50)) is None
