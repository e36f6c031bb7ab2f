"""DalleBart's files in both layouts; what does not fit is named as the file itself calls it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from bot.checkpoints.arrays import Arrays, read_arrays, write_msgpack
from bot.checkpoints.dalle_bart import load_dalle_bart
from bot.errors import CheckpointError, CheckpointMismatchError, CheckpointNotFoundError
from bot.models.network import walk
from tests.golden.sets import Folders

Edit = Callable[[Arrays], Any]


@pytest.fixture
def copied(folders: Folders, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a golden folder, to be changed."""
    return lambda name: Path(shutil.copytree(folders(name), tmp_path / name))


def edit_config(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | changes), "utf-8")


def edit_arrays(folder: Path, edit: Edit) -> None:
    file = folder / "flax_model.msgpack"
    arrays = read_arrays(file)
    edit(arrays)
    write_msgpack(file, arrays)


@pytest.mark.parametrize("model", ["mini", "mega"])
def test_both_layouts_fill_the_same_network(folders: Folders, model: str) -> None:
    _, config, stacked = load_dalle_bart(folders(model))
    _, other_config, unscanned = load_dalle_bart(folders(f"{model}_unscanned"))
    assert config == other_config
    for (path, a), (other_path, b) in zip(walk(stacked), walk(unscanned), strict=True):
        assert path == other_path
        np.testing.assert_array_equal(a, b, err_msg=str(path))


@pytest.mark.parametrize("name", ["mini", "mini_unscanned"])
def test_the_file_tells_its_layout_whatever_use_scan_says(copied: Callable[[str], Path], name: str) -> None:
    """The original leaves the layers at random values where the two disagree."""
    folder = copied(name)
    _, _, before = load_dalle_bart(folder)
    edit_config(folder, use_scan=name != "mini")
    _, _, after = load_dalle_bart(folder)
    for (path, a), (_, b) in zip(walk(before), walk(after), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=str(path))


def test_float16_weights_computed_in_float32(folders: Folders) -> None:
    _, _, params = load_dalle_bart(folders("mega_fp16"))
    for path, leaf in walk(params):
        assert leaf.dtype == (jnp.float32 if path[-1] == "kernel" else jnp.float16), path


DECODER = "model/decoder/layers/FlaxBartDecoderLayer"


@pytest.mark.parametrize(
    ("name", "edit", "sentence"),
    [
        (
            "mini",
            lambda a: a.pop(f"{DECODER}s/GLU_0/Dense_2/kernel"),
            f"{DECODER}s/GLU_0/Dense_2/kernel [2, 128, 64] is missing",
        ),
        (
            "mini",
            lambda a: a.update({f"{DECODER}s/LayerNorm_3/scale": np.ones((64,), np.float32)}),
            f"{DECODER}s/LayerNorm_3/scale has shape [64], expected [2, 64]",
        ),
        (
            "mini",
            lambda a: a.update({f"{DECODER}s/LayerNorm_3/scale": np.ones((3, 64), np.float32)}),
            f"{DECODER}s/LayerNorm_3/scale has shape [3, 64], expected [2, 64]",
        ),
        (
            "mini",
            lambda a: a.update({f"{DECODER}s/FlaxBartAttention_1/q_proj/bias": np.ones((2, 64), np.float32)}),
            f"{DECODER}s/FlaxBartAttention_1/q_proj/bias [2, 64] is not part of the network",
        ),
        (
            "mini",
            lambda a: a.update({f"{DECODER}_0/LayerNorm_3/scale": np.ones(64, np.float32)}),
            f"{DECODER}_0/LayerNorm_3/scale [64] is not part of the network",
        ),
        (
            "mini",
            lambda a: a.update({"lm_head/kernel": np.ones((64, 129), np.int8)}),
            "lm_head/kernel holds int8, expected floating point numbers",
        ),
        (
            "mini_unscanned",
            lambda a: a.pop(f"{DECODER}_1/LayerNorm_3/scale"),
            f"{DECODER}_1/LayerNorm_3/scale [64] is missing",
        ),
        (
            "mini_unscanned",
            lambda a: a.update({f"{DECODER}_2/LayerNorm_3/scale": np.ones(64, np.float32)}),
            f"{DECODER}_2/LayerNorm_3/scale [64] is not part of the network",
        ),
    ],
)
def test_the_first_difference_is_named_as_in_the_file(
    copied: Callable[[str], Path], name: str, edit: Edit, sentence: str
) -> None:
    folder = copied(name)
    edit_arrays(folder, edit)
    with pytest.raises(CheckpointMismatchError) as caught:
        load_dalle_bart(folder)
    assert str(caught.value).startswith(f"{folder / 'flax_model.msgpack'}: {sentence}.")


