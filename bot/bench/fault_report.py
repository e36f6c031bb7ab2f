"""What `bench chat --faults` found: the figures of `bench chat`, the faults that came, and goals of its own. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from bot.bench.chat_accounts import Outcome
from bot.bench.chat_report import MAX_EXAMPLES, ChatReport
from bot.bench.goal_table import Row

KILLED: Final = "bot killed and started anew"
_GOALS: Final = frozenset({"lost", "doubled", "wrong"})  # of those of `bench chat`


@dataclass(frozen=True)
class FaultReport(ChatReport):
    """One soak. faults: kind → how often it came. store_problems: see fault_store.py."""

    faults: Mapping[str, int] = field(default_factory=dict)
    store_problems: tuple[str, ...] = ()

    def _misses(self) -> Iterator[str]:
        """What is slow or refused while everything fails is no miss; what is lost is."""
        for number, what in (
            (self.count(Outcome.LOST), "lost"),
            (sum(account.is_doubled for account in self.accounts), "doubled"),
            (len(self.wrong), "wrong"),
            (len(self.store_problems), "problems of the store"),
        ):
            if number:
                yield f"{number} {what}; the goal is none."
        if not self.jobs:
            yield "no command became a job."

    def _rows(self) -> Iterable[Row]:
        for label, key, form, goal in super()._rows():
            yield label, key, form, goal if key in _GOALS else ""
        yield "problems of the store", "store_problems", "{}".format, "0"

    def to_json(self) -> dict[str, Any]:
        """As its base, with the faults."""
        lost = [account.sent.prompt for account in self.accounts if account.outcome is Outcome.LOST]
        return super().to_json() | {
            "faults": dict(sorted(self.faults.items())),
            "faults_injected": sum(self.faults.values()),
            "store_problems": len(self.store_problems),
            "store_examples": self.store_problems[:MAX_EXAMPLES],
            "lost_examples": lost[:MAX_EXAMPLES],
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from super().__rich_console__(console, options)
        table = Table(title=f"{sum(self.faults.values())} faults, of seed {self.plan.seed}", min_width=60)
        table.add_column("fault")
        table.add_column("times", justify="right")
        for kind, number in sorted(self.faults.items()):
            table.add_row(kind, str(number))
        yield table
        yield from self.store_problems[:MAX_EXAMPLES]
