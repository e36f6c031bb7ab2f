"""The real engine after its device failed: what it draws then is what it would have drawn."""

import jax
import numpy as np
import pytest
from jax.errors import JaxRuntimeError

from bot.engine.engine import JaxChunk, JaxEngine
from tests.executor.drive import ask
from tests.executor.play import Play

from .test_engine import RED

OUT_OF_MEMORY = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes."


@pytest.mark.fault
def test_a_device_without_memory_loses_its_state_and_no_picture(
    engine: JaxEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask(RED.prompt, 2, seed=3)
    expected = Play(request).run(engine).result(0)
    step, num_steps = engine.step, 0

    def fail_once(num_tokens: int) -> JaxChunk:
        nonlocal num_steps
        num_steps += 1
        if num_steps == 2:
            # What a donated state is after a dispatch that failed.
            for leaf in jax.tree.leaves(engine._state):
                leaf.delete()
            raise JaxRuntimeError(OUT_OF_MEMORY)
        return step(num_tokens)

    monkeypatch.setattr(engine, "step", fail_once)
    drawn = Play(request).run(engine).result(0)
    assert num_steps > 3
    for image, same in zip(drawn.images, expected.images, strict=True):
        np.testing.assert_array_equal(image.image_tokens, same.image_tokens)
