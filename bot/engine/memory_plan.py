"""The memory plan: what a model will take of each device, and how many slots fit, before anything is allocated.

Made while an engine opens, on the engine thread, and shown to whoever started it. What it leaves out must find room in
the fraction that is not planned for: the libraries of a graphics card.
"""

from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Context, Decimal
from itertools import product
from typing import Final

import jax.numpy as jnp
import numpy as np

from bot.engine.device_memory import DeviceMemory
from bot.engine.memory_sizes import ModelSizes
from bot.errors import ConfigError
from bot.startup import format_amount

MAX_SLOTS_CPU: Final = 18
MAX_SLOTS_GPU: Final = 36
"""How many slots are chosen at most, for all CPU devices together and for each graphics card. More make each picture
wait longer without drawing many more of them in an hour."""
PROCESS_BYTES: Final = 800_000_000
"""What the interpreter, the libraries, the compiler and its code take at most of the host's memory. Measured: 0.23 to
0.51 GB (Mini in float32 and in bfloat16), 0.75 GB (Mega in float32 and int8)."""
_USUAL_FRACTION: Final = 0.95
"""A higher engine.memory_fraction is advised only where nothing else helps: others need memory too."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the plan. detail: how the number comes about."""

    name: str
    num_bytes: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What one device will hold; all of them hold the same. num_slots: of all devices together.

    process: what is there beside the model, where the device's memory is the host's. weights and slots stay there. Of
    workspaces only one is in use at a time. loading: of the weights, before there are slots.
    """

    num_slots: int
    num_devices: int
    memory: DeviceMemory
    process: tuple[Item, ...]
    weights: tuple[Item, ...]
    slots: tuple[Item, ...]
    workspaces: tuple[Item, ...]
    loading: Item

    @property
    def weights_bytes(self) -> int:
        return _sum(self.weights)

    @property
    def needed_bytes(self) -> int:
        """The most that is needed at any time."""
        running = _sum(self.slots) + self.workspace.num_bytes
        return _sum(self.process) + self.weights_bytes + max(running, self.loading.num_bytes)

    @property
    def workspace(self) -> Item:
        """The largest one."""
        return max(self.workspaces, key=lambda item: item.num_bytes)

    @property
    def fits(self) -> bool:
        """Whether it does, as far as anybody can tell."""
        usable = self.memory.usable_bytes
        return usable is None or self.needed_bytes <= usable

    def table(self) -> str:
        """For people: a line for each item, with sums, aligned."""
        devices = "the device" if self.num_devices == 1 else f"each of {self.num_devices} devices"
        loading = _sum(self.process) + self.weights_bytes + self.loading.num_bytes
        rows = [
            *self.weights,
            *self.slots,
            Item("workspace", self.workspace.num_bytes, f"of the largest program, {self.workspace.name}"),
            *self.process,
            Item("needed", self.needed_bytes, f"while loading {_amount(loading)}"),
        ]
        usable, available = self.memory.usable_bytes, self.memory.available_bytes
        if usable is not None and available is not None:
            share = f"{_amount(available)} x {self.memory.fraction:.3g} (engine.memory_fraction)"
            rows.append(Item("usable", usable, share))
        names = max(len(row.name) for row in rows)
        amounts = max(len(_amount(row.num_bytes)) for row in rows)
        lines = [f"Memory of {devices}, {self.num_slots} slot{'' if self.num_slots == 1 else 's'} in all:"]
        lines += [f"  {r.name:<{names}}  {_amount(r.num_bytes):>{amounts}}  {r.detail}".rstrip() for r in rows]
        return "\n".join(lines)


def check_num_slots(num_slots: int | None, num_devices: int) -> None:
    """Raises ConfigError if the devices can't share so many slots evenly. None is any number that they can."""
    if num_slots is not None and num_slots % num_devices:
        below = num_slots // num_devices * num_devices
        choices = " or ".join(str(count) for count in (below, below + num_devices) if count)
        raise ConfigError(
            f"engine.num_slots is {num_slots}, which {num_devices} devices can't share evenly; use {choices}."
        )


