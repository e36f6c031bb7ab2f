"""What `auto` computes in, on devices that need not be here."""

from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import pytest

from bot.engine.precision import choose_dtype


def device(platform: str, **attributes: str) -> Any:
    return SimpleNamespace(platform=platform, **attributes)


@pytest.mark.parametrize(
    ("found", "dtype"),
    [
        (device("cpu"), jnp.float32),
        (device("gpu", compute_capability="9.0"), jnp.bfloat16),
        (device("gpu", compute_capability="8.0"), jnp.bfloat16),
        (device("gpu", compute_capability="12.0"), jnp.bfloat16),
        (device("gpu", compute_capability="7.5"), jnp.float16),
        (device("gpu", compute_capability="gfx90a"), jnp.bfloat16),
        (device("tpu"), jnp.bfloat16),
    ],
    ids=["cpu", "H100", "A100", "B200", "T4", "AMD", "TPU"],
)
def test_auto(found: Any, dtype: Any) -> None:
    assert choose_dtype("auto", found) == dtype


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("found", [device("cpu"), device("gpu", compute_capability="7.5")], ids=["cpu", "T4"])
def test_what_is_asked_for_is_taken(name: str, found: Any) -> None:
    assert jnp.dtype(choose_dtype(name, found)).name == name
