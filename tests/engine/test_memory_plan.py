"""How many slots a plan finds room for, what it refuses and advises, and how it reads."""

import re
from dataclasses import replace
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
import pytest

from bot.engine.device_memory import DeviceMemory
from bot.engine.memory_plan import MAX_SLOTS_CPU, MAX_SLOTS_GPU, PROCESS_BYTES, MemoryPlan, plan_memory
from bot.engine.memory_sizes import Matrices, ModelSizes
from bot.errors import ConfigError
from bot.models.clip_config import ClipConfig
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.vqgan import VQGANConfig

MEGA: Final = DalleBartConfig(
    image_vocab_size=16415,
    d_model=2048,
    encoder_layers=24,
    encoder_attention_heads=32,
    decoder_layers=24,
    decoder_attention_heads=32,
)
GB: Final = 10**9
PLENTY: Final = DeviceMemory(1000 * GB, 1.0)


def mega(platform: str, dtype: str, **changes: Any) -> ModelSizes:
    """The released model, on a device of `platform`; its embeddings are stored as float16."""
    sizes = ModelSizes(
        platform=platform,
        bart=MEGA,
        vqgan=VQGANConfig(n_embed=16384),
        clip=ClipConfig(),
        dtype=jnp.dtype(dtype),
        weights="same",
        encoder=matrices([(6144, 2048), (2048, 2048), (8192, 2048), (2048, 4096)], 24),
        projections=matrices([(4096, 2048)], 24),
        decoder=matrices([(6144, 2048), *[(2048, 2048)] * 3, (8192, 2048), (2048, 4096)], 24),
        other_bytes=2 * 138_000_000,
        vqgan_bytes=304_000_000,
        clip_bytes=605_000_000,
        largest_bytes=403_000_000,
    )
    return replace(sizes, **changes)


def matrices(shapes: list[tuple[int, int]], layers: int) -> Matrices:
    found = Matrices()
    for shape in shapes * layers:
        found = found.plus(*shape)
    return found


def planned(sizes: ModelSizes, available: int | None, slots: int | None = None, devices: int = 1) -> MemoryPlan:
    return plan_memory(sizes, DeviceMemory(available, 0.9), num_slots=slots, num_devices=devices)


def refusal(sizes: ModelSizes, available: int, slots: int | None = None, devices: int = 1) -> str:
    with pytest.raises(ConfigError) as caught:
        planned(sizes, available, slots, devices)
    return str(caught.value)


def test_the_weights_of_the_released_model() -> None:
    """2.59 G parameters, of which 2.42 G are the matrices of the layers; int8 takes a byte for each of these."""
    half, int8 = mega("gpu", "float16"), mega("gpu", "float16", weights="int8")
    assert half.bart_bytes == pytest.approx(5.18 * GB, rel=0.01)
    assert int8.bart_bytes == pytest.approx(half.bart_bytes - 2.415 * GB, rel=0.01)
    assert mega("cpu", "float32").cache_bytes == 2 * 24 * 2 * 256 * 2048 * 4


@pytest.mark.parametrize(("platform", "most"), [("cpu", MAX_SLOTS_CPU), ("gpu", MAX_SLOTS_GPU)])
@pytest.mark.parametrize("available", [None, 1000 * GB])
def test_slots_are_bounded_where_memory_is_not(platform: str, most: int, available: int | None) -> None:
    plan = planned(mega(platform, "float32"), available)
    assert (plan.num_slots, plan.fits) == (most, True)


@pytest.mark.parametrize(
    ("platform", "devices", "slots"), [("cpu", 4, 16), ("cpu", 20, 20), ("gpu", 2, 72), ("gpu", 8, 288)]
)
def test_devices_have_equally_many_slots(platform: str, devices: int, slots: int) -> None:
    assert planned(mega(platform, "float32"), 1000 * GB, devices=devices).num_slots == slots


@pytest.mark.parametrize("available", [8 * GB, 9 * GB, 10 * GB, 12 * GB])
def test_as_many_slots_as_fit(available: int) -> None:
    sizes = mega("gpu", "bfloat16")
    plan = planned(sizes, available)
    assert 1 <= plan.num_slots < MAX_SLOTS_GPU
    usable = int(available * 0.9)
    more = plan_memory(sizes, PLENTY, num_slots=plan.num_slots + 1, num_devices=1)
    assert plan.needed_bytes <= usable < more.needed_bytes


