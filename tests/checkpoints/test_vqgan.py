import shutil
from pathlib import Path

import numpy as np
import pytest

from bot.checkpoints.arrays import Arrays, read_arrays, write_msgpack
from bot.checkpoints.places import extract, places_by_name
from bot.checkpoints.vqgan import load_vqgan, name_of
from bot.errors import CheckpointError, CheckpointMismatchError
from tests.golden.sets import Folders, config_of, vqgan_arrays, write_checkpoint


def test_what_is_loaded_is_what_the_file_holds(folders: Folders) -> None:
    _, config, params = load_vqgan(folders("vqgan"))
    assert (config.resolution, config.grid, config.n_embed) == (64, 16, 60)
    expected = vqgan_arrays()
    loaded = extract(params, places_by_name(params, name_of), dtype=np.float32)
    assert loaded.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(loaded[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"quantize/embedding/embedding": None}, r"quantize/embedding/embedding \[60, 16\] is missing"),
        (
            {"decoder/conv_out/kernel": np.zeros((3, 32, 3, 3), np.float32)},
            r"decoder/conv_out/kernel has shape \[3, 32, 3, 3\], expected \[3, 3, 32, 3\]",
        ),
        ({"loss/weight": np.zeros(1, np.float32)}, r"loss/weight \[1\] is not part of the network"),
    ],
)
def test_the_first_difference_is_named(tmp_path: Path, changes: Arrays, sentence: str) -> None:
    arrays = {name: array for name, array in (vqgan_arrays() | changes).items() if array is not None}
    folder = write_checkpoint(tmp_path / "vqgan", config_of("vqgan_tiny_opts"), arrays)
    with pytest.raises(CheckpointMismatchError, match=rf"flax_model\.msgpack: {sentence}"):
        load_vqgan(folder)


def test_another_option_is_seen_in_the_names(tmp_path: Path) -> None:
    config = config_of("vqgan_tiny_opts", resamp_with_conv=True)
    folder = write_checkpoint(tmp_path / "vqgan", config, vqgan_arrays())
    with pytest.raises(CheckpointMismatchError, match=r"decoder/up_1/upsample/conv/bias \[64\] is missing"):
        load_vqgan(folder)


def test_a_file_cut_short_is_named(folders: Folders, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders("vqgan"), tmp_path / "vqgan"))
    file = folder / "flax_model.msgpack"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(CheckpointError, match=r"flax_model\.msgpack: not a complete"):
        load_vqgan(folder)


def test_the_original_names_survive_writing(tmp_path: Path) -> None:
    write_msgpack(tmp_path / "flax_model.msgpack", vqgan_arrays())
    assert read_arrays(tmp_path / "flax_model.msgpack").keys() == vqgan_arrays().keys()
