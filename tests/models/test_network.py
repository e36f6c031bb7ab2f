import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from bot.models.network import Network, nest, num_parameters, walk


class Pair(nnx.Module):
    """Two layers in a list and one beside it."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List([nnx.Linear(2, 3, rngs=rngs), nnx.Linear(3, 4, rngs=rngs)])
        self.norm = nnx.LayerNorm(4, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        out: jax.Array = self.norm(self.layers[1](self.layers[0](x)))
        return out


def test_shapes_are_known_before_anything_is_initialised() -> None:
    def build(rngs: nnx.Rngs) -> nnx.Linear:
        return nnx.Linear(2**20, 2**20, rngs=rngs)  # four terabytes

    shapes = Network(build).shapes
    assert shapes["kernel"].shape == (2**20, 2**20)
    assert num_parameters(shapes) == 2**40 + 2**20


def test_structure_is_what_nnx_makes_of_the_module() -> None:
    net = Network(Pair)
    graphdef, state = nnx.split(nnx.eval_shape(lambda: Pair(nnx.Rngs(0))))
    made = nnx.split(jax.eval_shape(net.bind, net.shapes))
    assert made[0] == graphdef
    assert list(walk(net.shapes)) == list(walk(nnx.to_pure_dict(state)))


def test_bind_computes_with_the_parameters_that_it_is_given() -> None:
    net = Network(Pair)
    params = net.init(0)
    run = jax.jit(lambda p, x: net.bind(p)(x))
    x = jnp.asarray([[1.0, 2.0]])
    params["norm"]["bias"] = params["norm"]["bias"] + 5.0
    shifted = run(params, x)
    params["norm"]["bias"] = params["norm"]["bias"] - 5.0
    np.testing.assert_allclose(shifted - run(params, x), 5.0, atol=1e-5)
    assert shifted.shape == (1, 4)


def test_gradients_have_the_tree_of_the_parameters() -> None:
    net = Network(Pair)
    params = net.init(0)
    gradients = jax.grad(lambda p: jnp.sum(net.bind(p)(jnp.ones((1, 2))) ** 2))(params)
    assert [path for path, _ in walk(gradients)] == [path for path, _ in walk(params)]


def test_one_seed_gives_one_set_of_parameters() -> None:
    net = Network(Pair)
    one, same, other = (net.init(seed)["layers"][0]["kernel"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.any(np.asarray(one != other))


def test_nest_inverts_walk() -> None:
    tree = {"a": {0: {"b": 1}, 1: {"b": 2}}, "c": 3}
    leaves = dict(walk(tree))
    assert leaves == {("a", 0, "b"): 1, ("a", 1, "b"): 2, ("c",): 3}
    assert nest(leaves) == tree
