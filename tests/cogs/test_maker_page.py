"""What moderators read about whoever made a result, in every language and within a message."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.catalogues import Languages
from bot.cogs.maker_page import CASE_KINDS, DECISIONS, MAX_CASES, Maker, maker_text
from bot.language import ENGLISH, Language
from bot.message_text import MAX_CONTENT_CHARACTERS
from bot.moderation.cases import CaseKind, Decision
from bot.sanction_ladder import SanctionKind
from bot.store import CaseRecord, JobRecord, JobState, SanctionRecord

NOW = datetime(2026, 1, 2, tzinfo=UTC)
JOB = JobRecord(
    id="0123456789ab",
    prompt="a *red* circle",
    num_images=9,
    seed=5,
    condition_scale=7.5,
    user_id=2**62,
    guild_id=2**62 + 1,
    channel_id=2**62 + 2,
    interaction_id=3,
    state=JobState.DELIVERED,
    message_id=2**62 + 4,
    created_at=NOW,
    updated_at=NOW,
    error=None,
    result=None,
    deleted_at=None,
)
CASE = CaseRecord(
    guild_id=1,
    number=3,
    kind=CaseKind.REPORT,
    job_id=JOB.id,
    user_id=JOB.user_id,
    opened_at=NOW,
    decision=Decision.REJECT_STRIKE,
    decided_by=None,
    decided_at=NOW,
    channel_id=None,
    message_id=None,
)


def sanction(number: int, kind: SanctionKind, hours: int) -> SanctionRecord:
    """One that ends so many hours from NOW."""
    return SanctionRecord(
        id=number,
        guild_id=1,
        user_id=JOB.user_id,
        kind=kind,
        reason="x" * 900,
        given_by=None,
        given_at=NOW,
        expires_at=NOW + timedelta(hours=hours),
        revoked_at=None,
        revoked_by=None,
        appealed_at=None,
        appeal=None,
        appeal_locale=None,
        appeal_decision=None,
        appeal_decided_by=None,
        appeal_decided_at=None,
    )


SANCTIONS = [
    sanction(3, SanctionKind.COOLDOWN, 1),
    sanction(2, SanctionKind.STRIKE, 1),
    sanction(1, SanctionKind.STRIKE, -1),
]


def test_every_kind_and_decision_has_words() -> None:
    assert set(CASE_KINDS) == set(CaseKind)
    assert set(DECISIONS) == {None, *Decision}


def test_it_names_prompt_parameters_parent_and_history() -> None:
    parent = replace(JOB, id="ba9876543210", user_id=77)
    job = replace(JOB, kind="vary", parent_id=parent.id, parent_rank=2, negative_prompt="green")
    told = maker_text(Maker(job, parent, 12, SANCTIONS, NOW, [CASE]), ENGLISH)
    for part in (
        f"<@{JOB.user_id}>",
        r"a \*red\* circle",
        "Negative prompt: green",
        "images 9 · seed 5 · condition_scale 7.5",
        "Varied from picture 2 of job [ba9876543210](https://discord.com/channels/",
        "That job is of <@77>.",
        "12 jobs of this member",
        "Strikes: 2, of which 1 still count.",
        "They can't draw until <t:1767315600:f>",
        "Case #3: reported <t:1767312000:d>, rejected, with a strike.",
    ):
        assert part in told
    assert "which is not known any more" in maker_text(Maker(job, None, 1, (), NOW, []), ENGLISH)


@pytest.mark.parametrize("language", Languages.load().all(), ids=lambda language: language.code)
def test_it_fits_into_a_message(language: Language) -> None:
    job = replace(JOB, prompt="\\" * 1000, negative_prompt="*" * 1000, model="m" * 300, kind="remix", parent_id="x")
    told = maker_text(Maker(job, JOB, 99999, SANCTIONS, NOW, [CASE] * (MAX_CASES + 1)), language)
    assert len(told) <= MAX_CONTENT_CHARACTERS
