"""What a soak counts, and what it does not."""

import io
from dataclasses import replace
from datetime import UTC, datetime

from rich.console import Console

from bot.bench.chat_accounts import Account, Outcome, judge
from bot.bench.chat_plan import ChatPlan
from bot.bench.fault_report import FaultReport
from bot.bench.fault_store import problems_of
from bot.bench.pixels import expected_pixels, pixels_of
from bot.collage import encode_png, make_collage
from bot.engine.fake import expected_image
from bot.store import JobRecord, JobState
from tests.bench.chat_samples import DONE, FILE, JOB, QUEUED, SENT, bot_report, record

PLAN = ChatPlan(users=40, seconds=10.0, every_s=1.0, seed=3)


def report(*seen: object, **changes: object) -> FaultReport:
    shown = seen or (QUEUED, DONE)
    return FaultReport(PLAN, record(shown), bot_report(longest_s=9.0), **changes)  # type: ignore[arg-type]


def test_what_is_slow_is_no_miss() -> None:
    assert report(faults={"500": 3}).misses() == []
    figures = report(faults={"500": 3, "429": 2}).to_json()
    assert figures["faults"] == {"429": 2, "500": 3}
    assert figures["faults_injected"] == 5
    assert (figures["lost"], figures["doubled"], figures["wrong"]) == (0, 0, 0)


def test_the_table_has_the_goals_of_a_soak_and_no_others() -> None:
    console = Console(width=120, file=io.StringIO())
    with console.capture() as said:
        console.print(report(faults={"500": 3}, store_problems=("job a is still queued",)))
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.get().splitlines() if "│" in line]
    rows = [row for row in cells if len(row) == 3]
    goals = {label: goal for label, _, goal in rows if goal}
    assert goals == {"lost": "0", "doubled": "0", "wrong": "0", "problems of the store": "0"}
    assert ["answer, 99 %", "0.100 s", ""] in rows
    assert ["problems of the store", "1", "0"] in rows


def test_a_failure_that_is_told_is_no_miss_and_one_that_is_not_is_lost() -> None:
    told = replace(QUEUED, content="**a red circle on a blue background**\nIt failed.", custom_ids=())
    assert report(QUEUED, told).misses() == []
    assert report(QUEUED, told).to_json()["failed"] == 1
    assert report(QUEUED).misses() == ["1 lost; the goal is none."]
    later = replace(told, content="**a**\nThe bot is going offline. This job goes on when it is back.")
    assert report(QUEUED, later).misses() == ["1 lost; the goal is none."]


def test_problems_of_the_store_are_a_miss() -> None:
    assert report(store_problems=("job a is still queued",)).misses() == ["1 problems of the store; the goal is none."]


def test_pictures_of_another_prompt_are_wrong() -> None:
    own = expected_pixels(SENT.prompt, 5, 4)
    for pixels, is_wrong in ((own, False), (expected_pixels("a blue star", 5, 4), True), (None, True)):
        done = replace(DONE, files=(replace(FILE, pixels=pixels),))
        found = report(QUEUED, done, expected=expected_pixels)
        assert bool(found.misses()) == is_wrong
        assert all("shows other pictures than its prompt's" in sentence for sentence in found.wrong)


def test_the_pixels_of_a_file_are_those_of_the_engine() -> None:
    images = [expected_image("a red circle", 7, index, image_length=16, image_size_px=8) for index in range(3)]
    best_first = sorted(images, key=lambda image: -image.score)
    data = encode_png(make_collage([image.pixels for image in best_first]), {"prompt": "a red circle"})
    assert pixels_of(data) == expected_pixels("a red circle", 7, 3)
    assert pixels_of(data) != expected_pixels("a red circle", 8, 3)


def job(state: JobState, *, interaction_id: int = 100, message_id: int | None = 30) -> JobRecord:
    now = datetime.now(UTC)
    return JobRecord(
        id=JOB,
        prompt=SENT.prompt,
        num_images=4,
        seed=5,
        user_id=7,
        channel_id=20,
        interaction_id=interaction_id,
        message_id=message_id,
        state=state,
        created_at=now,
        updated_at=now,
        error=None,
        result=None,
        deleted_at=None,
    )


def test_the_store_must_say_what_users_saw() -> None:
    delivered, failed = judge(record()), [Account(SENT, Outcome.FAILED)]
    assert problems_of([job(JobState.DELIVERED)], delivered) == []
    assert problems_of([job(JobState.FAILED)], failed) == []
    assert problems_of([job(JobState.FAILED)], delivered) == [
        f"job {JOB} is failed, and its user's command was delivered"
    ]
    assert len(problems_of([job(JobState.QUEUED)], [Account(SENT, Outcome.LOST)])) == 1
    assert problems_of([], failed) == ["the command 100 was acknowledged, and there is no job of it"]
    assert problems_of([], [Account(SENT, Outcome.REFUSED)]) == []
    twice = [job(JobState.DELIVERED), job(JobState.DELIVERED, interaction_id=101)]
    assert problems_of(twice, delivered) == ["message 30 is that of 2 jobs"]
