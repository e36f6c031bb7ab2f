"""Device, weights, memory and disk, failure by failure, with the demo's own files."""

import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot.config import EngineSettings, ModelSettings, Settings, StoreSettings
from bot.doctor.finding import Status
from bot.doctor.host_checks import Host, check_device, check_disk, check_memory, check_weights
from bot.errors import ConfigError
from bot.fetch.locate import DEMO_FOLDER


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", engine=EngineSettings(device="cpu"))


def with_model(settings: Settings, name: str) -> Settings:
    return settings.model_copy(update={"model": ModelSettings(name=name)})


def test_the_demo_on_a_cpu_is_well(settings: Settings) -> None:
    host = Host()
    outcomes = [check(settings, host) for check in (check_device, check_weights, check_memory)]
    assert [outcome.status for outcome in outcomes] == [Status.OK] * 3, outcomes
    assert "demo is complete" in outcomes[1].found
    assert "for 18 slots" in outcomes[2].found


def test_a_device_that_is_not_there(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> Any:
        raise ConfigError("engine.device is cuda, but JAX finds no such device here.")

    monkeypatch.setattr("bot.engine.devices.choose_devices", none)
    host = Host()
    outcome = check_device(settings, host)
    assert (outcome.status, host.devices) == (Status.FAILED, None)
    assert "no such device" in outcome.found
    assert 'engine.device = "cpu"' in (outcome.fix or "")
    assert check_memory(settings, host).status is Status.SKIPPED


def test_a_gpu_that_is_left_unused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.engine.devices.missed_gpu", lambda devices: "There is an NVIDIA GPU: install the plugin.")
    outcome = check_device(settings, Host())
    assert (outcome.status, outcome.fix) == (Status.WARNING, "There is an NVIDIA GPU: install the plugin.")


def test_too_little_memory_of_the_device(settings: Settings) -> None:
    small = settings.model_copy(update={"engine": EngineSettings(device="cpu", memory_fraction=0.0001)})
    host = Host()
    assert check_device(small, host).status is Status.OK
    assert check_weights(small, host).status is Status.OK
    outcome = check_memory(small, host)
    assert outcome.status is Status.FAILED
    assert "usable are" in outcome.found
    assert outcome.fix


def test_a_folder_of_weights_that_is_not_there(settings: Settings, tmp_path: Path) -> None:
    outcome = check_weights(with_model(settings, str(tmp_path / "nowhere")), Host())
    assert outcome.status is Status.FAILED
    assert "nowhere" in outcome.found


def test_weights_that_were_never_fetched_are_not_fetched_now(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("the doctor asked the network")

    monkeypatch.setattr("bot.fetch.locate.persistently", refuse)
    outcome = check_weights(with_model(settings, "mini"), Host())
    assert outcome.status is Status.FAILED
    assert "dalle-mini/dalle-mini has not been fetched yet" in outcome.found
    assert "dalle-bot fetch mini" in (outcome.fix or "")


@pytest.mark.parametrize("network", ["dalle_bart", "vqgan", "clip"])
def test_truncated_weights(settings: Settings, tmp_path: Path, network: str) -> None:
    model = shutil.copytree(DEMO_FOLDER, tmp_path / "model")
    file = model / network / "flax_model.msgpack"
    os.truncate(file, file.stat().st_size // 2)
    outcome = check_weights(with_model(settings, str(model)), Host())
    assert outcome.status is Status.FAILED
    assert str(file) in outcome.found


def test_a_misspelt_model(settings: Settings) -> None:
    outcome = check_weights(with_model(settings, "megga"), Host())
    assert outcome.status is Status.FAILED
    assert "did you mean mega" in outcome.found


def usage(free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(total=10**12, used=0, free=free))


def test_a_disk_with_room(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    usage(10**12, monkeypatch)
    outcome = check_disk(settings)
    assert (outcome.status, outcome.found) == (Status.OK, f"1e+03 GB are free for {settings.data_dir}.")
    assert not settings.data_dir.exists(), "the doctor makes nothing"


def test_a_disk_that_is_nearly_full(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    usage(400_000_000, monkeypatch)
    outcome = check_disk(settings)
    assert outcome.status is Status.FAILED
    assert "400 MB left" in outcome.found


def test_a_disk_that_pictures_will_fill(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    usage(2 * 10**9, monkeypatch)
    outcome = check_disk(settings)
    assert outcome.status is Status.WARNING
    assert "store.max_picture_bytes" in (outcome.fix or "")
    folder = settings.pictures_dir / "ab" / "ab0123456789"
    folder.mkdir(parents=True)
    (folder / "1.png").write_bytes(b"x" * 2**20)
    less = settings.model_copy(update={"store": StoreSettings(max_picture_bytes=2 * 10**9 + 2**20)})
    assert check_disk(less).status is Status.OK, "what is there already needs no room"


def test_a_data_dir_that_can_not_be_written(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    outcome = check_disk(settings)
    assert outcome.status is Status.FAILED
    assert "can't be written (Permission denied)" in outcome.found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_data_dir_in_a_folder_that_lets_nobody_in(settings: Settings, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as closed:
        os.seteuid(65534)
        try:
            outcome = check_disk(settings.model_copy(update={"data_dir": Path(closed) / "data"}))
        finally:
            os.seteuid(0)
    assert outcome.status is Status.FAILED
    assert "can't be written (Permission denied)" in outcome.found
    assert closed in (outcome.fix or "")


def test_a_data_dir_below_a_file(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    outcome = check_disk(settings)
    assert outcome.status is Status.FAILED
    assert "is a file" in outcome.found
