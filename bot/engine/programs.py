"""Jitted functions bound to the one shape that each is called with, so that all can be compiled before they are needed.

The engine makes them; whoever opens it compiles them with a progress bar. On the engine thread.
"""

from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as Spec
from jax.stages import Compiled, Wrapped
from jax.typing import DTypeLike

from bot.checkpoints.bundle import Bundle
from bot.engine.images import Finals, images_per_dispatch, make_finish, make_preview
from bot.engine.insertion import make_insertion
from bot.engine.precision import kept_dtypes
from bot.engine.rows import make_moves
from bot.engine.shapes import ChunkShape, ChunkShapes
from bot.engine.state import DecodeState, state_shapes
from bot.engine.steps import make_steps
from bot.models.dalle_bart import Memory
from bot.startup import Advance

ResultT = TypeVar("ResultT")


class Program(Generic[ResultT]):
    """One function at one shape. A call with another shape, dtype or sharding raises TypeError or ValueError.

    arguments: jax.ShapeDtypeStructs with shardings in the places of arrays; static arguments as they are.
    exact: float32 is multiplied as such; otherwise graphics cards may take TF32, which has ten bits of mantissa.
    """

    def __init__(self, name: str, function: Wrapped, *arguments: Any, exact: bool) -> None:
        self.name = name
        self._function = function
        self._arguments = arguments
        self._precision = "float32" if exact else None
        self._compiled: Compiled | None = None

    def compile(self) -> Compiled:
        """Compiles it, the first time."""
        if self._compiled is None:
            with jax.default_matmul_precision(self._precision):
                self._compiled = self._function.lower(*self._arguments).compile()
        return self._compiled

    def __call__(self, *arguments: Any) -> ResultT:
        """Runs it; arrays only, without the static arguments. NumPy arrays go to wherever the program wants them."""
        result: ResultT = self.compile()(*arguments)
        return result


def shapes_of(tree: Any, sharding: jax.sharding.Sharding) -> Any:
    """The tree with jax.ShapeDtypeStructs for its arrays, as if they lay in `sharding`."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)


class Programs:
    """Everything that the engine runs on its devices: a Program for each function and shape. num_finals: how many
    images `finish` and `preview` take.

    encode(params, ids, mask) -> Memory. insert, move, replay, chunk: see bot.engine.steps.Steps.
    finish(VQGAN's params, CLIP's params, state, rows) -> Finals, preview(VQGAN's params, state, rows, done): see
    bot.engine.images. text_vectors(CLIP's params, ids, mask int32 [1, CLIP's text_length]) -> float32
    [1, projection_dim].
    """

    def __init__(self, bundle: Bundle, mesh: Mesh, num_slots: int, shapes: ChunkShapes) -> None:
        config, everywhere = bundle.bart_config, NamedSharding(mesh, Spec())
        platform = mesh.devices.flat[0].platform
        kept = kept_dtypes(bundle.dtype, platform)
        steps = make_steps(bundle.bart, config, bundle.vqgan_config.n_embed, kept.text, mesh)
        bart, vqgan, clip = (
            shapes_of(params, everywhere) for params in (bundle.bart_params, bundle.vqgan_params, bundle.clip_params)
        )
        state = state_shapes(config, num_slots, bundle.clip_config.projection_dim, kept, mesh)

        def given(shape: tuple[int, ...], dtype: DTypeLike = jnp.int32) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct(shape, dtype, sharding=everywhere)

        text = given((1, config.max_text_length))
        clip_text = given((1, bundle.clip_config.text.max_position_embeddings))
        memory = shapes_of(jax.eval_shape(steps.encode, bart, text, text), everywhere)
        insertion = shapes_of(make_insertion([], [], num_slots, config.image_length), everywhere)
        self.num_finals = images_per_dispatch(platform) * mesh.size
        finish = make_finish(bundle.vqgan, bundle.clip, bundle.preprocess, mesh)
        embed_text = jax.jit(lambda p, ids, mask: bundle.clip.bind(p).text_vectors(ids, mask), out_shardings=everywhere)

        # CLIP within `finish` sees to it itself: VQGAN's pixels need no more than TF32.
        self._exact = exact = jnp.dtype(bundle.dtype) == jnp.float32
        self._steps, self._bart, self._state = steps, bart, state
        self._chunks: dict[tuple[int, ChunkShape], Program[tuple[DecodeState, jax.Array]]] = {}
        self._shapes = shapes
        vector = given((1, bundle.clip_config.projection_dim), jnp.float32)
        self.encode = Program[Memory]("encoder", steps.encode, bart, text, text, exact=exact)
        self.text_vectors = Program[jax.Array]("CLIP's text", embed_text, clip, clip_text, clip_text, exact=True)
        self.insert = Program[DecodeState](
            "insert", steps.insert, state, memory, memory, vector, insertion, exact=exact
        )
        moves = shapes_of(make_moves([], num_slots), everywhere)
        self.move = Program[DecodeState]("move", steps.move, state, moves, exact=exact)
        self.replay = Program[DecodeState](
            "replay", steps.replay, bart, state, given((num_slots,), jnp.bool), given((), jnp.int32), exact=exact
        )
        rows = given((self.num_finals,))
        self.finish = Program[Finals]("pictures", finish, vqgan, clip, state, rows, exact=False)
        preview = make_preview(bundle.vqgan, bundle.vqgan_config.grid, mesh)
        self.preview = Program[jax.Array]("preview", preview, vqgan, state, rows, rows, exact=False)

    def chunk(self, num_tokens: int, shape: ChunkShape) -> Program[tuple[DecodeState, jax.Array]]:
        """The program that draws `num_tokens` tokens; there is one for each number and shape."""
        key = (num_tokens, shape)
        if key not in self._chunks:
            self._chunks[key] = Program(
                "decoder", self._steps.chunk, self._bart, self._state, num_tokens, shape, exact=self._exact
            )
        return self._chunks[key]

    def compile(self, chunk_tokens: int, advance: Advance) -> None:
        """Compiles all of them, with chunks of `chunk_tokens` tokens, unless it has been done. Advances by one each."""
        for program in self.all(chunk_tokens):
            program.compile()
            advance(1)

    def all(self, chunk_tokens: int) -> list[Program[Any]]:
        """Every program that a picture may need."""
        chunks = [self.chunk(chunk_tokens, shape) for shape in self._shapes]
        others: list[Program[Any]] = [
            self.encode,
            self.text_vectors,
            self.insert,
            self.move,
            self.replay,
            self.finish,
            self.preview,
        ]
        return [*others, *chunks]
