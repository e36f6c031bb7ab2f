from datetime import UTC, datetime
from typing import Any

import pytest

from bot.catalogues import Languages
from bot.cogs.log_page import (
    NAMES,
    PAGE_SIZE,
    TEXTS,
    entry_line,
    log_custom_id,
    log_text,
    log_view,
    parse_log_custom_id,
)
from bot.errors import UnknownControlError
from bot.guild_settings import json_of
from bot.language import ENGLISH, Language
from bot.store import AuditAction, AuditEntry, AuditFilter
from bot.views.custom_id import MAX_CHARACTERS, Action, CustomId
from tests.views.test_settings_panel import ALL

LANGUAGES = Languages.load().all()
MAX_CONTENT = 2000
SWEPT = {
    "user_id": 3,
    "term": "*x",
    "hashes": 2,
    "is_blocked": True,
    "since": "2026-01-02T03:04:05+00:00",
    "until": "2026-01-02T03:04:05+00:00",
}
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def entry(action: str = "job_cancelled", **changes: Any) -> AuditEntry:
    values: dict[str, Any] = {
        "id": 5,
        "at": NOW,
        "guild_id": 1,
        "action": action,
        "actor_id": 2,
        "user_id": 3,
        "job_id": None,
        "case_number": None,
        "reason": None,
        "details": {},
    }
    return AuditEntry(**(values | changes))


def line(entry: AuditEntry) -> str:
    return entry_line(entry, ENGLISH, LANGUAGES).removeprefix(f"<t:{int(NOW.timestamp())}:f> ")


