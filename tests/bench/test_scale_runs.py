"""What `bench scale` measures of engines, on fake ones and with processes that only answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.bench import bare_engine
from bot.bench.chat_bot import dump_settings
from bot.bench.line_process import Answer, LineProcess, Order
from bot.bench.scale_runs import NUM_REPLICAS, SOLO_JOBS, TwoReplicas, measure_bare
from bot.bench.serve_load import plan_arrivals
from bot.config import Settings
from bot.engine.fake import FakeEngine
from bot.startup import StartUp
from tests.executor.near import near

DELAY_S = 0.002
JOBS = 12


def fake() -> FakeEngine:
    return FakeEngine(num_slots=9, image_length=16, delay_s=DELAY_S)


async def test_two_replicas_are_measured_and_played() -> None:
    start_up = StartUp()
    async with near(fake, num_replicas=NUM_REPLICAS, max_jobs_per_user=64) as (executor, replicas):
        two = TwoReplicas(executor, replicas, start_up)
        facts, compared = await two.measure(JOBS, seed=0)
    assert list(start_up.seconds) == ["warm up", "one after the other", "all at once", "as they arrive"]
    assert (facts.num_slots, facts.image_length, facts.chunk_tokens) == (9, 16, 4)
    # A chunk takes no less than its delay.
    assert all(seconds >= DELAY_S / 4 for _, seconds in facts.pace.measured)
    assert two.alone_s >= 4 * DELAY_S
    assert 0.0 < two.images_per_s <= NUM_REPLICAS * 9 / (4 * DELAY_S)
    assert [each.name for each in compared] == ["images a second, all at once", "mean seconds of a job, as they arrive"]
    assert compared[0].measured == two.images_per_s
    assert all(each.measured > 0.0 and each.simulated > 0.0 for each in compared)
    # Those of 1, 4 and 9 images, drawn by both.
    assert {len(result.images) for result in two.results} == {1, 4, 9}
    assert {replica_id for _, replica_id in replicas.drawn_by} == {"replica 0", "replica 1"}
    assert len(replicas.drawn_by) == 2 * SOLO_JOBS + SOLO_JOBS + 2 * JOBS


async def test_an_engine_in_a_process_of_its_own_draws_its_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(bare_engine, "engine_factory", lambda settings, start_up: fake)
    monkeypatch.setattr(bare_engine, "on_own_core", lambda factory, claims: factory)
    async with AsyncExitStack() as stack:
        bare = bare_engine._Bare(stack)
        dumped = dump_settings(settings)
        assert await bare.handle({"do": "open", "settings": dumped, "claims": str(tmp_path)}) == {}
        alone = await bare.handle({"do": "alone", "jobs": 3, "seed": 1})
        assert alone["mean_s"] >= DELAY_S
        drawn = [
            await bare.handle({"do": "draw", "jobs": JOBS, "seed": 2, "part": part, "parts": 2}) for part in (0, 1)
        ]
        with pytest.raises(ValueError, match="'dance' is no order"):
            await bare.handle({"do": "dance"})
    planned = sum(arrival.request.num_images for arrival in plan_arrivals(JOBS, 2))
    assert sum(each["images"] for each in drawn) == planned
    assert all(each["images"] > 0 and each["seconds"] > 0 for each in drawn)


@dataclass
class Servant:
    """In a LineProcess's place. seconds: that its part takes."""

    seconds: float
    orders: list[Order] = field(default_factory=list)

    async def ask(self, order: Order, timeout_s: float) -> Answer:
        self.orders.append(order)
        await asyncio.sleep(0)
        return {"open": {}, "alone": {"mean_s": 0.5}, "draw": {"images": 30, "seconds": self.seconds}}[order["do"]]


async def test_two_bare_engines_draw_what_two_replicas_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    servants = [Servant(10.0), Servant(12.0)]
    started: list[str] = []

    @asynccontextmanager
    async def start(name: str, module: str, log: Path) -> AsyncIterator[Servant]:
        started.append(module)
        yield servants[len(started) - 1]

    monkeypatch.setattr(LineProcess, "start", start)
    bare = await measure_bare(settings, tmp_path, num_jobs=JOBS, seed=5, start_up=StartUp())
    # The slower one tells when all is drawn.
    assert (bare.images_per_s, bare.alone_s) == (60 / 12.0, 0.5)
    assert started == ["bot.bench.bare_engine"] * 2
    first, second = (servant.orders for servant in servants)
    assert [order["do"] for order in first] == ["open", "alone", "alone", "draw"]
    assert [order["do"] for order in second] == ["open", "alone", "draw"]
    # As TwoReplicas: the job alone and all at once have its seeds.
    assert (first[2]["jobs"], first[2]["seed"]) == (SOLO_JOBS, 6)
    assert [(order["part"], order["parts"], order["jobs"], order["seed"]) for order in (first[3], second[2])] == [
        (0, 2, JOBS, 7),
        (1, 2, JOBS, 7),
    ]
