import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from bot.models.dalle_bart_config import ACTIVATIONS, DalleBartConfig
from bot.models.layers import ACTIVATION, GLU, Attention, Embeddings, KeyValues, Parts

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


def test_attention_takes_the_mean_of_what_it_sees_when_all_keys_are_alike() -> None:
    attention = Attention(2, parts())
    attention.out_proj.kernel[...] = jnp.eye(8)
    keys = jnp.ones((1, 2, 4, 4))
    values = jnp.arange(32.0).reshape(1, 2, 4, 4)
    mask = jnp.asarray([[[True, False, True, False]]])
    mixed = attention(jnp.ones((1, 1, 8)), KeyValues(keys, values), mask)
    np.testing.assert_allclose(mixed[0, 0], [4, 5, 6, 7, 20, 21, 22, 23], rtol=1e-6)


def test_attention_scores_are_divided_by_the_root_of_the_head_size() -> None:
    attention = Attention(1, parts())
    attention.q_proj.kernel[...] = attention.out_proj.kernel[...] = jnp.eye(8)
    keys = jnp.stack([jnp.full(8, 0.5), jnp.zeros(8)])[None, None]
    values = jnp.stack([jnp.ones(8), jnp.zeros(8)])[None, None]
    mixed = attention(jnp.ones((1, 1, 8)), KeyValues(keys, values), jnp.ones((1, 1, 2), bool))
    # A score of 8 * 0.5 / sqrt(8), against one of 0.
    np.testing.assert_allclose(mixed, 1 / (1 + np.exp(-(2**0.5))), rtol=1e-6)


def test_the_gate_is_what_is_activated() -> None:
    glu = GLU(2, parts())
    x = jnp.arange(8.0)
    glu.gate.kernel[...] = -jnp.ones((8, 2)) * jnp.sign(x - 3.5)[:, None]  # negative for every place, so relu gives 0
    np.testing.assert_allclose(glu(x), 0.0, atol=1e-6)
    glu.up.kernel[...] = glu.gate.kernel[...] = -glu.gate.kernel[...] * jnp.asarray([[1.0, 2.0]])
    glu.down.kernel[...] = jnp.eye(2, 8)
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
