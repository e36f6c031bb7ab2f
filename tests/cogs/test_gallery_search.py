"""Searching past pictures by what they show: the ranking by itself, and /gallery prompt in a sandbox."""

import asyncio
import threading
from collections.abc import Sequence
from unittest.mock import AsyncMock, MagicMock

import numpy as np
import pytest

from bot.cogs import gallery_search
from bot.cogs.gallery_search import MAX_FOUND, BestResults, Found, GallerySearch
from bot.engine.base import Engine
from bot.engine.fake import FakeEngine, Gate
from bot.errors import StoreError
from bot.executor.base import Executor, TextVector
from bot.store import JobState, Scope, VectorStore
from bot.store.images import FLOAT16
from bot.store.vectors import VectorPage, VectorPlace
from tests.cogs.test_cancelling import answer_alone
from tests.cogs.test_gallery import draw, engine, look, prompts
from tests.conftest import OpenStage, eventually

SCOPE = Scope(1, 2, frozenset({3}))
NORTH = np.array([0, 1], np.float32)


def row(job_id: str, rank: int, *vector: float) -> tuple[str, int, bytes]:
    return job_id, rank, np.array(vector, FLOAT16).tobytes()


def test_the_best_picture_of_each_result_best_first() -> None:
    best = BestResults(NORTH)
    best.add([row("a", 1, 1, 0), row("a", 2, 0.6, 0.8), row("b", 1, 0, -1), row("b", 2, 0.8, 0.6)])
    best.add([row("c", 1, 0, 1)])
    best.add([])
    assert best.keys() == (("c", 1), ("a", 2), ("b", 2))


def test_no_more_than_fit_are_kept_whatever_their_order() -> None:
    angles = np.random.default_rng(0).permutation(np.linspace(0, 3, 200))
    best = BestResults(NORTH)
    for start in range(0, 200, 50):
        best.add([row(f"{a:.3f}", 1, np.sin(a), np.cos(a)) for a in angles[start : start + 50]])
    assert best.keys() == tuple((f"{a:.3f}", 1) for a in sorted(angles)[:MAX_FOUND])


def test_vectors_of_another_length_are_left_out() -> None:
    best = BestResults(NORTH)
    best.add([row("a", 1, 0, 0, 1), row("b", 1, 1), row("c", 1, 1, 0)])
    assert best.keys() == (("c", 1),)
    best.add([row("d", 1, 1)])
    assert best.keys() == (("c", 1),)


def search_over(pages: Sequence[VectorPage]) -> tuple[GallerySearch, MagicMock]:
    vectors = MagicMock(spec=VectorStore, page=AsyncMock(side_effect=pages))
    executor = MagicMock(spec=Executor, text_vector=AsyncMock(return_value=TextVector("demo", NORTH)))
    return GallerySearch(vectors, executor), vectors


def page_of(*rows: tuple[str, int, bytes], is_last: bool = False) -> VectorPage:
    return VectorPage(rows, None if is_last else MagicMock(spec=VectorPlace))


async def test_every_page_is_looked_at_with_the_models_name() -> None:
    pages = [page_of(row("a", 1, 1, 0)), page_of(), page_of(row("b", 1, 0, 1), is_last=True)]
    search, vectors = search_over(pages)
    assert await search.find("a red circle", SCOPE) == Found((("b", 1), ("a", 1)))
    assert [call.kwargs.get("after") for call in vectors.page.await_args_list] == [None, pages[0].last, pages[1].last]
    assert {call.kwargs["model"] for call in vectors.page.await_args_list} == {"demo"}


async def test_a_search_ends_after_so_many_pictures_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_search, "MAX_SEARCHED", 2)
    search, vectors = search_over([page_of(row("a", 1, 1, 0)), page_of(row("b", 1, 0, 1)), page_of(is_last=True)])
    assert await search.find("a red circle", SCOPE) == Found((("b", 1), ("a", 1)), is_cut=True)
    assert vectors.page.await_count == 2


async def test_a_search_takes_no_longer_than_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_search, "SEARCH_TIMEOUT_S", 0.01)
    search, vectors = search_over([])

    async def slow(*_: object, **__: object) -> VectorPage:
        await asyncio.sleep(10)
        raise AssertionError

    vectors.page = slow
    with pytest.raises(StoreError, match="could not be searched within"):
        await search.find("a red circle", SCOPE)


