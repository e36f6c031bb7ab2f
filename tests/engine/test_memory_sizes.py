"""The plan's arithmetic against the shapes that it is about, and against what XLA gives the compiled programs."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as Spec

from bot.checkpoints.bundle import Bundle, Checkpoint, open_checkpoint
from bot.config import EngineSettings, ModelSettings
from bot.engine.devices import slot_mesh
from bot.engine.memory_sizes import ModelSizes
from bot.engine.precision import kept_dtypes
from bot.engine.programs import Program, Programs
from bot.engine.sampling import CANDIDATES
from bot.engine.shapes import ChunkShape, ChunkShapes
from bot.engine.state import state_shapes
from bot.fetch import locate_model
from bot.models.clip_config import ClipConfig, ClipTextConfig, ClipVisionConfig
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.vqgan import VQGANConfig
from bot.startup import StartUp
from tests.engine.shapes_only import ShapesOnly, num_bytes

# Wide enough that matrices, caches and pictures each dominate one of the programs.
BART: Final = DalleBartConfig(
    encoder_vocab_size=512,
    image_vocab_size=4096,
    image_length=64,
    max_text_length=32,
    d_model=512,
    encoder_layers=1,
    encoder_ffn_dim=1024,
    encoder_attention_heads=8,
    decoder_layers=2,
    decoder_ffn_dim=1024,
    decoder_attention_heads=8,
)
VQGAN: Final = VQGANConfig(
    ch=64,
    ch_mult=(1, 1, 2, 2),
    num_res_blocks=1,
    resolution=64,
    z_channels=64,
    embed_dim=64,
    n_embed=4096,
    attn_resolutions=(8,),
)
CLIP: Final = ClipConfig(
    ClipTextConfig(
        vocab_size=500,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
        eos_token_id=3,
    ),
    ClipVisionConfig(
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=64,
        patch_size=16,
    ),
    projection_dim=64,
)
MB: Final = 10**6
# As by default: the demo's programs are those that other tests compile.
CHUNK_TOKENS: Final = EngineSettings().chunk_tokens


def temporary_bytes(bundle: Bundle, num_slots: int, *, bart_only: bool = False) -> dict[str, int]:
    """What XLA gives each program besides its arguments, by the plan's names.

    bundle: may have jax.ShapeDtypeStructs for its arrays. bart_only: without what is the same whatever DalleBart's
    matrices are: pictures, CLIP's text, few candidates.
    """
    config = bundle.bart_config
    shapes = ChunkShapes(num_slots, config.image_length, config.max_text_length, deterministic=False)
    programs = Programs(bundle, slot_mesh(), num_slots, shapes)
    largest = [
        ChunkShape(num_slots, config.image_length, config.max_text_length, candidates)
        for candidates in ((None,) if bart_only else (None, CANDIDATES))
    ]
    members: dict[str, list[Program[Any]]] = {
        "encoder": [programs.encode],
        "insert": [programs.insert],
        "decoder": [*(programs.chunk(CHUNK_TOKENS, shape) for shape in largest), programs.replay],
    }
    if not bart_only:
        members["encoder"].append(programs.text_vectors)
        members["pictures"] = [programs.finish]
    return {name: max(map(_temporary_bytes, group)) for name, group in members.items()}


def _temporary_bytes(program: Program[Any]) -> int:
    analysis = program.compile().memory_analysis()
    assert analysis is not None
    return int(analysis.temp_size_in_bytes + analysis.output_size_in_bytes - analysis.alias_size_in_bytes)


@pytest.mark.parametrize("weights", ["same", "int8"])
def test_every_program_has_room_and_not_much_more(weights: Any) -> None:
    model = ShapesOnly(BART, VQGAN, CLIP, weights=weights)
    planned = model.sizes.workspaces(6, 6)
    for name, actual in temporary_bytes(model.bundle, 6, bart_only=weights != "same").items():
        assert actual <= planned[name] <= 2 * actual + 4 * MB, name


@pytest.mark.parametrize(("dtype", "weights"), [("float16", "same"), ("bfloat16", "int8")])
def test_room_for_what_cpus_copy_to_multiply_in_float32(dtype: str, weights: Any) -> None:
    model = ShapesOnly(BART, VQGAN, CLIP, dtype=dtype, weights=weights)
    planned, actual = model.sizes.workspaces(4, 4), temporary_bytes(model.bundle, 4, bart_only=True)
    assert all(actual[name] <= planned[name] for name in actual)
    assert max(planned[name] for name in actual) <= 2 * max(actual.values()) + 4 * MB


def test_the_demo_has_room(tmp_path: Path) -> None:
    """Its own programs, which other tests run: their arrays are partly kept in float16."""
    checkpoint = opened(ModelSettings(), tmp_path)
    bundle = checkpoint.load(NamedSharding(slot_mesh(), Spec()), StartUp())
    planned = ModelSizes.of(checkpoint, "cpu").workspaces(9, 9)
    for name, actual in temporary_bytes(bundle, 9).items():
        assert actual <= planned[name] <= 2 * actual + 4 * MB, name


@pytest.mark.parametrize("weights", ["same", "int8"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_are_as_large_as_their_arrays(tmp_path: Path, dtype: str, weights: Any) -> None:
    """Also when they are computed from the model with other settings, as advice is."""
    settings = (ModelSettings(), ModelSettings(dtype=dtype, weights=weights))
    sizes, other = (ModelSizes.of(opened(each, tmp_path), "cpu") for each in settings)
    changed = replace(sizes, dtype=jnp.dtype(dtype), weights=weights)
    assert changed.bart_bytes == other.bart_bytes


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_slots_are_as_large_as_their_state(dtype: str) -> None:
    sizes = ShapesOnly(BART, VQGAN, CLIP, dtype=dtype).sizes
    state = state_shapes(BART, 5, CLIP.projection_dim, kept_dtypes(dtype, "cpu"), slot_mesh())
    assert 5 * (sizes.cache_bytes + sizes.text_bytes + sizes.slot_bytes) == num_bytes(state)
    one = jax.tree.map(lambda leaf: leaf.update(shape=(1, *leaf.shape[2:])), state.memory)
    assert sizes.prompt_bytes == num_bytes(one)


def test_a_card_converts_few_int8_matrices_and_copies_no_weights() -> None:
    """XLA for graphics cards is not here: what a card needs can only be compared with what a CPU does."""
    for dtype in ("float32", "bfloat16"):
        same, int8 = (
            replace(ShapesOnly(BART, VQGAN, CLIP, dtype=dtype, weights=w).sizes, platform="gpu").workspaces(1, 1)
            for w in ("same", "int8")
        )
        largest = 2 * 512 * 1024 * jnp.dtype(dtype).itemsize
        # The caches of one slot in one layer, as float32 in another layout, and the logits.
        assert same["decoder"] < 2 * MB
        assert int8["decoder"] - same["decoder"] == 3 * largest


def opened(settings: ModelSettings, data_dir: Path) -> Checkpoint:
    """A model's files as the engine opens them."""
    dtype = jnp.float32 if settings.dtype == "auto" else settings.dtype
    return open_checkpoint(locate_model(settings, data_dir, StartUp()), dtype=dtype, weights=settings.weights)
