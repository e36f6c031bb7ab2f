"""The picture of a report, and what keeps it from being drawn."""

import builtins
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bot.bench.plot_file import check_plot
from bot.bench.serve_plot import plot_serve
from bot.bench.serve_report import PolicyRuns
from bot.errors import ConfigError
from tests.bench.test_serve_report import job, report, run


def test_a_report_becomes_a_picture(tmp_path: Path) -> None:
    file = tmp_path / "serve.png"
    check_plot(file)
    quick = run(job(1, 1.0), job(4, 2.0))
    plot_serve(replace(report(), policies={**report().policies, "static": PolicyRuns(quick, quick)}), file)
    with Image.open(file) as picture:
        assert picture.size == (1080, 840)
        pixels = np.asarray(picture.convert("RGB"))
    # Lines of both policies' colours, not empty axes.
    for colour in ((31, 119, 180), (255, 127, 14)):
        assert (pixels == colour).all(axis=-1).sum() > 100


def test_what_can_not_be_written_is_said_before_measuring(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--plot: .*serve\.jpg must end in \.png"):
        check_plot(tmp_path / "serve.jpg")
    with pytest.raises(ConfigError, match=r"--plot: there is no folder .*nowhere"):
        check_plot(tmp_path / "nowhere" / "serve.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ConfigError, match=r"--plot: .*folder\.png can't be written \("):
        plot_serve(report(), tmp_path / "folder.png")


def test_without_matplotlib_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install -e '\.\[plot\]'"):
        check_plot(tmp_path / "serve.png")