def plan_memory(sizes: ModelSizes, memory: DeviceMemory, *, num_slots: int | None, num_devices: int) -> MemoryPlan:
    """The plan for `num_slots`, or for as many as fit, within the bounds above, where that is None.

    Raises ConfigError if num_slots is no multiple of num_devices, or if the model does not fit, with one slot on each
    device or with those that are asked for; it says by how much, and which settings would mend it.
    """
    check_num_slots(num_slots, num_devices)
    plan = _plan(sizes, memory, num_slots or num_devices, num_devices)
    if not plan.fits:
        raise ConfigError(_refusal(sizes, plan, num_slots))
    return plan if num_slots else _largest(sizes, memory, num_devices, _most_slots(sizes.platform, num_devices))


def _plan(sizes: ModelSizes, memory: DeviceMemory, num_slots: int, num_devices: int) -> MemoryPlan:
    here = num_slots // num_devices
    # Each slot may wait for a prompt and a negative one of its own, encoded on every device; the unconditional one is
    # always there.
    prompts = 2 * num_slots + 1
    dtype = sizes.dtype.name

    def per_slot(name: str, num_bytes: int) -> Item:
        return Item(name, here * num_bytes, f"{here} x {_amount(num_bytes)}")

    return MemoryPlan(
        num_slots=num_slots,
        num_devices=num_devices,
        memory=memory,
        process=(Item("Python, JAX, compiled code", PROCESS_BYTES // num_devices, "at most"),)
        if sizes.platform == "cpu"
        else (),
        weights=(
            Item("DalleBart", sizes.bart_bytes, f"{'int8 and ' if sizes.weights == 'int8' else ''}{dtype}"),
            Item("VQGAN", sizes.vqgan_bytes, "float32"),
            Item("CLIP", sizes.clip_bytes, "float32"),
        ),
        slots=(
            per_slot("caches of image tokens", sizes.cache_bytes),
            per_slot("texts of slots", sizes.text_bytes),
            per_slot("the rest of slots", sizes.slot_bytes),
            Item("encoded prompts", prompts * sizes.prompt_bytes, f"at most {prompts} x {_amount(sizes.prompt_bytes)}"),
        ),
        workspaces=tuple(Item(name, size) for name, size in sizes.workspaces(here, num_slots).items()),
        loading=Item("loading", sizes.largest_bytes),
    )


def _most_slots(platform: str, num_devices: int) -> int:
    """A multiple of num_devices, at least one for each."""
    here = max(1, MAX_SLOTS_CPU // num_devices) if platform == "cpu" else MAX_SLOTS_GPU
    return here * num_devices


def _largest(sizes: ModelSizes, memory: DeviceMemory, num_devices: int, most: int) -> MemoryPlan:
    """The plan with the most slots that fits, or the one with one slot on each device, which may not."""
    for num_slots in range(most, num_devices, -num_devices):
        larger = _plan(sizes, memory, num_slots, num_devices)
        if larger.fits:
            return larger
    return _plan(sizes, memory, num_devices, num_devices)


def _refusal(sizes: ModelSizes, plan: MemoryPlan, asked: int | None) -> str:
    """asked: engine.num_slots."""
    usable, available = plan.memory.usable_bytes, plan.memory.available_bytes
    assert usable is not None
    assert available is not None
    slots = f"{plan.num_slots} slot{'' if plan.num_slots == 1 else 's'}"
    where = "the device" if plan.num_devices == 1 else f"each of {plan.num_devices} devices"
    cures = _cures(sizes, plan, asked)
    advice = f"It would fit with {', or with '.join(cures)}." if cures else _no_cure(sizes, plan)
    return (
        f"The model with {slots} needs {_amount(plan.needed_bytes)} on {where}, of which its weights are "
        f"{_amount(plan.weights_bytes)}; usable are {_amount(usable)} ({_amount(available)} available x "
        f"engine.memory_fraction {plan.memory.fraction:.3g}). {advice}"
    )


def _cures(sizes: ModelSizes, plan: MemoryPlan, asked: int | None) -> list[str]:
    """The settings that would make it fit: each that is enough alone, otherwise the fewest together."""
    for limit in (_USUAL_FRACTION, 1.0):
        options = list(product(_others(sizes), (False, True), (plan.memory.fraction, limit), (False, True)))
        for num_changes in range(1, 6):
            found = [
                " and ".join(changes)
                for (changed, other), fewer_slots, fraction, fewer_devices in options
                for changes in [_changes(plan, asked, changed, other, fewer_slots, fraction, fewer_devices)]
                if len(changes) == num_changes
            ]
            if found:
                return list(dict.fromkeys(found))
    return []


def _changes(
    plan: MemoryPlan,
    asked: int | None,
    changed: list[str],
    sizes: ModelSizes,
    fewer_slots: bool,
    fraction: float,
    fewer_devices: bool,
) -> list[str]:
    """Settings with which it fits, as `changed` has made the sizes and with what else may be changed; [] if it does
    not, or if no change is left. fraction: at most."""
    if (fewer_slots and asked is None) or fraction < plan.memory.fraction:
        return []
    counts = range(plan.num_devices - 1, 0, -1) if fewer_devices else [plan.num_devices]
    for num_devices in counts:
        memory = replace(_memory_of(sizes, plan, num_devices), fraction=fraction)
        num_slots = asked or num_devices
        if fewer_slots:
            other = _largest(sizes, memory, num_devices, (num_slots - 1) // num_devices * num_devices)
        elif num_slots % num_devices:
            continue
        else:
            other = _plan(sizes, memory, num_slots, num_devices)
        if not other.fits or (fewer_slots and other.num_slots >= num_slots):
            continue
        changes = [*changed]
        if fewer_slots:
            changes.append(f"engine.num_slots = {other.num_slots}")
        if fewer_devices:
            changes.append(f"engine.num_devices = {num_devices}")
        if fraction > plan.memory.fraction:
            changes.append(f"engine.memory_fraction = {_least_fraction(other)}")
        return changes
    return []


def _memory_of(sizes: ModelSizes, plan: MemoryPlan, num_devices: int) -> DeviceMemory:
    """What each of fewer devices has. Those of a CPU share the host's memory."""
    available = plan.memory.available_bytes
    if sizes.platform != "cpu" or available is None:
        return plan.memory
    return replace(plan.memory, available_bytes=available * plan.num_devices // num_devices)


def _least_fraction(plan: MemoryPlan) -> float:
    """The lowest engine.memory_fraction with which the plan fits, rounded up to two digits."""
    assert plan.memory.available_bytes is not None
    two_digits = Context(prec=2, rounding=ROUND_CEILING)
    return float(two_digits.divide(Decimal(plan.needed_bytes), Decimal(plan.memory.available_bytes)))


def _no_cure(sizes: ModelSizes, plan: MemoryPlan) -> str:
    least = min(_plan(other, plan.memory, 1, 1).needed_bytes for _, other in _others(sizes))
    return f"No setting makes it fit, for {_amount(least)} is the least that it needs: use a smaller model."


def _others(sizes: ModelSizes) -> list[tuple[list[str], ModelSizes]]:
    """The model as it is, with one other setting, and with both."""
    others: list[tuple[list[str], ModelSizes]] = [([], sizes)]
    if sizes.weights != "int8":
        others.append((['model.weights = "int8"'], replace(sizes, weights="int8")))
    # On CPUs float16 is copied to be multiplied, and `auto` is float32. A graphics card has what `auto` chooses.
    on_cpu = sizes.platform == "cpu"
    if sizes.dtype == np.float32 or (on_cpu and sizes.dtype == np.float16):
        setting = f'model.dtype = "{"bfloat16" if on_cpu else "auto"}"'
        narrow = jnp.dtype(jnp.bfloat16)
        others += [([*changes, setting], replace(other, dtype=narrow)) for changes, other in others]
    return others


def _sum(items: tuple[Item, ...]) -> int:
    return sum(item.num_bytes for item in items)


def _amount(count: int) -> str:
    return format_amount(count, "bytes")
