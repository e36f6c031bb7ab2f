"""A process that loads a model once and says what that took: `python -m bot.bench.load_process`. Started by load.py.

Two ways: "streamed", as the bot does; "plain", which only reads and converts, once each and one after the other.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bot.bench.memory_watch import MemoryWatch
from bot.errors import CheckpointError

if TYPE_CHECKING:
    from bot.checkpoints.bundle import Checkpoint

UNREADABLE: Final = 3
"""Exit code for files that are wrong, with a sentence about them on stderr."""


def load_streamed(checkpoint: "Checkpoint", weights: str) -> Any:
    """The bot's own way. Returns what keeps the parameters alive."""
    from bot.startup import StartUp

    return checkpoint.load(None, StartUp())


def load_plain(checkpoint: "Checkpoint", weights: str) -> Any:
    """Reads every matrix, layer by layer, into the same memory and has XLA convert it, one after the other; reads
    what needs no conversion into memory of its own. Looks at no value."""
    import jax
    import numpy as np

    from bot.models.int8 import quantize

    convert = jax.jit(lambda values: values.astype(checkpoint.dtype))
    quantize_matrix = jax.jit(quantize)
    dalle_bart = checkpoint.bart_weights
    memory = np.empty(dalle_bart.largest_bytes, np.uint8)
    kept: list[Any] = []
    for opened in (dalle_bart, checkpoint.vqgan_weights, checkpoint.clip_weights):
        with opened.file.reading() as reader:
            for name, stored in opened.file.arrays.items():
                change: Callable[[jax.Array], Any] | None = None
                if opened is dalle_bart and name.endswith("/kernel"):
                    if weights == "int8" and "/layers/" in name:
                        change = quantize_matrix
                    elif stored.dtype != checkpoint.dtype:
                        change = convert
                if change is None:
                    buffer = np.empty(stored.nbytes, np.uint8)
                    reader.read(stored, 0, buffer)
                    kept.append(jax.device_put(buffer.view(stored.dtype).reshape(stored.shape)))
                    continue
                *layers, rows, columns = stored.shape
                buffer = memory[: rows * columns * stored.dtype.itemsize]
                for layer in range(*layers) if layers else (0,):
                    reader.read(stored, layer * buffer.size, buffer)
                    values = jax.device_put(buffer.view(stored.dtype).reshape(rows, columns))
                    kept.append(jax.block_until_ready(change(values)))
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
    try:
        main(sys.argv[1:])
    except CheckpointError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(UNREADABLE)
