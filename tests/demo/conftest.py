"""What tests of the training share."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture
def unoptimised() -> Iterator[None]:
    """For programs that run once or twice: XLA translates them without making them fast."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
