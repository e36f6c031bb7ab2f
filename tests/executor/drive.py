"""How the tests here make requests and read streams. Every wait is bounded."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from bot.engine.base import ModelInfo
from bot.engine.fake import Gate, expected_image
from bot.errors import JobError
from bot.executor.base import UpdateStream
from bot.requests import Finished, GenerationRequest, Result, Update

PATIENCE_S = 15.0

T = TypeVar("T")


def ask(prompt: str = "a red circle", num_images: int = 1, **changes: Any) -> GenerationRequest:
    """A request of ann's with seed 0, but for the `changes`. image_tokens may be any iterable."""
    known: dict[str, Any] = {"seed": 0, "requester": "ann"} | changes
    return GenerationRequest(prompt, num_images, **known | {"image_tokens": tuple(known.get("image_tokens", ()))})


async def soon(awaitable: Awaitable[T]) -> T:
    async with asyncio.timeout(PATIENCE_S):
        return await awaitable


async def at_gate(gate: Gate, count: int) -> None:
    await asyncio.to_thread(gate.await_arrivals, count)


@dataclass(frozen=True)
class Outcome:
    """All that a stream gave. Exactly one of `error` and a Finished at the end of `updates` is there."""

    updates: list[Update]
    error: JobError | None

    @property
    def result(self) -> Result:
        assert self.error is None, self.error
        last = self.updates[-1]
        assert isinstance(last, Finished)
        return last.result


async def read(stream: UpdateStream, *, patience_s: float = PATIENCE_S) -> Outcome:
    """Reads a stream to its end and checks that it has exactly one."""
    updates: list[Update] = []
    error: JobError | None = None
    async with asyncio.timeout(patience_s):
        try:
            async for update in stream:
                updates.append(update)  # noqa: PERF401 - what came before an error counts
        except JobError as raised:
            error = raised
    num_ends = sum(isinstance(update, Finished) for update in updates) + (error is not None)
    assert num_ends == 1, (updates, error)
    return Outcome(updates, error)


def check_result(result: Result, request: GenerationRequest, info: ModelInfo) -> None:
    """Asserts that every image is the one of (prompt, seed, index), and that they are sorted."""
    assert result.request is request
    assert sorted(image.index for image in result.images) == list(range(request.num_images))
    order = [(-image.score, image.index) for image in result.images]
    assert order == sorted(order)
    for image in result.images:
        expected = expected_image(
            request.prompt,
            request.seed,
            image.index,
            image_length=info.image_length,
            image_size_px=info.image_size_px,
            image_tokens=request.image_tokens,
        )
        assert image.score == expected.score
        np.testing.assert_array_equal(image.image_tokens, expected.image_tokens)
        np.testing.assert_array_equal(image.pixels, expected.pixels)
