"""Opening an engine as the settings say. That every program is compiled is tested in test_sharding.py; here are few."""

import errno
import os
from pathlib import Path
from typing import Any

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from bot.config import EngineSettings, ModelSettings, Settings
from bot.engine.memory_plan import MAX_SLOTS_CPU
from bot.engine.open import open_engine
from bot.engine.programs import Program, Programs
from bot.errors import CheckpointNotFoundError, ConfigError
from bot.startup import StartUp
from tests.test_startup import Recorder

pytestmark = pytest.mark.usefixtures("jax_as_before", "few_programs")


@pytest.fixture
def few_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening compiles what encodes prompts alone; a decoder for every shape would take ten seconds."""

    def few(programs: Programs, chunk_tokens: int) -> list[Program[Any]]:
        return [programs.encode]

    monkeypatch.setattr(Programs, "all", few)


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


def test_takes_as_many_slots_as_are_planned(tiny_model: Path, tmp_path: Path) -> None:
    engine = open_engine(settings(tiny_model, tmp_path, num_slots=None), StartUp(Recorder()))
    assert engine.num_slots == MAX_SLOTS_CPU


def test_slots_that_devices_can_not_share_are_found_before_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.engine.open.choose_devices", lambda *args: jax.local_devices() * 2)
    with pytest.raises(ConfigError, match=r"engine\.num_slots is 3, which 2 devices can't share evenly; use 2 or 4\."):
        open_engine(settings("/nowhere/at/all", tmp_path, num_slots=3), StartUp())


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match="There is no model '/nowhere/at/all'"):
        open_engine(settings("/nowhere/at/all", tmp_path), StartUp())


@pytest.mark.slow
def test_damaged_compiled_code_is_removed_and_written_anew(tiny_model: Path, tmp_path: Path) -> None:
    there = settings(tiny_model, tmp_path, compile_cache=True)
    cache = tmp_path / "compile-cache"
    # Or what another test has compiled in this process would not be written.
    jax.clear_caches()
    open_engine(there, StartUp(Recorder()))
    [encoder] = cache.glob("jit_encode-*-cache")
    whole = encoder.stat().st_size
    os.truncate(encoder, whole // 2)
    (cache / "xla_gpu_per_fusion_autotune_cache_dir").mkdir()

    jax.clear_caches()
    recorder = Recorder()
    engine = open_engine(there, StartUp(recorder))
    assert engine.info.name == "model"
    [sentence] = [str(told[1]) for told in recorder.told if str(told[1]).startswith("The compiled code")]
    assert sentence.startswith(f"The compiled code in {cache} can't be used (")
    assert list(cache.iterdir()) == []

    jax.clear_caches()
    jax.config.update("jax_enable_compilation_cache", True)
    compilation_cache.reset_cache()
    open_engine(there, StartUp(Recorder()))
    assert encoder.stat().st_size > 0.9 * whole


def test_a_disk_without_room_for_compiled_code(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("jax._src.compilation_cache.put_executable_and_time", full)
    jax.clear_caches()
    recorder = Recorder()
    assert open_engine(settings(tiny_model, tmp_path, compile_cache=True), StartUp(recorder)).num_slots == 2
    assert any("No space left on device" in str(told[1]) for told in recorder.told if told[0] == "note")
