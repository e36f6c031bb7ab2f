"""A process of its own for test_sharding.py: opens an engine on a tiny model, draws, and tells.

`python -m tests.engine.one_start MODEL DATA_DIR NUM_DEVICES` prints one JSON object: how many programs were asked for
and compiled until the engine was ready, and after that; tokens, pixels, scores and vectors of the pictures; logits.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import jax
import jax.monitoring
import numpy as np
import numpy.typing as npt
from jax.sharding import PartitionSpec as Spec

from bot.config import EngineSettings, ModelSettings, Settings
from bot.engine.base import PromptText, SlotAssignment
from bot.engine.engine import JaxEngine
from bot.engine.open import open_engine
from bot.engine.shapes import ChunkShape
from bot.engine.state import SLOTS, DecodeState
from bot.engine.steps import _forward
from bot.models.network import Params
from bot.requests import GeneratedImage
from bot.startup import StartUp

CHUNK_TOKENS = 5
PROMPTS = (PromptText("a red circle"), PromptText("a small blue star", negative_prompt="a ring"))


def main(model: Path, data_dir: Path, num_devices: int) -> dict[str, Any]:
    events: Counter[str] = Counter()
    jax.monitoring.register_event_listener(lambda event, **_: events.update([event]))
    settings = Settings(
        data_dir=data_dir,
        model=ModelSettings(name=str(model)),
        engine=EngineSettings(num_slots=8, chunk_tokens=CHUNK_TOKENS, device="cpu", num_devices=num_devices),
    )
    engine = open_engine(settings, StartUp())
    started = dict(events)
    events.clear()

    prefix = engine.prefill(PROMPTS)
    # Slots on every device, in no order; slot 3 continues given codes.
    slots = [6, 1, 3, 4, 7]
    assignments = [
        SlotAssignment(slot, slot % 2, index, 40 + slot, engine.info.sampling, (5, 17) if slot == 3 else ())
        for index, slot in enumerate(slots)
    ]
    engine.insert(prefix, assignments)
    for _ in range(-(-engine.info.image_length // CHUNK_TOKENS)):
        engine.step(CHUNK_TOKENS).wait()
    images = [image for image in engine.collect(slots).wait() if isinstance(image, GeneratedImage)]
    afterwards = dict(events)

    engine.free(slots)
    engine.insert(prefix, assignments)
    engine.step(CHUNK_TOKENS).wait()
    keys = engine._state.caches[-1].keys
    return {
        "num_devices": len(keys.sharding.device_set),
        "shard": keys.addressable_shards[0].data.shape,
        "started": started,
        "afterwards": afterwards,
        "tokens": [image.image_tokens.tolist() for image in images],
        "pixels": [image.pixels.astype(int).tolist() for image in images],
        "scores": [image.score for image in images],
        "logits": logits(engine)[[engine._rows[slot] for slot in slots]].tolist(),
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
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
