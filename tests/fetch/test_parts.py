"""Which files a network needs, and what is said of folders that hold others."""

import json
from pathlib import Path

import pytest

from bot.errors import CheckpointError, CheckpointNotFoundError
from bot.fetch.parts import CLIP, DALLE_BART, PARTS, VQGAN, Part, check_config, check_folder, choose_files
from tests.fetch.conftest import CONFIGS, network_files, write_files

BY_NAME = {part.name: part for part in PARTS}


def test_only_what_is_needed_the_configuration_first_and_the_weights_last() -> None:
    there = ["vocab.json", "pytorch_model.bin", "flax_model.msgpack", "tf_model.h5", "merges.txt", "config.json"]
    assert choose_files(there, DALLE_BART, "x") == ["config.json", "vocab.json", "merges.txt", "flax_model.msgpack"]


def test_one_file_of_weights_is_enough() -> None:
    both = ["config.json", "flax_model.msgpack", "model.safetensors"]
    assert choose_files(both, CLIP, "x") == ["config.json", "flax_model.msgpack"]
    assert choose_files(["config.json", "model.safetensors"], CLIP, "x")[-1] == "model.safetensors"


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_the_demo_shows_what_is_right(part: Part) -> None:
    check_folder(Path(__file__).parents[2] / "bot" / "demo" / "checkpoint" / part.name, part)


@pytest.mark.parametrize("pickle", ["pytorch_model.bin", "last.ckpt", "model.PT", "x.pth", "x.pkl"])
def test_a_folder_of_pickles(pickle: str, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "x", {pickle: b""})
    with pytest.raises(CheckpointNotFoundError) as caught:
        check_folder(folder, DALLE_BART)
    assert str(caught.value) == (
        f"{folder} has {pickle} but no flax_model.msgpack: pickles are never read, since loading one runs its "
        "code. `dalle-bot fetch mini` and `dalle-bot fetch mega` bring safe ones."
    )
    with pytest.raises(
        CheckpointNotFoundError, match=r"no flax_model.msgpack or model.safetensors: .* Remove model.clip"
    ):
        check_folder(folder, CLIP)


def test_a_folder_without_weights(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "x", {"config.json": b"{}"})
    with pytest.raises(CheckpointNotFoundError, match=r"x has no flax_model.msgpack; model.vqgan must name a VQGAN"):
        check_folder(folder, VQGAN)


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointNotFoundError,
        match=r"config\.json: no such file, .* not a model; model.vqgan must name a VQGAN\. Put the file",
    ):
        check_folder(tmp_path, VQGAN)
    with pytest.raises(CheckpointNotFoundError, match=r"there: no such folder; model.clip must name CLIP\.$"):
        check_folder(tmp_path / "there", CLIP)
    with pytest.raises(
        CheckpointNotFoundError, match=r"x has no config.json, so it is not a model; model.clip must name CLIP"
    ):
        choose_files(["flax_model.msgpack"], CLIP, "x")


@pytest.mark.parametrize("wanted", CONFIGS)
@pytest.mark.parametrize("given", CONFIGS)
def test_another_networks_folder_is_known_by_its_configuration(wanted: str, given: str, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "x", network_files(given))
    if wanted == given:
        check_folder(folder, BY_NAME[wanted])
        return
    there, here = BY_NAME[given], BY_NAME[wanted]
    sentence = f"this is {there.what}, but {here.option} must name {here.what}; {there.option} is for this one."
    with pytest.raises(CheckpointError) as caught:
        check_folder(folder, here)
    assert str(caught.value) == f"{folder / 'config.json'}: {sentence}"


def test_a_model_of_quite_another_kind(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(CheckpointError, match=r"a model of type 'bert', but model.name must name DALL-E Mini or Mega"):
        check_config(tmp_path, DALLE_BART)
    # The loader names the option that is missing.
    check_config(tmp_path, VQGAN)


def test_a_network_of_a_whole_folder_is_not_blamed_on_an_option_that_nobody_set(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "W" / "vqgan", {"pytorch_model.bin": b""})
    with pytest.raises(CheckpointNotFoundError, match=r"Put safe ones there, or set model\.vqgan to others\.$"):
        check_folder(folder, VQGAN.of_whole())
    with pytest.raises(
        CheckpointNotFoundError, match=r"dalle_bart: no such folder; .* \(DalleBart\)\. Put it there\.$"
    ):
        check_folder(tmp_path / "W" / "dalle_bart", DALLE_BART.of_whole())
    clip = write_files(tmp_path / "W" / "clip", network_files("vqgan"))
    with pytest.raises(
        CheckpointError, match=r"this is a VQGAN, but model.name names the folder around it, whose clip must be CLIP\.$"
    ):
        check_folder(clip, CLIP.of_whole())
