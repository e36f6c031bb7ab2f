"""Whether tests on a Ray cluster may skip. No Ray is needed here."""

import json

import pytest

from .ray_modules import REQUIRED, ray_module

LACKING = "no_module_of_this_name"


def test_without_ray_a_test_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"{LACKING} can't be imported"):
        ray_module(LACKING)


def test_where_ray_is_required_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match=f"{LACKING} can't be imported.*{REQUIRED} is set"):
        ray_module(LACKING)
    assert ray_module("json") is json
