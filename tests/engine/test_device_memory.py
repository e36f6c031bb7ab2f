"""What the kernel, control groups and cards say of their memory, and what follows."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import pytest

from bot.engine.device_memory import DeviceMemory, device_memory, host_memory

MIB = 2**20
MEMINFO = "MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable: 8388608 kB\n"
AVAILABLE = 8192 * MIB


def machine(root: Path, groups: str, files: dict[str, str]) -> Path:
    """A root folder with /proc, and the given files under /sys/fs/cgroup."""
    files = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in {"proc/meminfo": MEMINFO, "proc/self/cgroup": groups, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def version_2(limit: str, used: int, inactive: int, prefix: str = "") -> dict[str, str]:
    return {
        f"{prefix}memory.max": f"{limit}\n",
        f"{prefix}memory.current": f"{used}\n",
        f"{prefix}memory.stat": f"anon 5\ninactive_file {inactive}\nactive_file 7\n",
    }


def version_1(limit: int, used: int, inactive: int, prefix: str = "") -> dict[str, str]:
    return {
        f"memory/{prefix}memory.limit_in_bytes": f"{limit}\n",
        f"memory/{prefix}memory.usage_in_bytes": f"{used}\n",
        f"memory/{prefix}memory.stat": f"inactive_file 1\ntotal_inactive_file {inactive}\n",
    }


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {}, AVAILABLE),
        ("", {}, AVAILABLE),
        ("0::/\n", version_2("max", 5, 0), AVAILABLE),
        ("0::/\n", version_2(str(4096 * MIB), 1024 * MIB, 512 * MIB), 3584 * MIB),
        ("0::/\n", version_2(str(64 * 1024 * MIB), 0, 0), AVAILABLE),
        ("0::/a/b\n", version_2(str(900 * MIB), 0, 0, "a/b/"), 900 * MIB),
        ("0::/a/b\n", version_2("max", 0, 0, "a/b/") | version_2(str(700 * MIB), 0, 0, "a/"), 700 * MIB),
        ("0::/seen/from/outside\n", version_2(str(600 * MIB), 0, 0), 600 * MIB),
        ("0::/\n", version_2(str(100 * MIB), 101 * MIB, 0), 0),
        ("9:cpu:/x\n4:hugetlb,memory:/d\n0::/\n", version_1(500 * MIB, 100 * MIB, 50 * MIB, "d/"), 450 * MIB),
        ("4:memory:/d\n", version_1(500 * MIB, 0, 0), 500 * MIB),
        ("4:memory:/d\n", version_1(2**63 - 4096, 0, 0), AVAILABLE),
        ("0::/\n", version_2(str(800 * MIB), 0, 0, "unified/"), 800 * MIB),
    ],
)
def test_host_memory(tmp_path: Path, groups: str, files: dict[str, str], expected: int) -> None:
    assert host_memory(machine(tmp_path, groups, files)) == expected


def test_without_a_proc_file_system_it_is_what_the_machine_has(tmp_path: Path) -> None:
    found = host_memory(tmp_path)
    assert found is not None
    assert found > 256 * MIB


def test_this_machine_says_something() -> None:
    found = device_memory(jax.devices("cpu")[:1], 0.5)
    assert found.available_bytes is not None
    assert found.available_bytes > 0
    assert found.usable_bytes == int(found.available_bytes * 0.5)


def test_cpu_devices_share_the_host(tmp_path: Path) -> None:
    cpu: Any = SimpleNamespace(platform="cpu")
    found = device_memory([cpu] * 4, 0.5, root=machine(tmp_path, "", {}))
    assert found == DeviceMemory(AVAILABLE // 4, 0.5)
    assert found.usable_bytes == AVAILABLE // 8


def card(stats: dict[str, int] | None) -> Any:
    return SimpleNamespace(platform="gpu", memory_stats=lambda: stats)


def test_the_limit_of_a_card_is_the_fraction_already() -> None:
    found = device_memory([card({"bytes_limit": 1800 * MIB}), card({"bytes_limit": 900 * MIB})], 0.9)
    assert (found.available_bytes, found.usable_bytes) == (1000 * MIB, 900 * MIB)


@pytest.mark.parametrize("stats", [None, {}, {"bytes_in_use": 3}])
def test_a_card_that_says_nothing_is_not_judged(stats: dict[str, int] | None) -> None:
    found = device_memory([card(stats)], 0.9)
    assert found == DeviceMemory(None, 0.9)
    assert found.usable_bytes is None
