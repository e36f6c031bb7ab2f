"""What the accounts call delivered, failed, lost, doubled and wrong, on records in which each occurs."""

from dataclasses import replace

import pytest

from bot.bench.chat_accounts import Account, Outcome, judge, strays
from bot.bench.chat_record import Seen, SeenFile
from tests.bench.chat_samples import DONE, DRAWING, FILE, JOB, OTHER_JOB, QUEUED, SENT, record

FAILED = replace(QUEUED, at_s=14.0, content="**a red circle on a blue background**\nNo.", custom_ids=())


def account(*seen: Seen) -> Account:
    (only,) = judge(record(seen))
    return only


def test_a_delivered_job() -> None:
    assert account(QUEUED, DRAWING, DONE) == Account(SENT, Outcome.DELIVERED, delivered_s=4.0, num_edits=2)


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        pytest.param((QUEUED,), Outcome.LOST, id="still queued"),
        pytest.param((QUEUED, DRAWING), Outcome.LOST, id="still drawing"),
        pytest.param((), Outcome.LOST, id="no message"),
        pytest.param((QUEUED, replace(QUEUED, is_deleted=True)), Outcome.LOST, id="message gone"),
        pytest.param((QUEUED, DONE, replace(DRAWING, at_s=20.0)), Outcome.LOST, id="pictures taken back"),
        pytest.param((QUEUED, FAILED), Outcome.FAILED, id="told failed"),
        pytest.param((QUEUED, DRAWING, FAILED, DONE), Outcome.DELIVERED, id="told failed and delivered after all"),
    ],
)
def test_outcomes(seen: tuple[Seen, ...], outcome: Outcome) -> None:
    assert account(*seen).outcome is outcome


def test_commands_without_a_job() -> None:
    refused = replace(SENT, interaction_id="101", refusal="The queue is full.")
    unanswered = replace(SENT, interaction_id="102", answered_s=None)
    accounts = judge(record((QUEUED, DONE), SENT, refused, unanswered))
    assert [a.outcome for a in accounts] == [Outcome.DELIVERED, Outcome.REFUSED, Outcome.UNANSWERED]
    assert not any(a.wrong or a.is_doubled for a in accounts)


@pytest.mark.parametrize(
    ("second", "is_doubled"),
    [
        pytest.param(replace(DONE, at_s=15.0), False, id="the same pictures on the same message"),
        pytest.param(replace(DONE, message_id="31"), True, id="the same pictures on another message"),
        pytest.param(replace(DONE, message_id="31", interaction_id=None), True, id="posted beside the answer"),
        pytest.param(replace(DONE, files=(replace(FILE, digest="bb"),)), True, id="other pictures"),
    ],
)
def test_doubled(second: Seen, is_doubled: bool) -> None:
    assert account(QUEUED, DONE, second).is_doubled is is_doubled


def with_file(**changes: object) -> Seen:
    return replace(DONE, files=(replace(FILE, **changes),))  # type: ignore[arg-type]


def with_metadata(**changes: str) -> Seen:
    return with_file(metadata={**(FILE.metadata or {}), **changes})


def with_content(before: str, after: str) -> Seen:
    assert before in DONE.content
    return replace(DONE, content=DONE.content.replace(before, after))


@pytest.mark.parametrize(
    ("result", "complaint"),
    [
        pytest.param(with_content("red", "green"), "names another prompt", id="prompt"),
        pytest.param(with_content("<@7>", "<@8>"), "is not for user 7", id="user"),
        pytest.param(with_content("seed 5", "seed 6"), "has seed 6, not 5", id="seed"),
        pytest.param(with_content("· seed 5 ", ""), "has seed none, not 5", id="no seed"),
        pytest.param(with_content("4 images", "9 images"), "does not show 4 images", id="number"),
        pytest.param(replace(DONE, channel_id="21"), "is in channel 21, not 20", id="channel"),
        pytest.param(with_file(description="4 images of: fog"), "has the alternative text", id="alternative text"),
        pytest.param(with_file(filename=f"dalle-bot-{OTHER_JOB}.png"), "is about another job", id="file name"),
        pytest.param(replace(DONE, custom_ids=(f"1:look:{OTHER_JOB}",)), "is about another job", id="controls"),
        pytest.param(with_metadata(prompt="fog"), "whose prompt is 'fog'", id="prompt inside"),
        pytest.param(with_metadata(seed="6"), "whose seed is '6'", id="seed inside"),
        pytest.param(with_metadata(job=OTHER_JOB), "whose job is", id="job inside"),
        pytest.param(with_metadata(negative_prompt="sun"), "whose negative_prompt is 'sun'", id="negative prompt"),
        pytest.param(
            with_metadata(parameters="images 4 · condition_scale 10"), "not condition_scale 12", id="parameters"
        ),
        pytest.param(with_file(metadata=None), "could not be read", id="unreadable"),
    ],
)
def test_wrong(result: Seen, complaint: str) -> None:
    complaints = account(QUEUED, result).wrong
    assert any(complaint in text for text in complaints), complaints
    assert account(QUEUED, result).outcome is Outcome.DELIVERED


def test_pictures_of_two_jobs_that_were_swapped_are_both_wrong() -> None:
    other = replace(SENT, interaction_id="101", user_id="8", prompt="a green star", options={"images": "4"})
    theirs = replace(
        QUEUED, message_id="31", interaction_id="101", content="**a green star**", custom_ids=(f"1:cancel:{OTHER_JOB}",)
    )
    swapped = replace(DONE, message_id="31", interaction_id="101")
    mine, others = judge(record((QUEUED, theirs, swapped, FAILED), SENT, other))
    assert others.wrong
    assert mine.outcome is Outcome.FAILED


def test_a_seed_that_was_not_asked_for_may_be_any_but_the_same_everywhere() -> None:
    free = replace(SENT, options={"images": "4"})
    (right,) = judge(record((QUEUED, DONE), free))
    (wrong,) = judge(record((QUEUED, with_metadata(seed="6")), free))
    assert (right.wrong, len(wrong.wrong)) == ((), 1)


def test_edits_that_come_too_soon() -> None:
    soon = replace(DRAWING, at_s=QUEUED.at_s + 2.9)
    late = replace(DRAWING, at_s=soon.at_s + 3.0)
    assert account(QUEUED, soon, late, DONE).num_hasty_edits == 1
    assert account(QUEUED, late, DONE).num_hasty_edits == 0


def test_pictures_that_nobody_asked_for() -> None:
    stray = replace(DONE, message_id="99", interaction_id=None)
    assert strays(record((QUEUED, DONE, stray))) == [f"message 99 shows dalle-bot-{JOB}.png and answers no command"]
    assert strays(record()) == []
    assert strays(record((QUEUED, replace(stray, files=(SeenFile("notes.txt", ""),))))) == []
