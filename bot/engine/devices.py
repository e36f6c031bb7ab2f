"""Which devices the engine runs on, and where compiled programs are kept. Called on the engine thread, once."""

import os
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import jax
import jax.numpy as jnp
from jax.experimental.compilation_cache import compilation_cache
from jax.sharding import Mesh

from bot.engine.state import SLOTS
from bot.errors import ConfigError
from bot.private_files import make_private_folder

_INSTALL_CUDA: Final = "install JAX's CUDA plugin, in the checkout: pip install -e '.[cuda]'"
_MEMORY_FRACTIONS: Final = ("XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION")
"""The variable of today and the one before; both at once are an error."""
_PLUGINS: Final = ("jax_cuda13_plugin", "jax_cuda12_plugin")
_NVIDIA_DRIVER: Final = Path("/proc/driver/nvidia/version")


def choose_devices(device: str, num_devices: int | None, memory_fraction: float) -> Sequence[jax.Device]:
    """The first `num_devices` (None: all) local devices of `auto`, `cpu` or `cuda`; the first becomes JAX's default.

    memory_fraction: what JAX may take of a GPU's memory, if the GPU has not been used in this process yet.
    Raises ConfigError if there are none, or not as many.
    """
    # Read by the CUDA client when it starts; a value that the user has set is theirs.
    if not any(name in os.environ for name in _MEMORY_FRACTIONS):
        os.environ[_MEMORY_FRACTIONS[0]] = f"{memory_fraction:.3f}"
    if device == "cpu":
        # Otherwise the CUDA client would start too and take most of the GPU's memory.
        jax.config.update("jax_platforms", "cpu")
    try:
        found = jax.local_devices(backend=None if device == "auto" else device)
    except RuntimeError as error:
        raise ConfigError(f"engine.device is {device}, but JAX finds no such device here{_why_not(error)}") from error
    if num_devices is not None and num_devices > len(found):
        one = len(found) == 1
        raise ConfigError(
            f"engine.num_devices is {num_devices}, but there {'is' if one else 'are'} {len(found)} {found[0].platform} "
            f"device{'' if one else 's'} here. Lower it, or leave it out to use all."
        )
    chosen: Sequence[jax.Device] = found[:num_devices]
    jax.config.update("jax_default_device", chosen[0])
    return chosen


def missed_gpu(devices: Sequence[jax.Device], driver: Path = _NVIDIA_DRIVER) -> str | None:
    """A sentence for people whose NVIDIA GPU is left unused, else None. driver: a file of NVIDIA's driver."""
    if devices[0].platform != "cpu" or not driver.exists() or _has_plugin():
        return None
    return f"There is an NVIDIA GPU, but this runs on the CPU. To use it, {_INSTALL_CUDA}."


def slot_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh of one axis, SLOTS. None: JAX's default device."""
    if devices is None:
        devices = [jnp.zeros(()).device]
    return jax.make_mesh((len(devices),), (SLOTS,), (jax.sharding.AxisType.Auto,), devices=devices)


def device_name(mesh: Mesh) -> str:
    """What people call the devices of a mesh: "CPU", "NVIDIA L4", "2 x NVIDIA L4"."""
    device = mesh.devices.flat[0]
    kind = "CPU" if device.platform == "cpu" else str(device.device_kind)
    return kind if mesh.size == 1 else f"{mesh.size} x {kind}"


def use_compile_cache(folder: Path | None) -> None:
    """Keeps compiled programs in `folder`, so that the next start need not compile them again. Raises ConfigError.

    From then on a program that can't be read there, or written, is an error: see give_up_compile_cache.
    """
    if folder is None:
        return
    try:
        make_private_folder(folder)
    except OSError as error:
        raise ConfigError(
            f"data_dir: the folder {folder} can't be made ({error.strerror}): choose another data_dir, or keep no "
            "compiled code with engine.compile_cache = false."
        ) from error
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Whoever has compiled in this process before would keep JAX at another folder.
    compilation_cache.reset_cache()
    # However small: loading weights alone has dozens of programs that take a tenth of a second.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    # JAX would warn, compile anew and leave the broken file, at this start and at every later one.
    jax.config.update("jax_raise_persistent_cache_errors", True)


def give_up_compile_cache(folder: Path | None, error: Exception) -> str | None:
    """Empties the cache in `folder` and does without it in this process; the next start fills it again.

    error: what went wrong in a start. Returns a sentence that says so; None if there is no cache to give up.
    """
    if folder is None or not jax.config.values["jax_raise_persistent_cache_errors"]:
        return None
    jax.config.update("jax_raise_persistent_cache_errors", False)
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()
    for entry in folder.iterdir():
        # On graphics cards XLA keeps folders of its own here.
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    return (
        f"The compiled code in {folder} can't be used ({error}): it was removed. This start compiles everything and "
        "keeps nothing; the next one keeps it again. Is there room on the disk?"
    )


def _has_plugin() -> bool:
    return any(find_spec(name) for name in _PLUGINS)


def _why_not(error: RuntimeError) -> str:
    if not _has_plugin():
        return f": {_INSTALL_CUDA}."
    return f" ({error}). JAX's CUDA plugin is installed: does nvidia-smi show the GPU?"
