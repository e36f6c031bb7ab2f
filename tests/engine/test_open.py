"""Opening an engine as the settings say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from bot.config import EngineSettings, ModelSettings, Settings
from bot.engine.open import open_engine
from bot.errors import CheckpointNotFoundError
from bot.startup import StartUp
from tests.test_startup import Recorder

_CONFIGURED = (
    "jax_default_device",
    "jax_platforms",
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


@pytest.fixture(autouse=True)
def _jax_config(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XLA_CLIENT_MEM_FRACTION", "0.5")
    before = {name: getattr(jax.config, name) for name in _CONFIGURED}
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def settings(model: Path | str, data_dir: Path, *, compile_cache: bool = False, **changes: Any) -> Settings:
    return Settings(
        data_dir=data_dir,
        model=ModelSettings(name=str(model)),
        engine=EngineSettings(**{"num_slots": 2, "device": "cpu", "compile_cache": compile_cache, **changes}),
    )


def test_opens_a_folder_in_stages(tiny_model: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    start_up = StartUp(recorder)
    engine = open_engine(settings(tiny_model, tmp_path, compile_cache=True), start_up)
    assert (engine.info.name, engine.num_slots) == ("model", 2)
    assert (tmp_path / "compile-cache").is_dir()
    stages = ["find devices", "read headers", "load DalleBart", "load VQGAN", "load CLIP", "compiling"]
    assert list(start_up.seconds) == stages
    last = recorder.told[-1]
    assert last[0] == "note"
    assert str(last[1]).startswith("Ready after ")
    assert all(stage in str(last[1]) for stage in stages)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match="There is no model '/nowhere/at/all'"):
        open_engine(settings("/nowhere/at/all", tmp_path), StartUp())
