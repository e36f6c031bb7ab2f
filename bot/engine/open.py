"""Opens an engine as the settings say: device, compile cache, weights. Called on the engine thread, once."""

from pathlib import Path

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from bot.checkpoints.bundle import load_bundle
from bot.checkpoints.locate import Source, locate_model
from bot.config import Settings
from bot.engine.engine import JaxEngine
from bot.errors import ConfigError

VQGAN = Source("dalle-mini/vqgan_imagenet_f16_16384", "e93a26e7707683d349bf5d5c41c5b0ef69b677a9")
CLIP = Source("openai/clip-vit-base-patch32")

_DTYPES: dict[str, DTypeLike] = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float16": jnp.float16}


def open_engine(settings: Settings) -> JaxEngine:
    """Loads the model of `settings.model` onto `settings.engine.device`. Raises ConfigError or CheckpointError."""
    use_compile_cache(settings.compile_cache_dir)
    platform = use_device(settings.engine.device)
    model = settings.model
    folders = locate_model(
        Source(model.name, model.revision),
        vqgan=Source(model.vqgan, model.vqgan_revision) if model.vqgan else VQGAN,
        clip=Source(model.clip, model.clip_revision) if model.clip else CLIP,
    )
    automatic = "float32" if platform == "cpu" else "bfloat16"
    bundle = load_bundle(folders, dtype=_DTYPES[automatic if model.dtype == "auto" else model.dtype])
    return JaxEngine(bundle, num_slots=settings.engine.num_slots or 18)


def use_device(device: str) -> str:
    """Makes `auto`, `cpu` or `cuda` the default device and returns its platform. Raises ConfigError."""
    if device == "auto":
        return jax.default_backend()
    try:
        chosen = jax.devices(device)[0]
    except RuntimeError as error:
        raise ConfigError(
            f"engine.device is {device}, but JAX finds no such device here. For an NVIDIA GPU install the "
            "plugin, in the checkout: pip install -e '.[cuda]'."
        ) from error
    jax.config.update("jax_default_device", chosen)
    return device


def use_compile_cache(folder: Path | None) -> None:
    """Keeps compiled programs in `folder`, so that the next start need not compile them again. Raises ConfigError."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"data_dir: the folder {folder} can't be made ({error.strerror}).") from error
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
