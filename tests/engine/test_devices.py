"""Which devices are chosen, and what is said where they are missing."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import pytest

import bot.engine.devices
from bot.engine.devices import choose_devices, missed_gpu, slot_mesh, use_compile_cache
from bot.errors import ConfigError

pytestmark = pytest.mark.usefixtures("jax_as_before")


def configured(name: str) -> Any:
    return getattr(jax.config, name)


def test_the_first_of_the_devices_becomes_the_default() -> None:
    assert choose_devices("cpu", None, 0.9) == jax.local_devices(backend="cpu")
    assert configured("jax_default_device") == jax.local_devices(backend="cpu")[0]
    assert choose_devices("auto", 1, 0.9) == jax.local_devices()[:1]


def test_a_gpu_s_memory_is_limited_unless_the_user_did(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION"):
        monkeypatch.delenv("XLA_CLIENT_MEM_FRACTION", raising=False)
        monkeypatch.setenv(name, "0.5")
        choose_devices("cpu", None, 0.75)
        assert {key: value for key, value in os.environ.items() if "MEM_FRACTION" in key} == {name: "0.5"}
        monkeypatch.delenv(name)
    choose_devices("cpu", None, 0.75)
    assert os.environ["XLA_CLIENT_MEM_FRACTION"] == "0.750"


def test_more_devices_than_there_are() -> None:
    with pytest.raises(ConfigError, match=r"engine\.num_devices is 64, but there (is|are) \d+ cpu devices? here\."):
        choose_devices("cpu", 64, 0.9)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="there is a GPU")
@pytest.mark.parametrize(
    ("plugin", "sentence"),
    [
        (False, r"no such device here: install JAX's CUDA plugin, in the checkout: pip install -e '\.\[cuda\]'\.$"),
        (True, r"no such device here \(.*cuda.*\)\. JAX's CUDA plugin is installed: does nvidia-smi show the GPU\?$"),
    ],
)
def test_no_gpu(monkeypatch: pytest.MonkeyPatch, plugin: bool, sentence: str) -> None:
    monkeypatch.setattr(bot.engine.devices, "find_spec", lambda name: object() if plugin else None)
    with pytest.raises(ConfigError, match=r"^engine\.device is cuda, but JAX finds " + sentence):
        choose_devices("cuda", None, 0.9)


def test_an_unused_gpu_is_pointed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, gpu = SimpleNamespace(platform="cpu"), SimpleNamespace(platform="gpu")
    driver = tmp_path / "version"
    monkeypatch.setattr(bot.engine.devices, "find_spec", lambda name: None)
    assert missed_gpu([cpu], driver) is None
    driver.touch()
    sentence = missed_gpu([cpu], driver)
    assert sentence is not None
    assert sentence.startswith("There is an NVIDIA GPU, but this runs on the CPU. To use it, install JAX's CUDA plugin")
    assert missed_gpu([gpu], driver) is None
    monkeypatch.setattr(bot.engine.devices, "find_spec", lambda name: object())
    assert missed_gpu([cpu], driver) is None


def test_a_mesh_is_of_the_devices_given() -> None:
    [device] = choose_devices("cpu", 1, 0.9)
    assert slot_mesh([device]).devices.tolist() == [device]
    assert slot_mesh() == slot_mesh([device])
    assert slot_mesh().shape == {"slots": 1}


def test_the_compile_cache_keeps_everything(tmp_path: Path) -> None:
    use_compile_cache(tmp_path / "new" / "cache")
    assert configured("jax_compilation_cache_dir") == str(tmp_path / "new" / "cache")
    jax.jit(lambda x: x * 3 + 41)(1.0)
    assert list((tmp_path / "new" / "cache").iterdir())


def test_no_compile_cache() -> None:
    before = configured("jax_compilation_cache_dir")
    use_compile_cache(None)
    assert configured("jax_compilation_cache_dir") == before


def test_a_cache_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"data_dir: the folder .*file/cache can't be made"):
        use_compile_cache(tmp_path / "file" / "cache")
