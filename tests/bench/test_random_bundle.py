"""Random models on the device: the sizes, dtypes and spread that a checkpoint would have."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as Spec

from bot.bench.random_bundle import dalle_bart_options, random_params
from bot.checkpoints.dalle_bart import network
from bot.engine.devices import slot_mesh
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.int8 import WeightsKind
from bot.models.network import Params, walk


def made(dtype: str, weights: WeightsKind = "same") -> tuple[Params, Params]:
    """The shapes and parameters of tiny."""
    shapes = network(DalleBartConfig.from_json(dalle_bart_options("tiny")), weights=weights).shapes
    return shapes, random_params(shapes, dtype, NamedSharding(slot_mesh(), Spec()))


def test_they_are_what_the_network_needs() -> None:
    shapes, params = made("bfloat16")
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, shapes)
    for path, leaf in walk(params):
        assert leaf.sharding == NamedSharding(slot_mesh(), Spec())
        assert leaf.dtype == ("bfloat16" if path[-1] in ("kernel", "embedding") else "float32"), path
    head = np.asarray(params["lm_head"]["kernel"], np.float32)
    assert head.std() == pytest.approx(0.02, rel=0.02)
    assert abs(head.mean()) < 0.001


def test_no_two_are_alike_and_all_come_again() -> None:
    _, params = made("float32")
    first, second = (layer["self_attention"]["out_proj"]["kernel"] for layer in params["decoder"]["layers"].values())
    assert not np.any(np.asarray(first) == np.asarray(second))
    for ours, again in zip(jax.tree.leaves(params), jax.tree.leaves(made("float32")[1]), strict=True):
        np.testing.assert_array_equal(ours, again)


def test_int8_has_the_same_spread() -> None:
    _, params = made("float32", "int8")
    down = params["decoder"]["layers"][0]["glu"]["down"]
    assert (down["kernel"].dtype, down["kernel_scale"].dtype) == ("int8", "float32")
    assert np.asarray(down["kernel"]).min() == -127
    wide = np.asarray(down["kernel"], np.float32) * np.asarray(down["kernel_scale"])[:, None]
    assert wide.std() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_large_ones_are_made_on_the_device(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # No host memory: numpy's numbers are not asked for.
    monkeypatch.setattr(np.random, "default_rng", None)
    shapes = {"kernel": jax.ShapeDtypeStruct((2**8, 2**12), jnp.int8 if dtype == "int8" else jnp.float32)}
    params = random_params(shapes, "bfloat16", NamedSharding(slot_mesh(), Spec()))
    assert params["kernel"].dtype == dtype
    numbers = np.asarray(params["kernel"], np.float32) * (0.02 * 3**0.5 / 127 if dtype == "int8" else 1.0)
    assert numbers.std() == pytest.approx(0.02, rel=0.01)
    assert abs(numbers.mean()) < 0.0001
    assert (numbers.min(), numbers.max()) == pytest.approx((-0.02 * 3**0.5, 0.02 * 3**0.5), rel=0.01)


def test_the_demo_has_its_own_size() -> None:
    assert dalle_bart_options("demo")["d_model"] == 192
