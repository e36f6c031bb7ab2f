"""A module as a pure function of its parameters: what the engine jits and the trainers differentiate.

Modules hold parameters only. Parameters travel as a plain nested dict of arrays, whose flattening costs far less per
dispatch than nnx.State's, and the module is put together inside the trace.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import jax
from flax import nnx

Params = dict[Any, Any]
"""Nested dict of arrays: names of attributes, and integers for the members of lists."""

Path = tuple[str | int, ...]

M = TypeVar("M", bound=nnx.Module)


class Network(Generic[M]):
    """The structure of one module, without any arrays. Cheap to make: nothing is initialised."""

    def __init__(self, build: Callable[[nnx.Rngs], M]) -> None:
        self._build = build
        self._graphdef, self._state = nnx.split(nnx.eval_shape(lambda: build(_uncounted_rngs())))
        self.shapes: Params = nnx.to_pure_dict(self._state)

    def bind(self, params: Params) -> M:
        """The module with these parameters; call it inside a trace. The tree must have the shape of `shapes`."""
        flat: Any = {path: self._variable(path).replace(value) for path, value in walk(params)}
        module: M = nnx.merge(self._graphdef, nnx.from_flat_state(flat))
        return module

    def init(self, seed: int) -> Params:
        """Fresh parameters, the same for the same seed."""

        def fresh() -> Params:
            pure: Params = nnx.to_pure_dict(nnx.state(self._build(nnx.Rngs(seed))))
            return pure

        params: Params = jax.jit(fresh)()
        return params

    def _variable(self, path: Path) -> Any:
        node: Any = self._state
        for part in path:
            node = node[part]
        return node


class _SameKey(nnx.RngStream):
    """Gives one key again and again, for shapes alone. A counted one makes tracing Mega take nine seconds instead of
    half of one, since JAX looks through all that was traced before at each count."""

    def __call__(self) -> jax.Array:
        key: jax.Array = self.key[...]
        return key


def _uncounted_rngs() -> nnx.Rngs:
    rngs: Any = nnx.Rngs(0)
    rngs.params = _SameKey(jax.random.key(0), tag="params")
    made: nnx.Rngs = rngs
    return made


def walk(tree: Mapping[Any, Any], prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The leaves of a nested dict with their paths."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from walk(value, (*prefix, key))
        else:
            yield (*prefix, key), value


def nest(leaves: Mapping[Path, Any]) -> Params:
    """Inverse of walk."""
    tree: Params = {}
    for path, value in leaves.items():
        node = tree
        for part in path[:-1]:
            node = node.setdefault(part, {})
        node[path[-1]] = value
    return tree


def num_parameters(params: Params) -> int:
    """How many numbers the tree holds."""
    return sum(int(leaf.size) for _, leaf in walk(params))
