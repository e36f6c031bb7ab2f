"""The figures of `bench chat` and its goals, from records that were made by hand."""

import json
from dataclasses import replace

import pytest
from rich.console import Console

from bot.bench.chat_plan import ChatPlan
from bot.bench.chat_record import ChatRecord
from bot.bench.chat_report import ChatReport
from tests.bench.chat_samples import DONE, DRAWING, QUEUED, SENT, bot_report, record

PLAN = ChatPlan(users=20, seconds=2.0, every_s=5.0, seed=1)
KEYS = {
    *("sent", "acknowledged", "delivered", "lost", "doubled", "wrong"),
    *("ack_p50_s", "ack_p99_s", "ack_max_s", "loop_block_max_s"),
}


def chat_report(chat: ChatRecord | None = None, **bot: object) -> ChatReport:
    return ChatReport(PLAN, chat or record(), bot_report(**bot))  # type: ignore[arg-type]


def test_a_good_run() -> None:
    figures = json.loads(json.dumps(chat_report().to_json()))
    assert set(figures) >= KEYS
    assert [figures[key] for key in ("sent", "acknowledged", "delivered", "lost", "doubled", "wrong")] == [
        *(1, 1, 1),
        *(0, 0, 0),
    ]
    assert figures["ack_p50_s"] == figures["ack_max_s"] == pytest.approx(0.1)
    assert figures["loop_block_max_s"] == 0.03
    assert (figures["sending_s"], figures["drain_s"]) == (2.0, 2.5)
    assert figures["saturated_share"] == 0.5
    assert figures["edits_per_job"] == 2.0
    assert figures["delivery_p50_s"] == 4.0
    assert figures["missed"] == []


def test_answers_are_counted_by_their_kind() -> None:
    slow = replace(SENT, interaction_id="101", answered_s=None)
    full = replace(SENT, interaction_id="102", refusal="The queue is full: 100 of 100 places are taken.")
    fault = replace(SENT, interaction_id="103", refusal="Something went wrong (id 00ff00). Try again.")
    report = chat_report(record((QUEUED, DONE), SENT, slow, full, fault))
    figures = report.to_json()
    assert [figures[key] for key in ("sent", "acknowledged", "refused", "unanswered", "errors")] == [4, 1, 2, 1, 1]
    assert figures["ack_max_s"] == 3.0
    assert figures["refusals"] == {
        "The queue is full: N of N places are taken.": 1,
        "Something went wrong (id). Try again.": 1,
    }
    assert [miss for miss in report.misses() if "99 %" not in miss] == [
        "1 not answered within Discord's 3 seconds; the goal is none.",
        "1 answered with a fault of the bot; the goal is none.",
    ]


@pytest.mark.parametrize(
    ("report", "miss"),
    [
        (chat_report(record((QUEUED,))), "1 lost"),
        (chat_report(record((QUEUED, DONE, replace(DONE, message_id="31")))), "1 doubled"),
        (chat_report(record((QUEUED, replace(DONE, channel_id="2")))), "1 wrong"),
        (chat_report(record((QUEUED, replace(QUEUED, custom_ids=())))), "1 told that they failed"),
        (chat_report(record((QUEUED, replace(DRAWING, at_s=11.0), DONE))), "1 edits came too soon"),
        (chat_report(record((QUEUED, DONE), replace(SENT, answered_s=10.6))), "99 % were answered within 0.600 s"),
        (chat_report(record((), replace(SENT, refusal="No."))), "no command became a job"),
        (chat_report(longest_s=0.101), "the event loop stood still for 0.101 s"),
        (chat_report(full_collection_s=0.2), "a full collection of garbage takes 0.200 s"),
        (chat_report(engine_state="failed"), "the engine is failed"),
    ],
)
def test_goals(report: ChatReport, miss: str) -> None:
    (told,) = report.misses()
    assert told.startswith(miss)


def test_a_table_for_people() -> None:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(chat_report(longest_s=0.2))
    text = capture.get()
    assert "20 users for 2 s, fake" in text
    assert "Loop stood still 200 ms (20 ms at work, 5 ms without a processor, 0 ms of garbage collection" in text
    assert "Missed: the event loop stood still for 0.200 s" in text
