"""What `bench chat` found: figures from the accounts and the bot's report, the goals, and how they are told."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult

from bot.bench.chat_accounts import Account, ExpectedPixels, Outcome, judge, strays
from bot.bench.chat_bot_report import BotReport
from bot.bench.chat_plan import ChatPlan
from bot.bench.chat_record import ChatRecord
from bot.bench.goal_table import Row, goal_table
from bot.sandbox.interactions import ACKNOWLEDGE_S

MAX_ACK_P99_S: Final = 0.5
MAX_LOOP_BLOCK_S: Final = 0.1
MAX_EXAMPLES: Final = 5
# What the error policy adds to sentences about its own faults.
_INCIDENT: Final = re.compile(r"\(id [0-9a-f]{6}\)")


@dataclass(frozen=True)
class ChatReport:
    """One measurement. expected: see `judge`."""

    plan: ChatPlan
    record: ChatRecord
    bot: BotReport
    expected: ExpectedPixels | None = None

    @cached_property
    def accounts(self) -> list[Account]:
        return judge(self.record, self.expected)

    @cached_property
    def wrong(self) -> list[str]:
        """Everything that does not fit, a sentence each, at most one for each job and stray message."""
        return [*(account.wrong[0] for account in self.accounts if account.wrong), *strays(self.record)]

    def count(self, outcome: Outcome) -> int:
        return sum(account.outcome is outcome for account in self.accounts)

    @property
    def jobs(self) -> list[Account]:
        """Of the commands that were acknowledged as jobs."""
        return [a for a in self.accounts if a.outcome not in (Outcome.REFUSED, Outcome.UNANSWERED)]

    @cached_property
    def ack_s(self) -> list[float]:
        """Of every command, refused ones too. Those without an answer count as Discord's limit, the least they took."""
        return [
            ACKNOWLEDGE_S if account.sent.answered_s is None else account.sent.answered_s - account.sent.sent_s
            for account in self.accounts
        ]

    @property
    def saturated_share(self) -> float | None:
        """Of the sending, how much of the time jobs had to wait; None if nobody looked."""
        during = [
            load.num_waiting > 0 for load in self.bot.loads if self.record.began_s <= load.at_s <= self.record.ended_s
        ]
        return sum(during) / len(during) if during else None

    @property
    def refusals(self) -> dict[str, int]:
        """What those without a job were told, without its numbers → how often."""
        told = (account.sent.refusal for account in self.accounts if account.sent.refusal is not None)
        return dict(Counter(re.sub(r"\d+", "N", _INCIDENT.sub("(id)", text)) for text in told))

    @property
    def num_errors(self) -> int:
        """Answers that own up to a fault of the bot. They count as refusals too."""
        return sum(bool(_INCIDENT.search(account.sent.refusal or "")) for account in self.accounts)

    def misses(self) -> list[str]:
        """The goals that were missed, a sentence each."""
        return list(self._misses())

    def _misses(self) -> Iterator[str]:
        p99 = _percentile(self.ack_s, 99)
        if p99 is not None and p99 >= MAX_ACK_P99_S:
            yield f"99 % were answered within {p99:.3f} s; the goal is below {MAX_ACK_P99_S:g} s."
        if self.bot.longest.seconds > MAX_LOOP_BLOCK_S:
            yield (
                f"the event loop stood still for {self.bot.longest.seconds:.3f} s; the goal is at most "
                f"{MAX_LOOP_BLOCK_S:g} s."
            )
        if self.bot.full_collection_s > MAX_LOOP_BLOCK_S:
            yield (
                f"a full collection of garbage takes {self.bot.full_collection_s:.3f} s, and then the event loop will "
                f"stand still; the goal is at most {MAX_LOOP_BLOCK_S:g} s."
            )
        for number, what in (
            (self.count(Outcome.LOST), "lost"),
            (sum(account.is_doubled for account in self.accounts), "doubled"),
            (len(self.wrong), "wrong"),
            (self.count(Outcome.FAILED), "told that they failed"),
            (self.count(Outcome.UNANSWERED), "not answered within Discord's 3 seconds"),
            (self.num_errors, "answered with a fault of the bot"),
            (sum(account.num_hasty_edits for account in self.accounts), "edits came too soon after the one before"),
        ):
            if number:
                yield f"{number} {what}; the goal is none."
        if not self.jobs:
            yield "no command became a job."
        if self.bot.engine_state != "ready":
            yield f"the engine is {self.bot.engine_state}."

    def to_json(self) -> dict[str, Any]:
        """Plain dicts and numbers, for `json.dumps`. Times in seconds."""
        edits = [account.num_edits for account in self.jobs]
        longest = self.bot.longest
        delivered_s = [account.delivered_s for account in self.accounts if account.delivered_s is not None]
        worst = sorted(self.bot.blocks, key=lambda block: -block.seconds)[:MAX_EXAMPLES]
        return {
            "sent": len(self.accounts),
            "acknowledged": len(self.jobs),
            "delivered": self.count(Outcome.DELIVERED),
            "lost": self.count(Outcome.LOST),
            "doubled": sum(account.is_doubled for account in self.accounts),
            "wrong": len(self.wrong),
            "failed": self.count(Outcome.FAILED),
            "refused": self.count(Outcome.REFUSED),
            "unanswered": self.count(Outcome.UNANSWERED),
            "errors": self.num_errors,
            "ack_p50_s": _percentile(self.ack_s, 50),
            "ack_p99_s": _percentile(self.ack_s, 99),
            "ack_max_s": max(self.ack_s, default=None),
            "loop_block_max_s": longest.seconds,
            "loop_block_max_computed_s": longest.computed_s,
            "loop_block_max_starved_s": longest.starved_s,
            "loop_blocks_over_20_ms": len(self.bot.blocks),
            "loop_blocks_over_100_ms": sum(block.seconds > MAX_LOOP_BLOCK_S for block in self.bot.blocks),
            "loop_blocks_worst": [block.to_json() for block in worst],
            "loop_block_warm_up_max_s": self.bot.warm_up_longest_s,
            "full_collection_s": self.bot.full_collection_s,
            "delivery_p50_s": _percentile(delivered_s, 50),
            "delivery_p99_s": _percentile(delivered_s, 99),
            "edits_per_job": float(np.mean(edits)) if edits else None,
            "edits_per_job_max": max(edits, default=None),
            "hasty_edits": sum(account.num_hasty_edits for account in self.accounts),
            "sending_s": self.record.ended_s - self.record.began_s,
            "drain_s": self.record.drained_s - self.record.ended_s,
            "saturated_share": self.saturated_share,
            "engine_state": self.bot.engine_state,
            "model": self.bot.model,
            "users": self.plan.users,
            "seconds": self.plan.seconds,
            "every_s": self.plan.every_s,
            "seed": self.plan.seed,
            "refusals": self.refusals,
            "wrong_examples": self.wrong[:MAX_EXAMPLES],
            "log": dict(self.bot.log),
            "missed": self.misses(),
        }

    def _rows(self) -> Iterable[Row]:
        """What is shown to people, with the goals."""
        return _ROWS

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        figures = self.to_json()
        yield goal_table(
            f"{self.plan.users} users for {self.plan.seconds:g} s, {self.bot.model}", self._rows(), figures
        )
        for told, number in sorted(self.refusals.items()):
            yield f"Refused {number} times: {told}"
        for block in figures["loop_blocks_worst"]:
            yield _told(block)
        yield from self.wrong[:MAX_EXAMPLES]
        yield from (f"Missed: {miss}" for miss in figures["missed"])


