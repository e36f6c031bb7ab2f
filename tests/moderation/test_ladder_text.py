import pytest

from bot.catalogues import Languages
from bot.errors import InvalidParameterError
from bot.language import ENGLISH
from bot.moderation.ladder_text import ladder_code, ladder_text, parse_ladder
from bot.sanction_ladder import DEFAULT_LADDER, SanctionKind, Step


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("warning, cooldown 1h, ban 1d, ban", DEFAULT_LADDER),
        ("BAN 2 weeks", (Step(SanctionKind.BAN, 14 * 86400),)),
        (" warning ,, ban,", (Step(SanctionKind.WARNING), Step(SanctionKind.BAN))),
    ],
)
def test_what_administrators_write(text: str, steps: tuple[Step, ...]) -> None:
    assert parse_ladder(text) == steps
    assert parse_ladder(ladder_code(steps)) == steps


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The ladder needs 1 to 8 steps."),
        ("strike", "Write the steps as in"),
        ("warning, jail 1d", "not jail 1d."),
        ("ban 400d", "Write a time from 1m to 366d"),
        ("cooldown", "A cooldown needs a time"),
        ("warning 1h", "A warning lasts no time"),
        (", ".join(["ban"] * 11), "The ladder needs 1 to 8 steps."),
    ],
)
def test_what_is_wrong_is_named(text: str, sentence: str) -> None:
    with pytest.raises(InvalidParameterError, match=sentence):
        parse_ladder(text)


def test_people_read_it_in_their_language() -> None:
    told = ladder_text(DEFAULT_LADDER)
    assert ENGLISH.tell(told) == "warning, cooldown (1 hour), ban (1 day) and ban for good, strike by strike"
    german = Languages.load().of("de").tell(told)
    assert german == "Verwarnung, Pause (1 Stunde), Sperre (1 Tag) und Sperre für immer, Strike für Strike"
