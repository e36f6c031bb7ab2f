"""A process of its own for test_sharding.py: opens engines on a tiny model, draws, and tells.

`python -m tests.engine.one_start MODEL DATA_DIR NUM_DEVICES...` prints one JSON object. `starts`: how many programs
were asked for and compiled until the engine on the first number of devices was ready, and after that. `engines`: of
each number of devices, tokens, pixels and scores of the pictures, and logits. Only the first engine compiles everything
beforehand.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.monitoring
import numpy as np
import numpy.typing as npt
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as Spec

from bot.config import EngineSettings, ModelSettings, Settings
from bot.engine.base import PromptText, SlotAssignment
from bot.engine.engine import JaxEngine
from bot.engine.open import open_engine, plan_engine
from bot.engine.shapes import ChunkShape
from bot.engine.state import SLOTS, DecodeState
from bot.engine.steps import _forward
from bot.models.network import Params
from bot.requests import GeneratedImage
from bot.startup import StartUp

CHUNK_TOKENS = 5
PROMPTS = (PromptText("a red circle"), PromptText("a small blue star", negative_prompt="a ring"))
# Slots on every device, in no order; slot 3 continues given codes.
SLOT_ORDER = [6, 1, 3, 4, 7]


def main(model: Path, data_dir: Path, num_devices: list[int]) -> dict[str, Any]:
    events: Counter[str] = Counter()
    jax.monitoring.register_event_listener(lambda event, **_: events.update([event]))
    starts, engines = [], []
    for engine in opened(model, data_dir, num_devices):
        starts.append(dict(events))
        events.clear()
        images = draw(engine)
        starts.append(dict(events))
        engines.append(tell(engine, images))
    return {"starts": starts[:2], "engines": engines}


def opened(model: Path, data_dir: Path, num_devices: list[int]) -> Iterator[JaxEngine]:
    for i, num in enumerate(num_devices):
        settings = Settings(
            data_dir=data_dir,
            model=ModelSettings(name=str(model)),
            engine=EngineSettings(num_slots=8, chunk_tokens=CHUNK_TOKENS, device="cpu", num_devices=num),
        )
        if i == 0:
            yield open_engine(settings, StartUp())
        else:
            planned = plan_engine(settings, StartUp())
            bundle = planned.checkpoint.load(NamedSharding(planned.mesh, Spec()), StartUp())
            yield JaxEngine(bundle, num_slots=planned.plan.num_slots, mesh=planned.mesh)


def draw(engine: JaxEngine) -> list[GeneratedImage]:
    """The slots stay occupied, by complete pictures."""
    begin(engine)
    for _ in range(-(-engine.info.image_length // CHUNK_TOKENS)):
        engine.step(CHUNK_TOKENS).wait()
    return [image for image in engine.collect(SLOT_ORDER).wait() if isinstance(image, GeneratedImage)]


def begin(engine: JaxEngine) -> None:
    assignments = [
        SlotAssignment(slot, slot % 2, index, 40 + slot, engine.info.sampling, (5, 17) if slot == 3 else ())
        for index, slot in enumerate(SLOT_ORDER)
    ]
    engine.insert(engine.prefill(PROMPTS), assignments)


def tell(engine: JaxEngine, images: list[GeneratedImage]) -> dict[str, Any]:
    engine.free(SLOT_ORDER)
    begin(engine)
    engine.step(CHUNK_TOKENS).wait()
    keys = engine._state.caches[-1].keys
    return {
        "num_devices": len(keys.sharding.device_set),
        "shard": keys.addressable_shards[0].data.shape,
        "tokens": [image.image_tokens.tolist() for image in images],
        "pixels": [image.pixels.astype(int).tolist() for image in images],
        "scores": [image.score for image in images],
        "logits": logits(engine)[[engine._rows[slot] for slot in SLOT_ORDER]].tolist(),
    }


def logits(engine: JaxEngine) -> npt.NDArray[np.float32]:
    """Of the next token, both branches: float32 [slots, 2, vocabulary]."""
    bundle = engine._bundle

    def forward(params: Params, state: DecodeState) -> jax.Array:
        num_rows, length = state.tokens.shape
        everything = ChunkShape(num_rows, length, bundle.bart_config.max_text_length, None)
        return _forward(bundle.bart.bind(params), bundle.bart_config, state, everything)[0]

    sharded = jax.shard_map(forward, mesh=engine._mesh, in_specs=(Spec(), Spec(SLOTS)), out_specs=Spec(SLOTS))
    return np.asarray(jax.jit(sharded)(bundle.bart_params, engine._state))


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), [int(num) for num in sys.argv[3:]])))
