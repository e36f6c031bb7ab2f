"""What /queue says."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.cogs.queue_page import MAX_LISTED, ListedJob, render_queue
from bot.cogs.standing import Standing
from bot.executor.base import EngineState, ExecutorStatus
from bot.language import ENGLISH, Text
from bot.message_text import MAX_CONTENT_CHARACTERS
from bot.requests import MAX_PROMPT_CHARACTERS, Finished, Progress, Queued
from bot.store import JobRecord, JobState
from tests.test_render import make_result

READY = ExecutorStatus(EngineState.READY, num_queued=7, num_running=2, info=None)
LOADING = replace(READY, state=EngineState.LOADING)
RECORD = JobRecord(
    id="0123456789ab",
    prompt="a *red* circle",
    num_images=4,
    seed=1,
    user_id=1,
    guild_id=3,
    channel_id=4,
    interaction_id=5,
    state=JobState.QUEUED,
    message_id=6,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    updated_at=datetime(2026, 1, 1, tzinfo=UTC),
    error=None,
    result=None,
    deleted_at=None,
)


def elsewhere(state: JobState) -> ListedJob:
    return ListedJob(replace(RECORD, state=state), None, is_elsewhere=True)


def test_nobody_waits() -> None:
    text = render_queue([], replace(READY, num_queued=0, num_running=0), language=ENGLISH)
    assert text == "You have no unfinished jobs.\nEverybody's jobs: 0 waiting, 0 being drawn."


def test_a_job_with_its_place_its_start_and_its_message() -> None:
    text = render_queue([ListedJob(RECORD, Standing(Queued(2, 12.0)))], READY, language=ENGLISH)
    assert text.splitlines() == [
        r"1. **a \*red\* circle** https://discord.com/channels/3/4/6",
        "   Queued, place 2, starts in about 10 s.",
        "Everybody's jobs: 7 waiting, 2 being drawn.",
    ]


@pytest.mark.parametrize(
    ("job", "status", "said", "may_be_cancelled"),
    [
        (ListedJob(RECORD, Standing(Queued(1))), LOADING, "Queued, place 1, the model is still loading.", True),
        (ListedJob(RECORD, Standing(Progress(1, 4))), READY, "Drawing 4 images, 25 %  `██░░░░░░░░`", True),
        (
            ListedJob(RECORD, Standing(Finished(make_result()))),
            READY,
            "Finished: its pictures are on their way.",
            False,
        ),
        (ListedJob(replace(RECORD, state=JobState.RECEIVED, message_id=None), None), READY, "Just accepted.", True),
        (ListedJob(RECORD, None), READY, "Waiting to be taken up again.", True),
        (ListedJob(replace(RECORD, state=JobState.IN_REVIEW), None), READY, "Waiting for review.", True),
        (
            ListedJob(replace(RECORD, state=JobState.DELIVERING), None),
            READY,
            "Finished: its pictures are on their way.",
            False,
        ),
        (elsewhere(JobState.RECEIVED), READY, "Just accepted.", False),
        (elsewhere(JobState.ACKNOWLEDGED), READY, "Just accepted.", True),
        (elsewhere(JobState.QUEUED), LOADING, "Waiting for its turn.", True),
        (elsewhere(JobState.RUNNING), LOADING, "Drawing 4 images…", True),
        (elsewhere(JobState.IN_REVIEW), READY, "Waiting for review.", True),
        (elsewhere(JobState.DELIVERING), READY, "Finished: its pictures are on their way.", False),
    ],
)
def test_how_far_a_job_is(job: ListedJob, status: ExecutorStatus, said: str, may_be_cancelled: bool) -> None:
    assert render_queue([job], status, language=ENGLISH).splitlines()[1].strip() == said
    assert job.may_be_cancelled is may_be_cancelled


def test_the_longest_page_is_a_message() -> None:
    snowflake = 2**63 - 1
    record = replace(
        RECORD,
        prompt="*" * MAX_PROMPT_CHARACTERS,
        guild_id=snowflake,
        channel_id=snowflake,
        message_id=snowflake,
        num_images=9,
    )
    jobs = [ListedJob(record, Standing(Queued(10_000, 80.0)))] * (MAX_LISTED + 2)
    text = render_queue(jobs, READY, language=ENGLISH, said=Text("Cancelled: {prompt}", prompt="x" * 120))
    assert len(text) <= MAX_CONTENT_CHARACTERS * 0.8  # other languages may need more
    assert "And 2 more jobs." in text