@pytest.mark.parametrize(
    ("name", "layers", "sentence"),
    [
        ("mini", 3, "s/FlaxBartAttention_0/k_proj/kernel has shape [2, 64, 64], expected [3, 64, 64]"),
        ("mini", 1, "s/FlaxBartAttention_0/k_proj/kernel has shape [2, 64, 64], expected [1, 64, 64]"),
        ("mini_unscanned", 3, "_2/FlaxBartAttention_0/k_proj/kernel [64, 64] is missing"),
        ("mini_unscanned", 1, "_1/FlaxBartAttention_0/k_proj/kernel [64, 64] is not part of the network"),
    ],
)
def test_another_number_of_layers(copied: Callable[[str], Path], name: str, layers: int, sentence: str) -> None:
    folder = copied(name)
    edit_config(folder, decoder_layers=layers)
    with pytest.raises(CheckpointMismatchError) as caught:
        load_dalle_bart(folder)
    first, *named, last, advice = str(caught.value).splitlines()
    assert first == f"{folder / 'flax_model.msgpack'}: 19 arrays are wrong."
    assert named[0] == f"  {DECODER}{sentence}"
    assert (len(named), last) == (10, "  and 9 more")
    assert advice == "Do config.json and this file belong together?"


def test_the_encoders_layers_are_counted_apart(copied: Callable[[str], Path]) -> None:
    folder = copied("mega")
    edit_config(folder, encoder_layers=2)
    sentence = r"FlaxBartEncoderLayers/\S+ has shape \[3, 64, 64\], expected \[2, 64, 64\]"
    with pytest.raises(CheckpointMismatchError, match=sentence):
        load_dalle_bart(folder)


def test_weights_of_another_model(copied: Callable[[str], Path], folders: Folders) -> None:
    folder = copied("mini")
    shutil.copy(folders("mega") / "flax_model.msgpack", folder)
    with pytest.raises(CheckpointMismatchError, match=r"lm_head/kernel has shape \[64, 160\], expected \[64, 129\]"):
        load_dalle_bart(folder)


@pytest.mark.parametrize("name", ["config.json", "flax_model.msgpack"])
def test_a_missing_file_is_named(copied: Callable[[str], Path], name: str) -> None:
    folder = copied("mini")
    (folder / name).unlink()
    with pytest.raises(CheckpointNotFoundError, match=f"{name}: no such file"):
        load_dalle_bart(folder)


def test_a_file_cut_short_is_named(copied: Callable[[str], Path]) -> None:
    file = copied("mini") / "flax_model.msgpack"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(CheckpointError, match=r"flax_model\.msgpack: not a complete flax msgpack file"):
        load_dalle_bart(file.parent)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "\ud800", "[" * 100_000, '{"d_model": 1' + "0" * 5000 + "}"],
    ids=["empty", "cut", "list", "null", "not UTF-8", "deep", "long number"],
)
def test_a_config_that_is_no_object_is_named(copied: Callable[[str], Path], text: str) -> None:
    file = copied("mini") / "config.json"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(CheckpointError, match=r"config\.json: "):
        load_dalle_bart(file.parent)
