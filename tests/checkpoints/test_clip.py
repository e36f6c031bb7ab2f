"""CLIP's files: both formats fill the same network, and everything else is refused by name."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from bot.checkpoints.arrays import Arrays, read_arrays, write_msgpack
from bot.checkpoints.clip import load_clip, load_preprocessing
from bot.errors import CheckpointError, CheckpointMismatchError
from bot.models.clip_config import ClipConfig
from bot.models.network import walk

GOLDEN = Path(__file__).parent.parent / "golden"


def torch_arrays() -> Arrays:
    """What CLIPModel saves for the golden weights."""
    torch: Arrays = {}
    for name, array in read_arrays(GOLDEN / "clip_tiny" / "flax_model.msgpack").items():
        *parents, last = name.split("/")
        if last == "kernel":
            array = array.T if array.ndim == 2 else array.transpose(3, 2, 0, 1)
        last = "weight" if last in ("kernel", "scale", "embedding") else last
        torch[".".join([*parents, last])] = array.copy()
    return torch


@pytest.fixture
def flax_folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / "clip_tiny", tmp_path / "flax"))


@pytest.fixture
def torch_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "torch"
    folder.mkdir()
    shutil.copy(GOLDEN / "clip_tiny_torch" / "config.json", folder)
    save_file(torch_arrays(), folder / "model.safetensors")
    return folder


def test_torch_names_are_those_of_the_original() -> None:
    listed = (GOLDEN / "clip_tiny_torch" / "param_names.txt").read_text("utf-8").splitlines()
    assert listed == [f"{name} {array.shape}" for name, array in sorted(torch_arrays().items())]


def test_both_formats_fill_the_same_network(torch_folder: Path) -> None:
    _, config, from_flax = load_clip(GOLDEN / "clip_tiny")
    _, torch_config, from_torch = load_clip(torch_folder)
    assert config == torch_config
    for (path, a), (other_path, b) in zip(walk(from_flax), walk(from_torch), strict=True):
        assert path == other_path
        np.testing.assert_array_equal(a, b, err_msg=str(path))


def test_position_buffers_of_old_files_are_skipped(torch_folder: Path) -> None:
    buffers: Arrays = {f"{tower}_model.embeddings.position_ids": np.arange(17)[None] for tower in ("text", "vision")}
    save_file({**torch_arrays(), **buffers}, torch_folder / "model.safetensors")
    load_clip(torch_folder)


def test_msgpack_goes_first(flax_folder: Path) -> None:
    (flax_folder / "model.safetensors").write_bytes(b"not read")
    load_clip(flax_folder)


def test_torch_mismatch_speaks_of_the_files_own_arrays(torch_folder: Path) -> None:
    arrays = torch_arrays()
    name = "text_model.encoder.layers.0.mlp.fc1.weight"
    arrays[name] = arrays[name].T.copy()
    save_file(arrays, torch_folder / "model.safetensors")
    with pytest.raises(
        CheckpointMismatchError, match=rf"safetensors: {name} has shape \[48, 96\], expected \[96, 48\]"
    ):
        load_clip(torch_folder)


def test_missing_array_is_named(flax_folder: Path) -> None:
    file = flax_folder / "flax_model.msgpack"
    arrays = read_arrays(file)
    del arrays["logit_scale"]
    write_msgpack(file, arrays)
    with pytest.raises(CheckpointMismatchError, match=r"logit_scale \[\] is missing"):
        load_clip(flax_folder)


def test_surplus_array_is_named(torch_folder: Path) -> None:
    save_file({**torch_arrays(), "text_model.head.weight": np.zeros(3, np.float32)}, torch_folder / "model.safetensors")
    with pytest.raises(CheckpointMismatchError, match=r"text_model\.head\.weight"):
        load_clip(torch_folder)


def test_truncated_file_is_named(flax_folder: Path) -> None:
    file = flax_folder / "flax_model.msgpack"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"flax_model\.msgpack"):
        load_clip(flax_folder)


def test_pickles_are_not_read(flax_folder: Path) -> None:
    (flax_folder / "flax_model.msgpack").rename(flax_folder / "pytorch_model.bin")
    sentence = r"pytorch_model\.bin is there, but pickles .* Fetch flax_model\.msgpack or model\.safetensors"
    with pytest.raises(CheckpointError, match=sentence):
        load_clip(flax_folder)


def test_preprocessing_beside_the_weights(tmp_path: Path) -> None:
    assert load_preprocessing(tmp_path, ClipConfig()).image_size == 224
    file = tmp_path / "preprocessor_config.json"
    file.write_text('{"image_mean": [0.5, 0.5, 0.5]}', "utf-8")
    assert load_preprocessing(tmp_path, ClipConfig()).mean == (0.5, 0.5, 0.5)
    file.write_text('{"do_resize": false}', "utf-8")
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json: option do_resize"):
        load_preprocessing(tmp_path, ClipConfig())
