"""Opens an engine as the settings say, in the stages of a start. Called on the engine thread, once."""

import jax.numpy as jnp
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as Spec
from jax.typing import DTypeLike

from bot.checkpoints.bundle import open_checkpoint
from bot.config import Settings
from bot.engine.devices import choose_devices, missed_gpu, slot_mesh, use_compile_cache
from bot.engine.engine import JaxEngine
from bot.fetch import locate_model
from bot.startup import StartUp

_DTYPES: dict[str, DTypeLike] = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float16": jnp.float16}


def open_engine(settings: Settings, start_up: StartUp) -> JaxEngine:
    """Finds, plans, loads and compiles the model of `settings.model`. Raises ConfigError or CheckpointError."""
    use_compile_cache(settings.compile_cache_dir)
    engine = settings.engine
    with start_up.stage("find devices"):
        devices = choose_devices(engine.device, engine.num_devices, engine.memory_fraction)
        mesh = slot_mesh(devices)
    hint = missed_gpu(devices)
    if hint:
        start_up.note(hint)
    model = settings.model
    folders = locate_model(model, settings.data_dir, start_up)
    automatic = "float32" if devices[0].platform == "cpu" else "bfloat16"
    with start_up.stage("read the headers"):
        checkpoint = open_checkpoint(
            folders, dtype=_DTYPES[automatic if model.dtype == "auto" else model.dtype], weights=model.weights
        )
    bundle = checkpoint.load(NamedSharding(mesh, Spec()), start_up)
    opened = JaxEngine(bundle, num_slots=engine.num_slots or 18, mesh=mesh)
    opened.compile(engine.chunk_tokens, start_up)
    start_up.ready()
    return opened