def _told(block: dict[str, Any]) -> str:
    starved = "" if block["starved_s"] is None else f", {block['starved_s'] * 1000:.0f} ms without a processor"
    where = f", in {block['doing']}" if block["doing"] else ""
    computed = f"{block['computed_s'] * 1000:.0f} ms at work"
    collected = f", {block['collected_s'] * 1000:.0f} ms of garbage collection"
    return f"Loop stood still {block['seconds'] * 1000:.0f} ms ({computed}{starved}{collected}{where})"


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None


_ROWS: Final[Sequence[Row]] = (
    ("commands sent", "sent", "{}".format, ""),
    ("  refused by the limits", "refused", "{}".format, ""),
    ("  not answered in time", "unanswered", "{}".format, "0"),
    ("  acknowledged as jobs", "acknowledged", "{}".format, ""),
    ("jobs delivered", "delivered", "{}".format, "all"),
    ("  told that they failed", "failed", "{}".format, "0"),
    ("  lost", "lost", "{}".format, "0"),
    ("  doubled", "doubled", "{}".format, "0"),
    ("  wrong", "wrong", "{}".format, "0"),
    ("answer, median", "ack_p50_s", "{:.3f} s".format, ""),
    ("answer, 99 %", "ack_p99_s", "{:.3f} s".format, f"< {MAX_ACK_P99_S:g} s"),
    ("answer, slowest", "ack_max_s", "{:.3f} s".format, ""),
    ("event loop at a standstill, longest", "loop_block_max_s", "{:.3f} s".format, f"≤ {MAX_LOOP_BLOCK_S:g} s"),
    ("  of which without a processor", "loop_block_max_starved_s", "{:.3f} s".format, ""),
    ("a full collection of garbage", "full_collection_s", "{:.3f} s".format, f"≤ {MAX_LOOP_BLOCK_S:g} s"),
    ("from command to pictures, median", "delivery_p50_s", "{:.1f} s".format, ""),
    ("from command to pictures, 99 %", "delivery_p99_s", "{:.1f} s".format, ""),
    ("edits of a job's message, mean", "edits_per_job", "{:.1f}".format, ""),
    ("  sooner than 3 s after the last", "hasty_edits", "{}".format, "0"),
    ("time to drain", "drain_s", "{:.1f} s".format, ""),
    ("jobs had to wait, of the sending", "saturated_share", "{:.0%}".format, ""),
)
