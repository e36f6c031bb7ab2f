from dataclasses import replace
from typing import Any

import pytest

from bot.catalogues import Languages
from bot.cogs.store_patience import GOING_OFFLINE
from bot.render import render_interrupted
from bot.sandbox.finality import Judge, Patience
from bot.sandbox.messages import LOADING, Attachment, Message

PATIENCE = Patience(moment_s=1, short_s=10, long_s=100)
PLAIN = Message(id="1", channel_id="2", author_id="3", kind=20, created_s=0.0, content="**queued cats**\nhello")
PICTURE = Attachment("4", "a.png", 10, "image/png", None, 8, 8)


def row(label: str, **changes: Any) -> tuple[dict[str, Any], ...]:
    button = {"type": 2, "style": 1, "label": label, "custom_id": "x"} | changes
    return ({"type": 1, "components": [button]},)


def final_at(*messages: Message) -> float | None:
    judge = Judge(PATIENCE)
    for message in messages:
        judge.see(message, now_s=50.0)
    return judge.final_at_s()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (PLAIN, 150),
        (replace(PLAIN, viewer_id="5"), 60),
        (replace(PLAIN, attachments=(PICTURE,)), 51),
        (replace(PLAIN, components=row("Again")), 150),
        (replace(PLAIN, components=row("Cancel", disabled=True)), 150),
        (replace(PLAIN, components=row("Cancel")), None),
        (replace(PLAIN, components=row("Abbrechen", custom_id="1:cancel:7")), None),
        (replace(PLAIN, components=row("1 abbrechen", custom_id="1:cancel_listed:7")), 150),
        (replace(PLAIN, attachments=(PICTURE,), components=row("Cancel")), None),
        (replace(PLAIN, content="**cats**\nQueued, place 2."), None),
        (replace(PLAIN, content="Drawing 4 images…"), None),
        (replace(PLAIN, flags=LOADING), None),
        (replace(PLAIN, content="waiting for review (case 1).", components=row("Cancel")), 150),
        (replace(PLAIN, content="wartet auf Prüfung (Fall 1).", components=row("Abbrechen", custom_id="cancel")), 150),
    ],
)
def test_one_message(message: Message, expected: float | None) -> None:
    assert final_at(message) == expected


def test_a_job_whose_bot_is_away_goes_on() -> None:
    """Its message has no button, in whatever language it is."""
    for language in Languages.load().all():
        told = render_interrupted("a red circle", language=language)
        assert final_at(replace(PLAIN, content=told.content)) is None, language.code
    assert final_at(replace(PLAIN, content=GOING_OFFLINE.template)) == 150


def test_nothing_yet() -> None:
    assert final_at() is None


def test_what_was_at_work_and_no_longer_is() -> None:
    assert final_at(replace(PLAIN, content="Queued"), replace(PLAIN, content="The engine failed.")) == 60


def test_a_click_that_ends_what_was_at_work() -> None:
    judge = Judge(PATIENCE)
    judge.see_before(replace(PLAIN, content="Drawing 4 images…"))
    assert judge.final_at_s() is None
    judge.see(replace(PLAIN, content="Cancelled by @user."), 50.0)
    assert judge.final_at_s() == 60


def test_all_messages_count() -> None:
    follow_up = replace(PLAIN, id="9", content="Drawing")
    assert final_at(replace(PLAIN, attachments=(PICTURE,)), follow_up) is None


def test_deletion_and_deferred_updates() -> None:
    judge = Judge(PATIENCE)
    judge.see(replace(PLAIN, content="Queued"), 50.0)
    judge.see_deleted(PLAIN, 60.0)
    assert judge.final_at_s() == 70
    judge.see_deferred_update(80.0)
    assert judge.final_at_s() == 180
    judge.see(replace(PLAIN, viewer_id="5"), 90.0)
    assert judge.final_at_s() == 100
    judge.see_end()
    assert judge.final_at_s() == 0
