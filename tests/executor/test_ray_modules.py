"""Whether tests on a Ray cluster may skip. No Ray is needed here."""

import json
from pathlib import Path

import pytest

from .ray_modules import REQUIRED, ray_module

LACKING = "no_module_of_this_name"


def test_without_ray_a_test_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"{LACKING} can't be imported"):
        ray_module(LACKING)


def test_a_module_that_warns_is_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As Ray does, of what pydantic is going to drop; here each warning is an error."""
    (tmp_path / "module_that_warns.py").write_text("import warnings\nwarnings.warn('Old.', DeprecationWarning)\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert ray_module("module_that_warns").__name__ == "module_that_warns"


def test_where_ray_is_required_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match=f"{LACKING} can't be imported.*{REQUIRED} is set"):
        ray_module(LACKING)
    assert ray_module("json") is json
