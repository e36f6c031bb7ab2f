"""Plays a plan of faults: before each interaction, what the plan says. Event loop of the sandbox only."""

from collections import Counter
from typing import Final

from bot.sandbox.fault_plan import FaultPlan
from bot.sandbox.mishaps import Mishaps
from bot.sandbox.refusals import Refusal, Refusals

NEEDS_NO_NAME: Final = "general"


class FaultInjector:
    """Without a plan nothing goes wrong."""

    def __init__(self, mishaps: Mishaps, refusals: Refusals) -> None:
        self._mishaps = mishaps
        self._refusals = refusals
        self._plan: FaultPlan | None = None
        self._number = 0
        self._happened: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """What has gone wrong so far, by kind: with requests only what has met one."""
        return dict(self._happened + self._refusals.counts)

    def follow(self, plan: FaultPlan | None) -> None:
        """Plays that plan from its beginning; None ends all faults but those that wait for their request."""
        self._plan, self._number = plan, 0

    def next_interaction(self) -> None:
        """An interaction is about to be delivered."""
        if self._plan is None:
            return
        faults = self._plan.before(self._number)
        self._number += 1
        for fault in faults:
            if isinstance(fault, Refusal):
                self._refusals.add(fault)
            else:
                self._happened[fault] += 1
                self._mishaps.happen(fault, NEEDS_NO_NAME, "")