def test_prompts_lie_on_every_device() -> None:
    """Twice the devices have half of the slots each, but all prompts: a device saves less than half."""
    sizes = mega("gpu", "bfloat16")
    one, two = (plan_memory(sizes, PLENTY, num_slots=8, num_devices=n) for n in (1, 2))
    saved = sum(item.num_bytes for item in one.slots) - sum(item.num_bytes for item in two.slots)
    assert saved == 4 * (sizes.cache_bytes + sizes.text_bytes + sizes.slot_bytes)


def test_what_is_needed_is_the_sum_of_what_is_there_at_a_time() -> None:
    plan = plan_memory(mega("gpu", "bfloat16"), PLENTY, num_slots=4, num_devices=1)
    sums = [sum(item.num_bytes for item in items) for items in (plan.weights, plan.slots)]
    assert plan.needed_bytes == sum(sums) + max(item.num_bytes for item in plan.workspaces)
    huge = plan_memory(mega("gpu", "bfloat16", largest_bytes=50 * GB), PLENTY, num_slots=4, num_devices=1)
    assert huge.needed_bytes == sums[0] + 50 * GB


@pytest.mark.parametrize(("slots", "choices"), [(5, "4 or 8"), (3, "4"), (11, "8 or 12")])
def test_slots_that_devices_cannot_share(slots: int, choices: str) -> None:
    message = refusal(mega("gpu", "bfloat16"), 1000 * GB, slots, devices=4)
    assert message == f"engine.num_slots is {slots}, which 4 devices can't share evenly; use {choices}."


def test_a_refusal_has_the_numbers() -> None:
    sizes = mega("gpu", "float32")
    message = refusal(sizes, 8 * GB)
    needed = plan_memory(sizes, PLENTY, num_slots=1, num_devices=1).needed_bytes / GB
    assert message.startswith(
        f"The model with 1 slot needs {needed:.3g} GB on the device, of which its weights are 11 GB; usable are "
        "7.2 GB (8 GB available x engine.memory_fraction 0.9)."
    )


@pytest.mark.parametrize(
    ("sizes", "available", "slots", "advice"),
    [
        (mega("gpu", "float32"), 8.0, None, ['model.weights = "int8"', 'model.dtype = "auto"']),
        (mega("gpu", "float32"), 6.0, None, ['model.weights = "int8"']),
        (
            mega("gpu", "float32"),
            5.3,
            None,
            [
                f'model.weights = "int8" and {other}'
                for other in ("engine.memory_fraction = 0.92", 'model.dtype = "auto"')
            ],
        ),
        (mega("gpu", "float32", weights="int8"), 5.3, None, ["engine.memory_fraction = 0.92", 'model.dtype = "auto"']),
        (mega("gpu", "bfloat16"), 12.0, 64, ["engine.num_slots = 25"]),
        (mega("gpu", "bfloat16"), 6.0, 20, ['model.weights = "int8" and engine.num_slots = 6']),
        (mega("cpu", "bfloat16"), 7.5, None, ['model.weights = "int8"']),
        # On CPUs float16 is copied to be multiplied.
        (mega("cpu", "float16"), 12.0, None, ['model.weights = "int8"', 'model.dtype = "bfloat16"']),
        (mega("cpu", "float32"), 10.0, None, ['model.weights = "int8"', 'model.dtype = "bfloat16"']),
    ],
)
def test_advice_is_what_would_help(sizes: ModelSizes, available: float, slots: int | None, advice: list[str]) -> None:
    assert refusal(sizes, int(available * GB), slots).endswith(f" It would fit with {', or with '.join(advice)}.")


@pytest.mark.parametrize(
    ("available", "fraction", "advice"),
    [
        (22.5, 0.001, "engine.memory_fraction = 0.55"),
        (5.3, 0.5, 'model.weights = "int8" and model.dtype = "bfloat16" and engine.memory_fraction = 0.94'),
        (12.7, 0.5, 'model.weights = "int8"'),
    ],
)
def test_a_higher_fraction_is_advised(available: float, fraction: float, advice: str) -> None:
    """The least that is enough, and nearly all of the memory only where nothing else helps."""
    memory = DeviceMemory(int(available * GB), fraction)
    with pytest.raises(ConfigError) as caught:
        plan_memory(mega("cpu", "float32"), memory, num_slots=None, num_devices=1)
    assert str(caught.value).endswith(f" It would fit with {advice}.")


