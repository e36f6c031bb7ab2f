import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from bot.models.dalle_bart_config import ACTIVATIONS, DalleBartConfig
from bot.models.layers import ACTIVATION, GLU, Embeddings, Parts

CONFIG = DalleBartConfig(d_model=8, activation_function="relu")


def parts(config: DalleBartConfig = CONFIG) -> Parts:
    return Parts(config, jnp.float32, nnx.Rngs(0))


@pytest.mark.parametrize(
    ("name", "at_one"),
    [("gelu", 0.841345), ("gelu_new", 0.841192), ("relu", 1.0), ("silu", 0.731059), ("swish", 0.731059)],
)
def test_activations(name: str, at_one: float) -> None:
    """x * Phi(x), its tanh approximation, max(x, 0), x * sigmoid(x)."""
    np.testing.assert_allclose(ACTIVATION[name](jnp.asarray(1.0)), at_one, atol=1e-6)


def test_every_activation_that_configs_may_name_is_there() -> None:
    assert set(ACTIVATION) == set(ACTIVATIONS)


def test_the_gate_is_what_is_activated() -> None:
    glu = GLU(2, parts())
    x = jnp.arange(8.0)
    matrix = jnp.ones((2, 8)) * jnp.sign(x - 3.5)
    # The gate's product is negative for both places, so relu gives 0.
    glu.gate_up.kernel[...] = jnp.concatenate([-matrix, matrix])
    np.testing.assert_allclose(glu(x), 0.0, atol=1e-6)
    scaled = matrix * jnp.asarray([[1.0], [2.0]])
    glu.gate_up.kernel[...] = jnp.concatenate([scaled, scaled])
    glu.down.kernel[...] = jnp.eye(8, 2)
    # The norm inside takes the two features, of which one is four times the other, to -1 and 1.
    np.testing.assert_allclose(glu(x), [-1, 1, 0, 0, 0, 0, 0, 0], atol=1e-4)


@pytest.mark.parametrize(("scaled", "factor"), [(False, 1.0), (True, 8**0.5)])
def test_embeddings_are_summed_before_the_norm(scaled: bool, factor: float) -> None:
    embeddings = Embeddings(3, 2, parts(DalleBartConfig(d_model=8, scale_embedding=scaled)))
    words, places = (table.embedding[...] for table in (embeddings.embed_tokens, embeddings.embed_positions))
    summed = np.asarray(words[2] * factor + places[1])
    expected = (summed - summed.mean()) / np.sqrt(summed.var() + 1e-5)
    np.testing.assert_allclose(embeddings(jnp.asarray([2]), jnp.asarray([1]))[0], expected, atol=1e-4)


def test_embeddings_are_summed_in_the_dtype_that_they_are_stored_in() -> None:
    embeddings = Embeddings(1, 1, parts())
    embeddings.embed_tokens.embedding[...] = jnp.full((1, 8), 2048.0).at[0, 0].set(0.0)
    embeddings.embed_positions.embedding[...] = jnp.ones((1, 8))
    for table in (embeddings.embed_tokens, embeddings.embed_positions):
        table.embedding.set_value(table.embedding[...].astype(jnp.float16))
    seen = []
    embeddings.layernorm_embedding = lambda x: seen.append(x) or x  # type: ignore[assignment,func-returns-value]
    embeddings(jnp.asarray([0]), jnp.asarray([0]))
    # float16 has no 2049.
    assert (seen[0].dtype, seen[0][0].tolist()) == (jnp.float16, [1.0] + [2048.0] * 7)
