import pytest

from bot.moderation.cases import CHOICES, DEFAULTS, Decision, outcome_of


@pytest.mark.parametrize("decision", list(Decision))
def test_what_is_punished_is_not_shown(decision: Decision) -> None:
    outcome = outcome_of(decision)
    assert not (outcome.is_shown and (outcome.is_struck or outcome.is_banned or outcome.blocks_likes))
    assert outcome.is_shown or not outcome.is_spoiler


def test_what_each_choice_does() -> None:
    shown = [(outcome_of(choice).is_shown, outcome_of(choice).is_spoiler) for choice in CHOICES]
    assert shown == [(True, False), (True, True), (False, False), (False, False), (False, False)]
    assert [choice for choice in CHOICES if outcome_of(choice).is_struck] == [Decision.REJECT_STRIKE]
    assert [choice for choice in CHOICES if outcome_of(choice).is_banned] == [Decision.BAN]


def test_no_clock_punishes_and_nobody_withdraws_for_others() -> None:
    assert not any(outcome_of(default).is_struck or outcome_of(default).is_banned for default in DEFAULTS)
    assert set(CHOICES) == set(Decision) - {Decision.WITHDRAWN}


def test_a_withdrawn_case_blocks_nothing() -> None:
    assert not outcome_of(Decision.WITHDRAWN).blocks_likes
