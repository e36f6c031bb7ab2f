"""Finds past pictures by what they show: CLIP's vector of a text against the stored vectors of pictures. Event loop.

Vectors are read in pages and compared on a worker thread, so a search of any length takes the memory of one page.
"""

import asyncio
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bot.errors import StoreError
from bot.executor.base import Executor
from bot.store import ImageKey, Scope, VectorStore
from bot.store.images import FLOAT16

MAX_FOUND: Final = 60
MAX_SEARCHED: Final = 100_000
TEXT_TIMEOUT_S: Final = 30.0
SEARCH_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Found:
    """keys: the best picture of each of the best results, best first. is_cut: there are more pictures than
    MAX_SEARCHED, the newest, which were looked at."""

    keys: tuple[ImageKey, ...]
    is_cut: bool = False


class GallerySearch:
    """Searches."""

    def __init__(self, vectors: VectorStore, executor: Executor) -> None:
        self._vectors = vectors
        self._executor = executor

    async def find(self, prompt: str, scope: Scope, *, is_favourites: bool = False) -> Found:
        """Raises NotReadyError, JobFailedError or ExecutorClosedError, as Executor.text_vector does, and StoreError."""
        text = await self._executor.text_vector(prompt, timeout_s=TEXT_TIMEOUT_S)
        best = BestResults(text.vector)
        num_searched = 0
        try:
            async with asyncio.timeout(SEARCH_TIMEOUT_S):
                page = await self._vectors.page(scope, model=text.model, is_favourites=is_favourites)
                while True:
                    await asyncio.to_thread(best.add, page.rows)
                    num_searched += len(page.rows)
                    if page.last is None or num_searched >= MAX_SEARCHED:
                        return Found(best.keys(), is_cut=page.last is not None)
                    page = await self._vectors.page(
                        scope, model=text.model, is_favourites=is_favourites, after=page.last
                    )
        except TimeoutError as error:
            raise StoreError(f"The pictures could not be searched within {SEARCH_TIMEOUT_S:g} s.") from error


class BestResults:
    """The MAX_FOUND results whose best picture is nearest to a vector, float32 [projection_dim] of unit length."""

    def __init__(self, vector: npt.NDArray[np.float32]) -> None:
        self._vector = vector
        self._best: list[tuple[float, ImageKey]] = []

    def add(self, rows: Sequence[tuple[str, int, bytes]]) -> None:
        """Compares pictures: job id, rank and float16 vector of each; all those of a job in one call.

        Vectors of another length are left out: a folder of weights may have been replaced under the same name.
        """
        num_bytes = len(self._vector) * FLOAT16.itemsize
        rows = [row for row in rows if len(row[2]) == num_bytes]
        stacked = np.frombuffer(b"".join(vector for _, _, vector in rows), FLOAT16).astype(np.float32)
        scores = stacked.reshape(len(rows), len(self._vector)) @ self._vector
        best: dict[str, tuple[float, ImageKey]] = {}
        for place in np.argsort(-scores, kind="stable"):
            job_id, rank, _ = rows[place]
            best.setdefault(job_id, (float(scores[place]), (job_id, rank)))
            if len(best) == MAX_FOUND:
                break
        self._best = heapq.nlargest(MAX_FOUND, [*self._best, *best.values()], key=lambda each: each[0])

    def keys(self) -> tuple[ImageKey, ...]:
        """The best first."""
        return tuple(key for _, key in self._best)
