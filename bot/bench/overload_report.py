"""What `bench overload` found: figures, goals, and how they are told. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult

from bot.bench.chat_accounts import Outcome
from bot.bench.chat_report import ChatReport
from bot.bench.goal_table import goal_table
from bot.sandbox.interactions import ACKNOWLEDGE_S

MAX_GROWTH: Final = 0.05
_MIB: Final = 2**20


@dataclass(frozen=True)
class OverloadReport:
    """chat: what the members saw. times: the load that was wanted, as a multiple of `capacity`, which is in commands a
    second. memory: of the bot's process, (seconds of time.monotonic, bytes), in order; empty where nobody could look.
    """

    chat: ChatReport
    times: float
    capacity: float
    memory: Sequence[tuple[float, int]]

    @property
    def memory_while_sending(self) -> list[tuple[float, int]]:
        """(seconds since the first command, bytes)."""
        record = self.chat.record
        return [(at_s - record.began_s, size) for at_s, size in self.memory if record.began_s <= at_s <= record.ended_s]

    @property
    def growth(self) -> float | None:
        """Of the memory, from the second fifth of the time, when every queue is full, to the last one, as a share."""
        sizes = [size for _, size in self.memory_while_sending]
        fifth = len(sizes) // 5
        if not fifth:
            return None
        return float(np.median(sizes[-fifth:]) / np.median(sizes[fifth : 2 * fifth])) - 1.0

    def misses(self) -> list[str]:
        """The goals that were missed, a sentence each."""
        return list(self._misses())

    def _misses(self) -> Iterator[str]:
        slowest = max(self.chat.ack_s, default=None)
        if slowest is None or slowest >= ACKNOWLEDGE_S:
            yield f"not every command was answered within {ACKNOWLEDGE_S:g} s."
        if self.growth is not None and self.growth > MAX_GROWTH:
            yield f"the memory grew by {self.growth:.1%}; the goal is at most {MAX_GROWTH:.0%}."
        for number, what in (
            (self.chat.count(Outcome.LOST), "lost"),
            (sum(account.is_doubled for account in self.chat.accounts), "doubled"),
            (len(self.chat.wrong), "wrong"),
            (self.chat.count(Outcome.FAILED), "told that they failed"),
            (self.chat.num_errors, "answered with a fault of the bot"),
        ):
            if number:
                yield f"{number} {what}; the goal is none."
        if not self.chat.count(Outcome.REFUSED):
            yield "no command was turned away, so there was no overload."

    def to_json(self) -> dict[str, Any]:
        """Plain dicts and numbers, for `json.dumps`: those of `bench chat`, and of the load and the memory."""
        sending_s = self.chat.record.ended_s - self.chat.record.began_s
        offered = len(self.chat.accounts) / sending_s if sending_s else None
        sizes = [size for _, size in self.memory_while_sending]
        return self.chat.to_json() | {
            "times": self.times,
            "capacity_per_s": self.capacity,
            "offered_per_s": offered,
            "offered_to_capacity": None if offered is None else offered / self.capacity,
            "memory_first_bytes": sizes[0] if sizes else None,
            "memory_peak_bytes": max(sizes, default=None),
            "memory_last_bytes": sizes[-1] if sizes else None,
            "memory_growth": self.growth,
            "memory": [[round(at_s, 2), size] for at_s, size in self.memory_while_sending],
            "missed": self.misses(),
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        figures = self.to_json()
        yield goal_table(f"{self.times:g} times the capacity for {self.chat.plan.seconds:g} s", _ROWS, figures)
        for told, number in sorted(self.chat.refusals.items()):
            yield f"Refused {number} times: {told}"
        yield from (f"Missed: {miss}" for miss in figures["missed"])


def _number(value: Any) -> str:
    return f"{value}"


def _seconds(value: Any) -> str:
    return f"{value:.3f} s"


def _mib(value: Any) -> str:
    return f"{value / _MIB:.1f} MiB"


_ROWS: Final = (
    ("commands sent", "sent", _number, ""),
    ("  of the capacity", "offered_to_capacity", lambda value: f"{value:.1f} times", ""),
    ("  turned away with a sentence", "refused", _number, ""),
    ("  not answered in time", "unanswered", _number, "0"),
    ("jobs delivered", "delivered", _number, "all others"),
    ("  lost", "lost", _number, "0"),
    ("  doubled", "doubled", _number, "0"),
    ("  wrong", "wrong", _number, "0"),
    ("answer, median", "ack_p50_s", _seconds, ""),
    ("answer, 99 %", "ack_p99_s", _seconds, ""),
    ("answer, slowest", "ack_max_s", _seconds, f"< {ACKNOWLEDGE_S:g} s"),
    ("memory at first", "memory_first_bytes", _mib, ""),
    ("memory at most", "memory_peak_bytes", _mib, ""),
    ("memory at last", "memory_last_bytes", _mib, ""),
    ("  grown since the queue was full", "memory_growth", lambda value: f"{value:+.1%}", f"≤ {MAX_GROWTH:.0%}"),
)
