"""How much memory there is for the engine on each of its devices. Called on the engine thread while an engine opens."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jax

_UNLIMITED: Final = 2**60
"""Version 1 of cgroups writes about 2**63 where there is no limit."""


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Of one device; of the smallest, where they differ. available_bytes: None if nobody can tell.

    fraction: how much of it is meant for the engine.
    """

    available_bytes: int | None
    fraction: float

    @property
    def usable_bytes(self) -> int | None:
        """What the engine may take."""
        return None if self.available_bytes is None else int(self.available_bytes * self.fraction)


def device_memory(devices: Sequence[jax.Device], fraction: float, *, root: Path = Path("/")) -> DeviceMemory:
    """The memory of each of `devices`, all of one kind.

    Of a graphics card it is all that it has, for JAX has reserved `fraction` of that when its client started
    (XLA_CLIENT_MEM_FRACTION): the limit that it states is the fraction already. CPU devices share what the
    machine or the container can still give. root: where /proc and /sys are found.
    """
    if devices[0].platform == "cpu":
        available = host_memory(root)
        return DeviceMemory(None if available is None else available // len(devices), fraction)
    limits = [(device.memory_stats() or {}).get("bytes_limit") for device in devices]
    known = [int(limit) for limit in limits if limit]
    # None are known with XLA_PYTHON_CLIENT_ALLOCATOR=platform, which reserves nothing.
    return DeviceMemory(round(min(known) / fraction) if known else None, fraction)


def host_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process can still allocate without swapping; None on systems that don't tell.

    On Linux what the kernel estimates (MemAvailable), bounded by the control groups around this process. Elsewhere
    all that the machine has.
    """
    available = _fields(root / "proc/meminfo").get("MemAvailable")
    if available is None:
        return _physical_memory()
    return max(0, min([available * 1024, *_left_in_groups(root)]))


def _left_in_groups(root: Path) -> Iterator[int]:
    """What each control group that holds this process may still allocate, if it is limited.

    Lines of /proc/self/cgroup are `number:controllers:path`; version 2 has number 0 and no controllers. A container
    may see its own group at the path that its file names, or at the top.
    """
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            tops = ["sys/fs/cgroup", "sys/fs/cgroup/unified"]
            limit, used, cache = "max", "current", "inactive_file"
        elif "memory" in controllers.split(","):
            tops = ["sys/fs/cgroup/memory"]
            limit, used, cache = "limit_in_bytes", "usage_in_bytes", "total_inactive_file"
        else:
            continue
        parts = Path(path.lstrip("/")).parts
        for top in tops:
            for depth in range(len(parts) + 1):
                folder = root.joinpath(top, *parts[:depth])
                bound, taken = (_number(folder / f"memory.{name}") for name in (limit, used))
                if bound is not None and taken is not None and bound < _UNLIMITED:
                    # Cached files count as used until somebody needs the room.
                    yield bound - taken + _fields(folder / "memory.stat").get(cache, 0)


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8").splitlines()
    except OSError:
        return []


def _fields(file: Path) -> dict[str, int]:
    """Lines `name: 12 kB` or `name 12` as numbers."""
    split = (line.replace(":", " ").split() for line in _lines(file))
    return {words[0]: int(words[1]) for words in split if len(words) > 1 and words[1].isdecimal()}


def _number(file: Path) -> int | None:
    """What the file holds, None for `max` or no such file."""
    lines = _lines(file)
    return int(lines[0]) if lines and lines[0].strip().isdecimal() else None