def test_every_action_has_its_words_and_fits_into_its_column() -> None:
    assert set(TEXTS) == set(NAMES) == set(AuditAction)
    assert max(map(len, AuditAction)) <= 24
    for action in AuditAction:
        assert "_" not in line(entry(action)), action


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (entry(), "<@2> cancelled a job of <@3>."),
        (
            entry(reason="**spam**", case_number=1234, job_id="0123456789ab"),
            "<@2> cancelled a job of <@3>. · Reason: \\*\\*spam\\*\\* · case #1234 · job 0123456789ab",
        ),
        (entry(actor_id=None), "The bot cancelled a job of <@3>."),
        (entry("of_tomorrow", user_id=None), "of\\_tomorrow: <@2>, –"),
        (
            entry("setting_changed", details={"key": "cooldown_s", "old": None, "new": 120}),
            "<@2> changed “Cooldown of a member” from none to 2 minutes.",
        ),
        (entry("setting_changed"), "<@2> changed a setting."),
        (
            entry("case_decided", case_number=2, details={"decision": "reject_strike", "kind": "report"}),
            "<@2> decided a case about <@3>. · reported · rejected, with a strike · case #2",
        ),
        (entry("case_decided", details={"decision": "of tomorrow"}), "<@2> decided a case about <@3>."),
        (
            entry("sweep_done", details={"deleted": 1000, "criteria": SWEPT}),
            "The sweep of <@2> was done. · 1000 results deleted · by <@3> · about “\\*x” · like the pictures of "
            "that job · like pictures that moderators rejected · since <t:1767323045:f> · before <t:1767323045:f>",
        ),
        (entry("sweep_started", details={"found": 1}), "<@2> started a sweep. · 1 result found"),
        (entry("rule_added", reason="refuse: *x"), "<@2> added a rule for prompts. · refuse: \\*x"),
        (
            entry("rules_imported", details={"num_rules": 2, "is_replacing": True}),
            "<@2> imported rules for prompts. · 2 rules · all others removed",
        ),
        (
            entry("category_changed", reason="drugs: off"),
            "<@2> switched a category of the starter list. · drugs · off",
        ),
        (
            entry("category_changed", reason="gore: hold"),
            "<@2> switched a category of the starter list. · gore and cruelty · hold",
        ),
        (
            entry("result_hidden", actor_id=None, details={"reporters": 3}),
            "The bot hid a result of <@3>, which members have reported. · 3 reports",
        ),
        (
            entry("pictures_refused", actor_id=None, details={"hits": [{"category": "blood"}], "like_rejected": [1]}),
            "The bot did not show pictures for <@3>, by a rule for pictures. · blood and wounds · like pictures that "
            "moderators rejected",
        ),
        (
            entry("prompt_held", actor_id=None, case_number=3, details={"hits": [{"rule": "*x"}, {"rule": "y"}]}),
            "The bot held a prompt of <@3> for moderators. · \\*x · case #3",
        ),
        (
            entry("pictures_held", actor_id=None, details={"hits": [{"category": "blood"}]}),
            "The bot held pictures for <@3> until moderators decide. · blood and wounds",
        ),
        (
            entry("pictures_spoilered", actor_id=None, details={"hits": [{"category": "blood"}]}),
            "The bot put pictures for <@3> behind a click, by a rule for pictures. · blood and wounds",
        ),
        (
            entry("results_expired", actor_id=None, user_id=None, details={"deleted": 2, "days": 30}),
            "The bot deleted what this server keeps no longer. · 2 results deleted",
        ),
        (entry("style_added", details={"style": "oil_2"}), "<@2> added a style. · oil\\_2"),
        (entry("ban", details={"replaces": [4]}), "<@2> banned <@3> from drawing. · in the place of an earlier one"),
    ],
)
def test_lines(given: AuditEntry, shown: str) -> None:
    assert line(given) == shown


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
@pytest.mark.parametrize("action", AuditAction)
def test_a_page_fits_into_a_message(language: Language, action: AuditAction) -> None:
    longest = entry(
        action, actor_id=2**63 - 1, user_id=2**63 - 1, reason="*" * 1000, case_number=10**6, job_id="0" * 12
    )
    assert len(log_text([longest] * PAGE_SIZE, language, LANGUAGES)) <= MAX_CONTENT


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_a_page_of_settings_fits_into_a_message(language: Language) -> None:
    for key, value in json_of(ALL).items():
        details = {"key": key, "old": value, "new": value}
        changed = entry("setting_changed", actor_id=2**63 - 1, details=details)
        assert len(log_text([changed] * PAGE_SIZE, language, LANGUAGES)) <= MAX_CONTENT, key


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_a_page_of_sweeps_fits_into_a_message(language: Language) -> None:
    criteria = SWEPT | {"user_id": 2**63 - 1, "term": "*" * 500}
    swept = entry("sweep_done", actor_id=2**63 - 1, details={"deleted": 10**6, "criteria": criteria})
    assert len(log_text([swept] * PAGE_SIZE, language, LANGUAGES)) <= MAX_CONTENT


def test_nothing_to_show() -> None:
    assert log_text([], ENGLISH, LANGUAGES) == "There is no such record."
    assert log_view([], AuditFilter(guild_id=1), ENGLISH, is_first=True, is_last=True) is None


@pytest.mark.parametrize("action", [None, *AuditAction])
@pytest.mark.parametrize("user_id", [None, 1, 2**63 - 1])
@pytest.mark.parametrize("since", [None, NOW])
@pytest.mark.parametrize("before_id", [None, 1, 2**48 - 1])
def test_a_filter_survives_its_button(
    action: AuditAction | None, user_id: int | None, since: datetime | None, before_id: int | None
) -> None:
    wanted = AuditFilter(guild_id=7, user_id=user_id, action=action, since=since)
    custom_id = str(log_custom_id(wanted, before_id))
    assert len(custom_id) <= MAX_CHARACTERS
    assert parse_log_custom_id(CustomId.parse(custom_id), 7) == (wanted, before_id)


@pytest.mark.parametrize("argument", ["", "0", "0..", "x!", "0.nonsense.0", "zzzzzzzzzzzzzzzz..0", "0..zzzzzzzzzzzzz"])
def test_what_no_page_ever_made_is_refused(argument: str) -> None:
    try:
        pressed = CustomId(Action.LOG, "0" * 12, argument)
    except ValueError:
        return
    with pytest.raises(UnknownControlError):
        parse_log_custom_id(pressed, 7)
