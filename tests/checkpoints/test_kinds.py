"""A folder in another one's place is recognised by what it holds."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.checkpoints.clip import load_clip
from bot.checkpoints.dalle_bart import load_dalle_bart
from bot.checkpoints.kinds import find_weights, kind_of_names
from bot.checkpoints.vqgan import load_vqgan
from bot.errors import CheckpointError, CheckpointMismatchError, CheckpointNotFoundError
from tests.golden.sets import GOLDEN, Folders

LOADERS: dict[str, Callable[[Path], object]] = {"DalleBart": load_dalle_bart, "VQGAN": load_vqgan, "CLIP": load_clip}


@pytest.fixture
def checkpoints(folders: Folders) -> dict[str, Path]:
    return {"DalleBart": folders("mini"), "VQGAN": folders("vqgan"), "CLIP": GOLDEN / "clip_tiny"}


@pytest.mark.parametrize("given", LOADERS)
@pytest.mark.parametrize("wanted", LOADERS)
def test_another_networks_folder(checkpoints: dict[str, Path], tmp_path: Path, given: str, wanted: str) -> None:
    if given == wanted:
        LOADERS[wanted](checkpoints[given])
        return
    with pytest.raises(CheckpointMismatchError) as caught:
        LOADERS[wanted](checkpoints[given])
    file = checkpoints[given] / "config.json"
    assert str(caught.value) == f"{file}: this seems to be {given}'s configuration; {wanted}'s belongs here."

    shutil.copy(checkpoints[wanted] / "config.json", tmp_path)
    shutil.copy(checkpoints[given] / "flax_model.msgpack", tmp_path)
    with pytest.raises(CheckpointMismatchError) as caught:
        LOADERS[wanted](tmp_path)
    file = tmp_path / "flax_model.msgpack"
    assert str(caught.value) == f"{file}: these seem to be {given}'s weights; {wanted}'s belong here."


@pytest.mark.parametrize("load", LOADERS.values(), ids=list(LOADERS))
def test_a_model_of_another_type(tmp_path: Path, load: Callable[[Path], object]) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bart"}', "utf-8")
    with pytest.raises(CheckpointMismatchError, match=r"this seems to be another model \(bart\)'s configuration"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["encoder.embed_tokens.weight", "lm_head.weight"], "a PyTorch DalleBart or another BART"),
        (["decoder.layers.0.fc0.weight"], "a PyTorch DalleBart or another BART"),
        (["quantize.embedding.weight", "decoder.conv_in.weight"], "a PyTorch VQGAN"),
        (["model/encoder/layers/0/fc1/kernel"], "another BART"),
        (["opt_state/0/count", "params/model/decoder/final_ln/bias"], "a training run (with its optimizer's state)"),
        (["blocks/0/weight"], None),
        ([], None),
    ],
)
def test_kinds_by_names(names: list[str], kind: str | None) -> None:
    assert kind_of_names(names) == kind


@pytest.mark.parametrize("name", ["pytorch_model.bin", "last.ckpt", "encoder.pt", "model.pth", "model.PKL"])
def test_pickles_in_place_of_weights_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(CheckpointError) as caught:
        find_weights(tmp_path, ("flax_model.msgpack", "model.safetensors"))
    assert str(caught.value) == (
        f"{tmp_path}: {name} is there, but pickles are never read, since loading one runs its code. Fetch "
        "flax_model.msgpack or model.safetensors (`dalle-bot fetch mini` or `dalle-bot fetch mega`, say, takes the "
        "right files)."
    )


def test_weights_that_this_network_does_not_read(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"model\.safetensors is there, but it is not read for this network\."):
        find_weights(tmp_path, ("flax_model.msgpack",))


def test_no_weights_at_all(tmp_path: Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match=r"flax_model\.msgpack: no such file\. Fetch flax_model\.msgpack"):
        find_weights(tmp_path, ("flax_model.msgpack",))