async def test_pictures_are_found_by_what_they_show(open_stage: OpenStage) -> None:
    """The fake engine's text of n characters is nearest to the picture of index n % 9."""
    async with open_stage(engine) as stage:
        for count in (1, 9, 4):
            await draw(stage, f"images {count}", f"images:{count}")
        page = await look(stage, "/gallery prompt:123")
        assert page.text.startswith("Pictures of this server, the nearest to “123” first\n")
        ranked = prompts(page)
        assert set(ranked[:2]) == {"images 4", "images 9"}
        assert ranked[2] == "images 1"
        page = await look(stage, "/gallery prompt:12345678")
        assert prompts(page) == ["images 9", "images 4", "images 1"]
        nine = await stage.app.store.images.of(stage.job_ids[1])
        (rank,) = [image.rank for image in nine if image.index == 8]
        assert f"Picture {rank} of 9 · " in (await stage.answer("choose 1. images 9")).text


async def test_what_was_found_stays_the_same_while_pages_are_turned(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        for number in range(7):
            await draw(stage, f"number {number}", "images:1")
        first = await look(stage, "/gallery prompt:a circle")
        assert len(prompts(first)) == 6
        assert first.text.endswith("[Nearer (off)] [Farther]")
        await draw(stage, "newer", "images:9")
        gone = stage.job_ids[[f"number {n}" for n in range(7)].index(prompts(first)[0])]
        await stage.app.store.jobs.delete(gone)
    async with open_stage(engine) as stage:
        last = await look(stage, "click Farther")
        assert len(prompts(last)) == 1
        assert last.text.endswith("[Nearer] [Farther (off)]")
        again = await look(stage, "click Nearer")
        assert prompts(again) == prompts(first)[1:]
        for job_id in stage.job_ids[:7]:
            await stage.app.store.jobs.delete(job_id)
        assert "What was here was deleted" in (await look(stage, "click Farther")).text


async def test_only_what_the_asker_may_see_is_searched(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        await stage.play("as moderator")
        await stage.play("in staff")
        await draw(stage, "for the staff")
        await stage.play("in general")
        await draw(stage, "a secret", "images:1 private:true")
        assert len(prompts(await look(stage, "/gallery prompt:a circle"))) == 2
        await stage.play("as alice")
        assert prompts(await look(stage, "/gallery prompt:a circle")) == []


async def test_a_search_among_favourites_and_of_one_member(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        first = await draw(stage, "first", "images:3")
        await draw(stage, "second", "images:3")
        await stage.app.store.favourites.add(first.user_id, first.id, 2)
        page = await look(stage, "/gallery prompt:a circle favourites:true")
        assert prompts(page) == ["first"]
        assert "(picture: Picture 2 of 3 of: first)" in page.text
        assert prompts(await look(stage, "/gallery prompt:a circle user:bob")) == []


async def test_pictures_of_another_model_are_not_compared(open_stage: OpenStage) -> None:
    other = engine()
    object.__setattr__(other.info, "name", "other")
    async with open_stage(engine) as stage:
        await draw(stage, "old")
    async with open_stage(lambda: other) as stage:
        await draw(stage, "new")
        assert prompts(await look(stage, "/gallery prompt:a circle")) == ["new"]
        assert prompts(await look(stage)) == ["new", "old"]


async def test_a_search_while_the_model_loads_is_a_sentence(open_stage: OpenStage) -> None:
    may_load = threading.Event()

    def load() -> Engine:
        assert may_load.wait(30)
        return engine()

    async with open_stage(load) as stage:
        said = (await stage.play("/gallery prompt:a circle"))[-1]
        assert said.is_ephemeral
        assert said.text == "The model is still loading. Try again in a minute."
        may_load.set()
        await eventually(lambda: stage.app.executor.status.info is not None)
        assert prompts(await look(stage, "/gallery prompt:a circle")) == []


async def test_a_search_that_the_model_is_too_busy_for_is_a_sentence(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery_search, "TEXT_TIMEOUT_S", 0.05)
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.begin_running("/imagine prompt:a red circle images:1", player="another")
        said = (await stage.play("/gallery prompt:a circle"))[-1]
        assert said.text == "The model is too busy to read this now. Try again in a minute."
        gate.open()
        await stage.job(JobState.DELIVERED)


async def test_a_text_without_words_is_refused(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        assert "has no letters or digits" in await answer_alone(stage, "/gallery prompt:?!")
