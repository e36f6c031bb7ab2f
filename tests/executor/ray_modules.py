"""Modules that need the extra `ray`, for the tests with the marker `ray`."""

import importlib
import os
import warnings
from typing import Any, Final

import pytest

REQUIRED: Final = "DALLE_BOT_REQUIRE_RAY"


def ray_module(name: str) -> Any:
    """Without Ray it skips the test, or fails it where REQUIRED is set, as .ci/run does: a step that skips everything
    looks like one that has passed."""
    try:
        with warnings.catch_warnings():
            # Ray's own import warns of what pydantic is going to drop.
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError as error:
        sentence = f"{name} can't be imported ({error}); `pip install -e '.[ray]'`"
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{sentence}. {REQUIRED} is set")
    pytest.skip(sentence)
