"""Loss curves: one picture from the files that the loop writes."""

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.demo.plot import plot_losses
from bot.errors import ConfigError


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for name, metrics in (("vqgan", {"loss": 0.5, "psnr": 20.0}), ("clip", {"loss": 2.0})):
        rows = [json.dumps({"step": step, **metrics}) for step in range(3)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path


def test_every_stage_gets_its_axes(work: Path) -> None:
    (work / "clip.jsonl").rename(work / "aside")
    one = plot_losses(work)
    with Image.open(one) as picture:
        width, height = picture.size
    (work / "aside").rename(work / "clip.jsonl")
    assert plot_losses(work) == one == work / "losses.png"
    with Image.open(one) as picture:
        assert picture.size == (width, 2 * height)


def test_without_matplotlib_it_says_how_to_get_it(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"\.\[plot\]"):
        plot_losses(work)
