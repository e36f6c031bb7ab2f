"""Opening an engine as the settings say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import pytest
from jax.experimental.compilation_cache import compilation_cache

from bot.config import EngineSettings, ModelSettings, Settings
from bot.engine.open import open_engine, use_compile_cache, use_device
from bot.errors import CheckpointNotFoundError, ConfigError

_CONFIGURED = ("jax_default_device", "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")


@pytest.fixture(autouse=True)
def _jax_config() -> Iterator[None]:
    before = {name: configured(name) for name in _CONFIGURED}
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def configured(name: str) -> Any:
    return getattr(jax.config, name)


def settings(
    model: Path | str, data_dir: Path, *, dtype: Literal["auto", "bfloat16"] = "auto", compile_cache: bool = False
) -> Settings:
    return Settings(
        data_dir=data_dir,
        model=ModelSettings(name=str(model), dtype=dtype),
        engine=EngineSettings(num_slots=2, device="cpu", compile_cache=compile_cache),
    )


def test_opens_a_folder(tiny_model: Path, tmp_path: Path) -> None:
    engine = open_engine(settings(tiny_model, tmp_path, compile_cache=True))
    assert (engine.info.name, engine.num_slots) == ("model", 2)
    assert configured("jax_compilation_cache_dir") == str(tmp_path / "compile-cache")
    assert (tmp_path / "compile-cache").is_dir()


def test_automatic_dtype_is_float32_on_a_cpu(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("bot.engine.open.load_bundle", lambda folders, dtype: asked.append(dtype))
    monkeypatch.setattr("bot.engine.open.JaxEngine", lambda bundle, num_slots: None)
    open_engine(settings(tiny_model, tmp_path))
    open_engine(settings(tiny_model, tmp_path, dtype="bfloat16"))
    assert asked == [jnp.float32, jnp.bfloat16]


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match="There is no model '/nowhere/at/all'"):
        open_engine(settings("/nowhere/at/all", tmp_path))


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="there is a GPU")
def test_a_device_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"engine\.device is cuda, but JAX finds no such device here\. .*pip install"):
        use_device("cuda")


def test_devices() -> None:
    assert use_device("auto") == jax.default_backend()
    assert use_device("cpu") == "cpu"
    assert configured("jax_default_device") == jax.devices("cpu")[0]


def test_no_compile_cache() -> None:
    before = configured("jax_compilation_cache_dir")
    use_compile_cache(None)
    assert configured("jax_compilation_cache_dir") == before
