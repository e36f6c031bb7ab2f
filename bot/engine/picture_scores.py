"""CLIP's scores of given pictures for given texts, without the rest of a model. For `dalle-bot calibrate`.

The pictures come as the engine's do, from its own CLIP, so that thresholds set here hold there. Blocks for long; called
on the thread that it runs on.
"""

from collections.abc import Callable, Sequence
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from PIL import Image

from bot.checkpoints.clip import load_preprocessing, open_clip
from bot.checkpoints.tokenizers import ClipTokenizer
from bot.config import Settings
from bot.errors import ConfigError
from bot.fetch import locate_model
from bot.models.network import Params
from bot.startup import StartUp

BATCH: Final = 8

Pixels = npt.NDArray[np.uint8]


class PictureScores:
    """A CLIP on the default device."""

    def __init__(self, settings: Settings, start_up: StartUp) -> None:
        """Fetches the model of the settings if it isn't here. Raises ConfigError or CheckpointError."""
        folder = locate_model(settings.model, settings.data_dir, start_up).clip
        self._network, self._config, weights = open_clip(folder)
        with start_up.stage("load CLIP", total=weights.file_bytes, unit="bytes") as advance:
            self._params = weights.load(None, advance)
        self._preprocess = load_preprocessing(folder, self._config)
        self._tokenizer = ClipTokenizer.load(folder, self._config.text.max_position_embeddings)
        start_up.ready()

    def logits(
        self, pictures: Sequence[Pixels], texts: Sequence[str], on_done: Callable[[int], None] = lambda _: None
    ) -> npt.NDArray[np.float32]:
        """float32 [pictures, texts]: cosines times exp(logit_scale), as GeneratedImage.label_scores has them.

        pictures: uint8 [height, width, 3] each, of any size. on_done: told how many more pictures are done.
        Raises ConfigError for a text that is longer than CLIP reads.
        """
        encoded = self._tokenizer.encode(list(texts))
        long = next((text for text, dropped in zip(texts, encoded.num_dropped, strict=True) if dropped), None)
        if long is not None:
            raise ConfigError(f"The text “{long}” is longer than CLIP reads. Shorten it.")

        @jax.jit
        def score(params: Params, pixels: jax.Array, text_vectors: jax.Array) -> jax.Array:
            clip = self._network.bind(params)
            with jax.default_matmul_precision("float32"):
                return clip.scores(clip.image_vectors(self._preprocess(pixels)), text_vectors)

        @jax.jit
        def read(params: Params, ids: jax.Array, mask: jax.Array) -> jax.Array:
            return self._network.bind(params).text_vectors(ids, mask)

        text_vectors = read(self._params, jnp.asarray(encoded.ids), jnp.asarray(encoded.mask))
        side_px = self._preprocess.image_size
        scored = []
        for start in range(0, len(pictures), BATCH):
            batch = [_square(pixels, side_px) for pixels in pictures[start : start + BATCH]]
            # One size for one program.
            padded = np.stack([*batch, *[batch[-1]] * (BATCH - len(batch))])
            scored.append(np.asarray(score(self._params, jnp.asarray(padded), text_vectors))[: len(batch)])
            on_done(len(batch))
        return np.concatenate(scored) if scored else np.zeros((0, len(texts)), np.float32)


def _square(pixels: Pixels, side_px: int) -> Pixels:
    """The centre as ClipPreprocessing cuts it out, with Pillow's bicubic, which that computes too."""
    height, width = pixels.shape[:2]
    shorter = min(height, width)
    rows, columns = (side_px * side // shorter for side in (height, width))
    resized = np.asarray(Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BICUBIC))
    top, left = (rows - side_px) // 2, (columns - side_px) // 2
    return resized[top : top + side_px, left : left + side_px]