@pytest.mark.parametrize(("slots", "devices", "fewer"), [(None, 6, 3), (8, 4, 2), (9, 9, 3)])
def test_fewer_devices_of_a_cpu_have_more_memory_each(slots: int | None, devices: int, fewer: int) -> None:
    """As many as fit, and as can share the slots evenly."""
    message = refusal(mega("cpu", "float32"), 15 * GB * fewer // devices, slots, devices)
    assert f" It would fit with engine.num_devices = {fewer}" in message


@pytest.mark.parametrize("slots", [None, 3])
def test_no_advice_where_nothing_helps(slots: int | None) -> None:
    message = refusal(mega("gpu", "float32"), 2 * GB, slots)
    smallest = plan_memory(mega("gpu", "bfloat16", weights="int8"), PLENTY, num_slots=1, num_devices=1)
    least = f"{smallest.needed_bytes / GB:.3g} GB"
    assert message.endswith(f" No setting makes it fit, for {least} is the least that it needs: use a smaller model.")


def test_advice_holds() -> None:
    """Every number of slots that is advised does fit, and one more on each device does not."""
    sizes = mega("gpu", "bfloat16")
    for available in np.linspace(8.5 * GB, 30 * GB, 8, dtype=int):
        message = refusal(sizes, int(available), 400, devices=2)
        found = re.search(r"engine.num_slots = (\d+)\.", message)
        assert found is not None
        slots = int(found[1])
        assert planned(sizes, int(available), slots, devices=2).fits
        refusal(sizes, int(available), slots + 2, devices=2)


def test_table() -> None:
    plan = planned(mega("gpu", "bfloat16", weights="int8"), 16 * GB, 8, devices=2)
    lines = plan.table().splitlines()
    assert lines[0] == "Memory of each of 2 devices, 8 slots in all:"
    names = [re.split(r"  +", line.strip())[0] for line in lines[1:]]
    assert names == [
        *("DalleBart", "VQGAN", "CLIP"),
        *("caches of image tokens", "texts of slots", "the rest of slots", "encoded prompts"),
        *("workspace", "needed", "usable"),
    ]
    assert any(re.search(r"caches of image tokens +403 MB  4 x 101 MB$", line) for line in lines)
    assert any(re.search(r"encoded prompts +214 MB  at most 17 x 12.6 MB$", line) for line in lines)
    assert any(re.search(r"workspace +\d+ MB  of the largest program, pictures$", line) for line in lines)
    assert max(map(len, lines)) <= 80
    assert re.search(r"usable +14.4 GB  16 GB x 0.9 \(engine.memory_fraction\)$", lines[-1])
    ends = {re.match(r"  \S.*?  +[\d.]+ (?:GB|MB|kB|B)", line) for line in lines[1:]}
    assert len({match.end() for match in ends if match}) == 1


def test_table_without_known_memory() -> None:
    lines = planned(mega("cpu", "float32"), None, 1).table().splitlines()
    assert lines[0] == "Memory of the device, 1 slot in all:"
    assert lines[-1].split()[0] == "needed"


def test_the_process_takes_some_of_the_hosts_memory() -> None:
    """CPU devices share it; a graphics card has its own."""
    sizes = mega("cpu", "float32")
    plan = plan_memory(sizes, PLENTY, num_slots=4, num_devices=2)
    [process] = plan.process
    assert (process.name, process.num_bytes) == ("Python, JAX, compiled code", PROCESS_BYTES // 2)
    items = (*plan.process, *plan.weights, *plan.slots, plan.workspace)
    assert plan.needed_bytes == sum(item.num_bytes for item in items)
    lines = plan.table().splitlines()
    assert any(re.search(r"Python, JAX, compiled code +400 MB  at most$", line) for line in lines)
    assert max(map(len, lines)) <= 80
    assert plan_memory(mega("gpu", "float32"), PLENTY, num_slots=4, num_devices=2).process == ()
