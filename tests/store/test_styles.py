import asyncio
from typing import Any

import pytest

from bot.errors import DalleBotError, InvalidParameterError
from bot.store import AuditAction, AuditFilter, Store, Style, styles
from bot.store.styles import MAX_NAME_CHARACTERS, MAX_TEXT_CHARACTERS
from tests.store.samples import SNOWFLAKE

GUILD = SNOWFLAKE


def style(name: str = "oil", **changes: Any) -> Style:
    values: dict[str, Any] = {"name": name, "prompt": "an oil painting", "created_by": SNOWFLAKE + 1}
    return Style(**(values | changes))


def test_a_style_without_a_place_for_the_prompt_follows_it() -> None:
    assert style().on("a red circle") == "a red circle, an oil painting"


def test_a_style_with_a_place_surrounds_the_prompt() -> None:
    framed = style(prompt="a photo of {prompt}, 35 mm {grain}")
    assert framed.on("{prompt} and {0}") == "a photo of {prompt} and {0}, 35 mm {grain}"


def test_names_are_lower_case_and_evenly_spaced() -> None:
    assert style("  Öl   auf-Leinwand_2 ").name == "öl auf-leinwand_2"
    assert style("Cafe\u0301").name == "café"
    assert style("நீலம்").name == "நீலம்"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": " "}, "The style's name has 0 characters; expected 1 to 32."),
        ({"name": "x" * (MAX_NAME_CHARACTERS + 1)}, "The style's name has 33 characters; expected 1 to 32."),
        ({"name": "*oil*"}, "The style's name may hold letters, digits, spaces, - and _ only."),
        ({"name": "oil\x00"}, "The style's name may hold letters"),
        ({"prompt": ""}, "The style's text is empty"),
        ({"prompt": "x" * (MAX_TEXT_CHARACTERS + 1)}, "The style's text has 501 characters; at most 500 are allowed."),
        ({"negative": "?!"}, "The style's negative prompt has no letters or digits"),
        ({"negative": "x" * 501}, "The style's negative prompt has 501 characters"),
    ],
)
def test_wrong_styles_are_named(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DalleBotError) as caught:
        style(**changes)
    assert str(caught.value).startswith(sentence)


async def test_styles_are_each_guilds_own_by_name(store: Store) -> None:
    night, oil = style("night", negative="sun"), style("oil")
    for new in (oil, night):
        await store.styles.add(GUILD, new)
    await store.styles.add(GUILD + 1, style("oil", prompt="crude"))
    assert await store.styles.of(GUILD) == [night, oil]


async def test_a_name_is_taken_once(store: Store) -> None:
    await store.styles.add(GUILD, style())
    with pytest.raises(InvalidParameterError, match="There is a style oil already: remove it first"):
        await store.styles.add(GUILD, style(" OIL", prompt="another"))
    assert await store.styles.of(GUILD) == [style()]


async def test_a_removed_name_is_free_again(store: Store) -> None:
    await store.styles.add(GUILD, style())
    assert not await store.styles.remove(GUILD + 1, "oil", by=1)
    assert await store.styles.remove(GUILD, "oil", by=1)
    assert not await store.styles.remove(GUILD, "oil", by=1)
    await store.styles.add(GUILD, style(prompt="another"))
    entries = await store.audit.page(AuditFilter(guild_id=GUILD), 9)
    assert [(entry.action, entry.actor_id) for entry in entries] == [
        (AuditAction.STYLE_ADDED, SNOWFLAKE + 1),
        (AuditAction.STYLE_REMOVED, 1),
        (AuditAction.STYLE_ADDED, SNOWFLAKE + 1),
    ]
    assert entries[0].details == {"style": "oil", "text": "another", "negative": None}
    assert entries[1].details == {"style": "oil"}
    assert [found.prompt for found in await store.styles.of(GUILD)] == ["another"]


async def test_a_guild_has_room_for_a_bounded_number(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(styles, "MAX_STYLES", 4)
    new = [style(f"style {number}") for number in range(6)]
    outcomes = await asyncio.gather(*(store.styles.add(GUILD, one) for one in new), return_exceptions=True)
    refusals = [str(outcome) for outcome in outcomes if outcome is not None]
    assert refusals == ["This server has 4 styles, as many as fit: remove one first."] * 2
    assert len(await store.styles.of(GUILD)) == 4
