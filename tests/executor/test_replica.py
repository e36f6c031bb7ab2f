"""An engine that draws for bots elsewhere: what it says, and to whom."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from bot.code_version import code_version
from bot.engine.fake import FakeEngine, Faults, Gate
from bot.executor import replica as replica_module
from bot.executor.replica import Replica
from bot.executor.replicas import Accepted, Alive, Refused, ReplicaLostError, Sign
from bot.requests import Finished, GenerationRequest, Started

from .drive import PATIENCE_S, ask, soon


def replica(engine: FakeEngine) -> Replica:
    return Replica(lambda: engine, id="one", chunk_tokens=4)


async def test_a_job_is_accepted_drawn_and_forgotten() -> None:
    async with replica(FakeEngine(num_slots=2)) as one:
        signs = [sign async for sign in one.draw(ask(num_images=2), client="a bot")]
        assert signs[0] == Accepted("one", FakeEngine().info)
        assert Started() in signs
        assert isinstance(signs[-1], Finished)
        state = one.state()
        assert (state.id, state.version, state.load.num_slots, state.demand) == ("one", code_version(), 2, {})


async def test_what_waits_is_said_to_be_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_module, "ALIVE_S", 0.02)
    gate = Gate()
    async with replica(FakeEngine(gate=gate)) as one, aclosing(one.draw(ask(num_images=3), client="a bot")) as signs:
        async with asyncio.timeout(PATIENCE_S):
            async for sign in signs:
                if isinstance(sign, Alive):
                    break
        assert one.state().demand == {"a bot": 3}
        gate.open()


async def test_whoever_stops_reading_gives_its_slots_back() -> None:
    async with replica(FakeEngine(num_slots=1, image_length=40_000, delay_s=0.001)) as one:
        async with aclosing(one.draw(ask(), client="a bot")) as signs:
            async for sign in signs:
                if sign == Started():
                    break
        assert one.state().demand == {}
        quick = ask(image_tokens=[7] * 39_999)
        assert isinstance([sign async for sign in one.draw(quick, client="a bot")][-1], Finished)


async def test_a_job_that_is_asked_for_again_ends_for_whoever_asked_first() -> None:
    request = ask(num_images=2)
    gate = Gate()
    async with replica(FakeEngine(gate=gate)) as one:
        first = one.draw(request, client="a bot")
        while await anext(first) != Started():
            pass
        again = asyncio.create_task(_last(one, request))
        with pytest.raises(ReplicaLostError):
            await soon(_read_on(first))
        assert one.state().demand == {"a bot": 2}
        gate.open()
        assert isinstance(await soon(again), Finished)


async def _read_on(signs: AsyncGenerator[Sign]) -> None:
    async for _ in signs:
        pass


async def _last(one: Replica, request: GenerationRequest) -> Sign:
    return [sign async for sign in one.draw(request, client="a bot")][-1]


async def test_a_refused_prompt_is_the_last_sign() -> None:
    async with replica(FakeEngine(faults=Faults(refused_prompts=["unreadable"]))) as one:
        signs = [sign async for sign in one.draw(ask("unreadable"), client="a bot")]
        assert isinstance(signs[-1], Refused)
        assert isinstance(await one.text_vector("unreadable", timeout_s=PATIENCE_S), Refused)


async def test_an_engine_beyond_repair_is_lost() -> None:
    faults = Faults(raises={("step", 2): RuntimeError("boom"), ("reset", 1): RuntimeError("gone")})
    async with replica(FakeEngine(faults=faults)) as one:
        with pytest.raises(ReplicaLostError):
            [sign async for sign in one.draw(ask(), client="a bot")]
        for call in (one.check, one.state):
            with pytest.raises(ReplicaLostError, match="replica one has failed"):
                call()


async def test_an_engine_that_can_not_be_built_is_lost_at_once() -> None:
    def fail() -> FakeEngine:
        raise RuntimeError("no such file")

    with pytest.raises(ReplicaLostError, match="its log holds the reason"):
        async with Replica(fail, id="one", chunk_tokens=4):
            pass
