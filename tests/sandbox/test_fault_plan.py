"""Plans of faults: reproducible, of every kind, and played before interactions."""

from collections import Counter

import pytest

from bot.sandbox import LineError, Refusal, Sandbox
from bot.sandbox.fault_injector import FaultInjector
from bot.sandbox.fault_plan import CALLBACK, FaultPlan
from bot.sandbox.mishaps import Mishaps
from bot.sandbox.refusals import Refusals
from tests.sandbox.tiny_bot import TinyBot

NUMBERS = range(3000)


def test_a_plan_follows_from_its_seed() -> None:
    plan = FaultPlan(1)
    assert [plan.before(n) for n in NUMBERS] == [FaultPlan(1).before(n) for n in NUMBERS]
    assert [plan.before(n) for n in NUMBERS] != [FaultPlan(2).before(n) for n in NUMBERS]
    assert not any(FaultPlan(1, share=0.0).before(n) for n in NUMBERS)
    assert all(FaultPlan(1, share=1.0).before(n) for n in NUMBERS)
    hit = sum(bool(plan.before(n)) for n in NUMBERS) / len(NUMBERS)
    assert 0.25 < hit < 0.35


def test_a_plan_has_every_kind() -> None:
    faults = [fault for n in NUMBERS for fault in FaultPlan(1).before(n)]
    kinds = Counter(fault.kind if isinstance(fault, Refusal) else fault for fault in faults)
    assert {
        "429",
        "429 global",
        "500",
        "502",
        "503",
        "500 after it was applied",
        "502 after it was applied",
        "connection dropped",
        "connection frozen for a while",
        "connection refused",
        "connection reset after it was applied",
        "connection reset in mid-upload",
        "hang-up before the greeting",
        "identify refused",
        "reconnect requested",
        "resume postponed",
        "resume refused",
        "session interrupted",
        "session invalidated",
        "slow answer",
    } == set(kinds)


class NoMishaps(Mishaps):
    def __init__(self) -> None:
        self.happened: list[str] = []

    def happen(self, what: str, name: str, permission: str) -> None:
        self.happened.append(what)


def test_an_injector_plays_its_plan_and_counts() -> None:
    mishaps, refusals = NoMishaps(), Refusals()
    injector = FaultInjector(mishaps, refusals)
    injector.next_interaction()
    plan = FaultPlan(1, share=1.0)
    injector.follow(plan)
    for _ in range(50):
        injector.next_interaction()
    planned = [fault for n in range(50) for fault in plan.before(n)]
    assert mishaps.happened == [fault for fault in planned if isinstance(fault, str)]
    first = next(f for f in planned if isinstance(f, Refusal) and (f.method, f.template) == CALLBACK and f.status)
    taken = refusals.take(*CALLBACK, 0)
    assert taken is not None
    assert taken.kind == first.kind
    assert injector.counts == Counter(mishaps.happened) + Counter([first.kind])
    injector.follow(None)
    injector.next_interaction()
    assert len(mishaps.happened) == len([fault for fault in planned if isinstance(fault, str)])


async def test_a_player_switches_faults_on_and_off(sandbox: Sandbox, bot: TinyBot) -> None:
    with pytest.raises(LineError, match="is no permission"):
        await sandbox.play("happens permission revoked")
    assert (await sandbox.play("happens reconnect requested"))[-1].text == "reconnect requested"
    seed = next(seed for seed in range(1000) if _first(seed) == "500")
    assert (await sandbox.play(f"faults {seed}"))[-1].text == "faults from now on"
    await sandbox.play("/echo text:hi", timeout_s=5)
    assert (await sandbox.play("faults off"))[-1].text == "no more faults"
    callbacks = [exchange.status for exchange in sandbox.requests if exchange.path_template == CALLBACK[1]]
    assert callbacks == [500, 200]


def _first(seed: int) -> str | None:
    """What a plan begins with, if that meets the first answer to a command, once."""
    for fault in FaultPlan(seed).before(0):
        if isinstance(fault, Refusal) and (fault.method, fault.template, fault.times) == (*CALLBACK, 1):
            return fault.kind
    return None
