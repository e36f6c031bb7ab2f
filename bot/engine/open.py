"""Opens an engine as the settings say, in the stages of a start. Called on the engine thread, once."""

from dataclasses import dataclass
from pathlib import Path

import jax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as Spec

from bot.checkpoints.bundle import Checkpoint, open_checkpoint
from bot.config import Settings
from bot.engine.device_memory import device_memory
from bot.engine.devices import choose_devices, give_up_compile_cache, missed_gpu, slot_mesh, use_compile_cache
from bot.engine.engine import JaxEngine
from bot.engine.memory_plan import MemoryPlan, check_num_slots, plan_memory
from bot.engine.memory_sizes import ModelSizes
from bot.engine.precision import choose_dtype
from bot.errors import DalleBotError
from bot.fetch import locate_model
from bot.startup import StartUp


@dataclass(frozen=True, slots=True)
class PlannedEngine:
    """A model that is here, is whole and fits onto the devices; nothing of it is loaded yet."""

    checkpoint: Checkpoint
    mesh: Mesh
    plan: MemoryPlan
    compile_cache_dir: Path | None
    deterministic: bool = False

    def open(self, chunk_tokens: int, start_up: StartUp) -> JaxEngine:
        """Loads the weights and compiles every program. Raises CheckpointError for numbers that are not finite."""
        try:
            return self._open(chunk_tokens, start_up)
        except (DalleBotError, jax.errors.JaxRuntimeError):
            raise
        except Exception as error:
            sentence = give_up_compile_cache(self.compile_cache_dir, error)
            if sentence is None:
                raise
            start_up.note(sentence)
        return self._open(chunk_tokens, start_up)

    def _open(self, chunk_tokens: int, start_up: StartUp) -> JaxEngine:
        bundle = self.checkpoint.load(NamedSharding(self.mesh, Spec()), start_up)
        engine = JaxEngine(bundle, num_slots=self.plan.num_slots, mesh=self.mesh, deterministic=self.deterministic)
        engine.compile(chunk_tokens, start_up)
        return engine


def plan_engine(settings: Settings, start_up: StartUp) -> PlannedEngine:
    """Finds devices and model, fetching what is not here, checks it and plans the memory, which `start_up` notes.

    Raises ConfigError, also if the model does not fit, or CheckpointError.
    """
    use_compile_cache(settings.compile_cache_dir)
    model, engine = settings.model, settings.engine
    with start_up.stage("find devices"):
        devices = choose_devices(engine.device, engine.num_devices, engine.memory_fraction)
    # Before a model is fetched, which may take an hour.
    check_num_slots(engine.num_slots, len(devices))
    hint = missed_gpu(devices)
    if hint:
        start_up.note(hint)
    folders = locate_model(model, settings.data_dir, start_up)
    with start_up.stage("read headers"):
        checkpoint = open_checkpoint(folders, dtype=choose_dtype(model.dtype, devices[0]), weights=model.weights)
        plan = plan_memory(
            ModelSizes.of(checkpoint, devices[0].platform),
            device_memory(devices, engine.memory_fraction),
            num_slots=engine.num_slots,
            num_devices=len(devices),
        )
    start_up.note(plan.table())
    return PlannedEngine(checkpoint, slot_mesh(devices), plan, settings.compile_cache_dir, engine.deterministic)


def open_engine(settings: Settings, start_up: StartUp) -> JaxEngine:
    """Plans, loads and compiles the model of `settings.model`, and notes how long that took. Raises as plan_engine and
    PlannedEngine.open do."""
    engine = plan_engine(settings, start_up).open(settings.engine.chunk_tokens, start_up)
    start_up.ready()
    return engine
