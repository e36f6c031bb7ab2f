"""From uint8 pictures to what CLIP's vision tower reads, on the device, inside the trace of whoever ranks images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp

from bot.errors import CheckpointError
from bot.models.config_json import refuse_options

CLIP_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Final = (0.26862954, 0.26130258, 0.27577711)

_PILLOW_BICUBIC: Final = 3


@dataclass(frozen=True)
class ClipPreprocessing:
    """What transformers' CLIPImageProcessor does. mean, std: per channel, of pixels in 0..1."""

    image_size: int
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD

    @classmethod
    def from_json(
        cls, data: Mapping[str, Any], image_size: int, source: str = "preprocessor_config.json"
    ) -> "ClipPreprocessing":
        """Reads the original's options, in the old form (sizes are numbers) or the new one (they are objects).

        image_size: what the vision tower takes. Raises CheckpointError naming an option that is wrong or not supported.
        """
        required = dict.fromkeys(("do_resize", "do_center_crop", "do_rescale", "do_normalize"), True)
        refuse_options(data, {**required, "resample": _PILLOW_BICUBIC, "rescale_factor": 1 / 255}, source)
        for name, keys in (("size", ("shortest_edge",)), ("crop_size", ("height", "width"))):
            given = data.get(name, image_size)
            sides = [given.get(key) for key in keys] if isinstance(given, Mapping) else [given]
            if any(side != image_size for side in sides):
                raise CheckpointError(
                    f"{source}: option {name} = {given!r:.80} must be the network's {image_size} pixels."
                )
        mean = _channels(data, "image_mean", CLIP_MEAN, source)
        std = _channels(data, "image_std", CLIP_STD, source)
        if min(std) <= 0:
            raise CheckpointError(f"{source}: option image_std must hold positive numbers, not {list(std)}.")
        return cls(image_size, mean, std)

    def __call__(self, images: jax.Array) -> jax.Array:
        """uint8 [n, height, width, 3] -> float32 [n, image_size, image_size, 3].

        Resizes the shorter side to image_size, crops the centre, normalises.
        """
        n, height, width, channels = images.shape
        shorter = min(height, width)
        rows, columns = (self.image_size * side // shorter for side in (height, width))
        x = _resize(images.astype(jnp.float32), (n, height, columns, channels))
        x = _resize(x, (n, rows, columns, channels))
        top, left = (rows - self.image_size) // 2, (columns - self.image_size) // 2
        x = x[:, top : top + self.image_size, left : left + self.image_size]
        return (x / 255.0 - jnp.asarray(self.mean)) / jnp.asarray(self.std)


def _resize(x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    # Pillow's bicubic (a = -0.5, antialiased) goes one axis at a time, columns first, and leaves whole levels in
    # 0..255 after each, which cuts off what the cubic weights overshoot.
    return jnp.clip(jnp.round(jax.image.resize(x, shape, "bicubic")), 0.0, 255.0)


def _channels(
    data: Mapping[str, Any], name: str, default: tuple[float, float, float], source: str
) -> tuple[float, float, float]:
    values = data.get(name, default)
    try:
        red, green, blue = (float(value) for value in values)
    except (TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{source}: option {name} must be three numbers, not {values!r:.80}.") from error
    return red, green, blue
