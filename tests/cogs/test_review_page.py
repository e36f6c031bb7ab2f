"""What moderators read of a case, in every language and within a message."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.catalogues import Languages
from bot.cogs.maker_page import sanction_lines
from bot.cogs.review_page import CasePage, case_text
from bot.guild_settings import GuildSettings
from bot.language import ENGLISH, Language, Text
from bot.message_text import MAX_CONTENT_CHARACTERS
from bot.moderation.cases import CaseKind
from bot.moderation.image_categories import NO_CATEGORIES
from tests.cogs.test_maker_page import CASE, JOB, NOW, SANCTIONS

HITS = [{"rule": "*" * 500, "found": "_" * 500}] * 5
OPEN = replace(
    CASE,
    kind=CaseKind.HELD_PROMPT,
    decision=None,
    decided_at=None,
    deadline_at=NOW + timedelta(hours=48),
    details={"hits": [{"rule": "red", "found": "r3d"}]},
)
HISTORY = [Text("There was no case about them before."), *sanction_lines(SANCTIONS, NOW)]


def test_it_has_prompt_parameters_reasons_and_history() -> None:
    job = replace(JOB, negative_prompt="green", top_k=64, top_p=0.9, temperature=1.1, model="demo")
    lines = case_text(CasePage(OPEN, job, GuildSettings(), history=HISTORY), ENGLISH, NO_CATEGORIES).splitlines()
    assert lines[:4] == [
        "**Case #3: a prompt waits to be drawn**",
        r"> a \*red\* circle",
        "-# Negative prompt: green",
        "-# images 9 · seed 5 · condition_scale 7.5 · top_k 64 · top_p 0.9 · temperature 1.1 · demo · 0123456789ab · "
        f"<#{JOB.channel_id}>",
    ]
    assert lines[4:8] == [
        f"Asked for by <@{JOB.user_id}>.",
        "- Rule red fires on “r3d”",
        "There was no case about them before.",
        "Strikes: 2, of which 1 still count.",
    ]
    assert lines[8].startswith("They can't draw until <t:1767315600:f>")
    assert lines[9].startswith("If nobody decides before <t:1767484800:f>")


@pytest.mark.parametrize("language", Languages.load().all(), ids=lambda language: language.code)
def test_of_too_much_the_reasons_give_way(language: Language) -> None:
    job = replace(JOB, prompt="\\" * 1000, negative_prompt="*" * 1000, model="m" * 300)
    case = replace(OPEN, details={"hits": HITS})
    more = [Text.verbatim("x" * 180)] * 6
    told = case_text(CasePage(case, job, GuildSettings(), history=HISTORY, more=more), language, NO_CATEGORIES)
    assert len(told) <= MAX_CONTENT_CHARACTERS
    lines = told.splitlines()
    assert lines[-len(HISTORY) - 2] == "…"
    assert lines[-len(HISTORY) - 1 : -1] == [language.tell(line) for line in HISTORY]
    assert "<t:1767484800:f>" in lines[-1]
