"""What this machine offers: device, weights, memory, disk. The functions block: the examination runs them in threads.

JAX is imported only when a check needs it.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bot.config import Settings
from bot.doctor.finding import Outcome, failed, ok, skipped, warned
from bot.errors import CheckpointError, ConfigError
from bot.startup import format_amount
from bot.store.file_faults import nearest_there

if TYPE_CHECKING:
    from bot.checkpoints.bundle import Checkpoint

LEAST_FREE_BYTES: Final = 500_000_000
_PREALLOCATE: Final = "XLA_PYTHON_CLIENT_PREALLOCATE"


@dataclass(slots=True)
class Host:
    """What one check has found and a later one needs. devices: JAX's; None until they are found."""

    devices: Sequence[Any] | None = None
    checkpoint: "Checkpoint | None" = None


def check_device(settings: Settings, host: Host) -> Outcome:
    """Whether JAX finds what engine.device asks for."""
    # A bot that runs has the card's memory already.
    os.environ.setdefault(_PREALLOCATE, "false")
    from bot.engine.device_memory import device_memory
    from bot.engine.devices import choose_devices, missed_gpu

    engine = settings.engine
    try:
        devices = choose_devices(engine.device, engine.num_devices, engine.memory_fraction)
    except ConfigError as error:
        return failed(str(error), 'Mend that, or draw on the CPU: engine.device = "cpu".')
    host.devices = devices
    available = device_memory(devices, engine.memory_fraction).available_bytes
    memory = "unknown memory" if available is None else f"{format_amount(available, 'bytes')} each"
    found = f"{len(devices)} x {devices[0].device_kind}, {memory}."
    hint = missed_gpu(devices)
    return warned(found, hint) if hint else ok(found)


def check_weights(settings: Settings, host: Host) -> Outcome:
    """Whether all three networks are here, whole, and fit together. Reads headers, not the numbers."""
    from bot.checkpoints.bundle import open_checkpoint
    from bot.engine.precision import choose_dtype
    from bot.fetch import find_model

    try:
        folders = find_model(settings.model, settings.data_dir)
        dtype = "float32" if host.devices is None else choose_dtype(settings.model.dtype, host.devices[0])
        host.checkpoint = open_checkpoint(folders, dtype=dtype, weights=settings.model.weights)
    except CheckpointError as error:
        return failed(str(error), f"Bring it here again: dalle-bot fetch {settings.model.name}, or name another model.")
    except ConfigError as error:
        return failed(str(error), "Put model.name and its companions right in the settings.")
    return ok(f"{host.checkpoint.name} is complete.")


def check_memory(settings: Settings, host: Host) -> Outcome:
    """Whether the model fits onto the device."""
    if host.devices is None or host.checkpoint is None:
        return skipped("It needs a device and the weights.")
    from bot.engine.device_memory import device_memory
    from bot.engine.memory_plan import plan_memory
    from bot.engine.memory_sizes import ModelSizes

    devices, engine = host.devices, settings.engine
    memory = device_memory(devices, engine.memory_fraction)
    try:
        plan = plan_memory(
            ModelSizes.of(host.checkpoint, devices[0].platform),
            memory,
            num_slots=engine.num_slots,
            num_devices=len(devices),
        )
    except ConfigError as error:
        return failed(str(error), "Change a setting that it names, stop other programs, or use a smaller model.")
    usable = "" if memory.usable_bytes is None else f" of {format_amount(memory.usable_bytes, 'bytes')}"
    return ok(f"{format_amount(plan.needed_bytes, 'bytes')}{usable} for {plan.num_slots} slots.")


def check_disk(settings: Settings) -> Outcome:
    """Whether data_dir can be written and has room."""
    folder = settings.data_dir
    there = nearest_there(folder)
    right = f"Give this user the right to write {there}, or set data_dir to a folder that it may write."
    if not there.is_dir():
        return failed(
            f"{there} is a file, so data_dir can't be {folder}.", "Move it away, or set data_dir to a folder."
        )
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".dalle-bot-doctor-"):
            free = shutil.disk_usage(there).free
    except OSError as error:
        return failed(f"data_dir, {folder}, can't be written ({error.strerror}).", right)
    room = f"Make room on the disk of {there}, or move data_dir to another disk."
    if free < LEAST_FREE_BYTES:
        return failed(f"The disk of {folder} has {format_amount(free, 'bytes')} left.", room)
    to_come = settings.store.max_picture_bytes - _size_of(settings.pictures_dir)
    if free < to_come:
        return warned(
            f"The disk of {folder} has {format_amount(free, 'bytes')} left, and pictures may take "
            f"{format_amount(to_come, 'bytes')} more.",
            f"Lower store.max_picture_bytes. Or: {room[0].lower()}{room[1:]}",
        )
    return ok(f"{format_amount(free, 'bytes')} are free for {folder}.")


def _size_of(folder: Path) -> int:
    return sum(entry.stat().st_size for job in folder.glob("??/*") if job.is_dir() for entry in os.scandir(job))
