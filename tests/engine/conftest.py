from collections.abc import Iterator
from pathlib import Path

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from bot.checkpoints.bundle import Bundle
from bot.engine.engine import JaxEngine
from tests.golden.sets import folders
from tests.golden.tiny_model import load_tiny_model, tiny_model

__all__ = ["folders", "tiny_model"]


_CONFIGURED = (
    "jax_default_device",
    "jax_platforms",
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
    "jax_raise_persistent_cache_errors",
    "jax_enable_compilation_cache",
)


@pytest.fixture
def jax_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What opening an engine sets for the whole process, as it was."""
    # Deleted again with the test, whoever sets it in between.
    monkeypatch.setenv("XLA_CLIENT_MEM_FRACTION", "0.5")
    before = {name: getattr(jax.config, name) for name in _CONFIGURED}
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


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
