"""`dalle-bot train-demo`: what is refused before anything is trained."""

from pathlib import Path

import pytest

from bot.demo import train
from tests.command_line import Call, Outcome, call, clean_surroundings

__all__ = ["call", "clean_surroundings"]


@pytest.fixture(autouse=True)
def _nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_stage(*_: object) -> None:
        raise AssertionError("a stage began")

    monkeypatch.setattr(train, "run_stage", run_stage)
    monkeypatch.setattr(train, "use_every_core", lambda: None)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--data", "nowhere"], "--data: the folder nowhere can't be read"),
        (["--data", "few"], "--data: few has 0 pictures with captions, and a training needs at least 20"),
        (["--stage", "clip"], "--stage clip: it learns from a finished VQGAN, and demo-training has none."),
        (["--stage", "dalle-bart", "--work", "w"], "--stage dalle-bart: it learns from a finished VQGAN, and w has no"),
        (["--stage", "vqgan", "--evaluate", "1"], "--evaluate judges a whole model"),
        (["--data", "few", "--evaluate", "1"], "--evaluate judges a whole model"),
        (["--out", "file"], "--out: the folder file can't be made"),
        (["--stage", "gan"], "'gan' is not one of 'vqgan', 'dalle-bart', 'clip'"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_trained(call: Call, options: list[str], complaint: str) -> None:
    Path("few").mkdir()
    Path("file").write_text("", encoding="utf-8")
    outcome = call("train-demo", *options)
    assert (outcome.code, outcome.out) == (2, "")
    assert complaint in " ".join(outcome.err.split())


def test_a_training_goes_on_with_its_own_pictures_only(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "SIZE_PX", 64)
    with pytest.raises(AssertionError, match="a stage began"):
        call("train-demo")
    monkeypatch.setattr(train, "SIZE_PX", 128)
    outcome = call("train-demo")
    assert outcome == Outcome(
        2,
        "",
        "dalle-bot: --data: demo-training began with the demo's own pictures, which have changed since; name another "
        "folder for --work.\n",
    )
