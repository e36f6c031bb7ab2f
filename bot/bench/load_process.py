"""A process that loads a model once and says what that took: `python -m bot.bench.load_process`. Started by load.py.

Two ways: "streamed", as the bot does; "plain", which reads each array of the files as a whole and converts it once.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.bench.memory_watch import MemoryWatch

if TYPE_CHECKING:
    from bot.checkpoints.bundle import Checkpoint


def load_streamed(checkpoint: "Checkpoint", weights: str) -> Any:
    """The bot's own way. Returns what keeps the parameters alive."""
    from bot.startup import StartUp

    return checkpoint.load(None, StartUp())


def load_plain(checkpoint: "Checkpoint", weights: str) -> Any:
    """Reads every array as a whole and has XLA convert it at once. Checks no value and splits no layers.

    What is converted is read into the same memory each time, which spares zeroing new pages.
    """
    import jax
    import numpy as np

    from bot.models.int8 import quantize

    def as_it_is(values: jax.Array) -> jax.Array:
        return values

    convert = jax.jit(lambda values: values.astype(checkpoint.dtype))
    quantize_layers = jax.jit(jax.vmap(quantize))
    dalle_bart = checkpoint.bart_weights
    memory = np.empty(dalle_bart.largest_bytes, np.uint8)
    kept: list[Any] = []
    for opened in (dalle_bart, checkpoint.vqgan_weights, checkpoint.clip_weights):
        with opened.file.reading() as reader:
            for name, stored in opened.file.arrays.items():
                change: Callable[[jax.Array], Any] = as_it_is
                if opened is dalle_bart and name.endswith("/kernel"):
                    if weights == "int8" and "/layers/" in name:
                        change = quantize_layers
                    elif stored.dtype != checkpoint.dtype:
                        change = convert
                buffer = np.empty(stored.nbytes, np.uint8) if change is as_it_is else memory[: stored.nbytes]
                reader.read(stored, 0, buffer)
                changed = change(jax.device_put(buffer.view(stored.dtype).reshape(stored.shape)))
                kept.append(jax.block_until_ready(changed))
    return kept


def main(arguments: list[str]) -> None:
    """Prints one JSON object: seconds, peak_anon_bytes, peak_bytes and the sizes that Weights knows."""
    ways: dict[str, Callable[[Checkpoint, str], Any]] = {"streamed": load_streamed, "plain": load_plain}
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--way", choices=ways, required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--weights", required=True)
    options = parser.parse_args(arguments)
    with MemoryWatch() as watch:
        import jax
        import jax.numpy as jnp

        from bot.checkpoints.bundle import open_checkpoint
        from bot.checkpoints.folders import ModelFolders

        jax.block_until_ready(jnp.zeros(()))  # the backend is started before the clock
        folders = ModelFolders("random", *(options.folder / name for name in ("dalle_bart", "vqgan", "clip")))
        began = time.perf_counter()
        checkpoint = open_checkpoint(folders, dtype=jnp.dtype(options.dtype), weights=options.weights)
        opened = time.perf_counter()
        kept = jax.block_until_ready(ways[options.way](checkpoint, options.weights))
        ended = time.perf_counter()
    del kept
    opened_weights = (checkpoint.bart_weights, checkpoint.vqgan_weights, checkpoint.clip_weights)
    result = {
        "open_s": opened - began,
        "load_s": ended - opened,
        "peak_anon_bytes": watch.peak_anon_bytes,
        "peak_bytes": watch.peak_bytes,
        "parameter_bytes": sum(weights.num_bytes for weights in opened_weights),
        "largest_bytes": max(weights.largest_bytes for weights in opened_weights),
        "file_bytes": sum(weights.file_bytes for weights in opened_weights),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
