from pathlib import Path

import pytest

from bot.checkpoints.bundle import Bundle
from bot.engine.engine import JaxEngine
from tests.golden.sets import folders
from tests.golden.tiny_model import load_tiny_model, tiny_model

__all__ = ["folders", "tiny_model"]


@pytest.fixture(scope="session")
def bundle(tiny_model: Path) -> Bundle:
    return load_tiny_model(tiny_model)


@pytest.fixture(scope="session")
def compiled_engine(bundle: Bundle) -> JaxEngine:
    """One engine for all tests, since its programs take seconds to compile."""
    return JaxEngine(bundle, num_slots=5)


@pytest.fixture
def engine(compiled_engine: JaxEngine) -> JaxEngine:
    """The tiny model in five slots, all free."""
    compiled_engine.reset()
    return compiled_engine
