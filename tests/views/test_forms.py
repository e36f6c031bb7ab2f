"""Forms: what Discord gets of them, and what their submissions say."""

from unittest.mock import MagicMock

import discord
import pytest

from bot.views.custom_id import Action, CustomId
from bot.views.forms import Field, form_values, make_form

CUSTOM_ID = CustomId(Action.REMIX, "0123456789ab")


async def test_a_form_is_not_kept_and_says_what_is_there() -> None:
    fields = [
        Field("prompt", "The prompt", 1000, value="a red circle", is_required=True, is_long=True),
        Field("seed", "Seed", 12, hint="random"),
    ]
    form = make_form("Remix", CUSTOM_ID, fields)
    assert form.is_finished()
    payload = form.to_dict()
    assert (payload["title"], payload["custom_id"]) == ("Remix", str(CUSTOM_ID))
    prompt, seed = (component["component"] for component in payload["components"])
    assert (prompt["custom_id"], prompt["value"], prompt["required"], prompt["style"]) == (
        "prompt",
        "a red circle",
        True,
        discord.TextStyle.paragraph.value,
    )
    assert (seed["placeholder"], seed["required"], seed["max_length"]) == ("random", False, 12)
    assert not seed.get("value")


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (None, {}),
        ({}, {}),
        ({"components": [{"type": 18, "component": {"type": 4, "custom_id": "seed", "value": " 7 "}}]}, {"seed": "7"}),
        ({"components": [{"type": 1, "components": [{"type": 4, "custom_id": "seed", "value": None}]}]}, {"seed": ""}),
        ({"components": [{"type": 10}]}, {}),
    ],
)
def test_what_was_written(data: object, values: dict[str, str]) -> None:
    assert form_values(MagicMock(spec=discord.Interaction, data=data)) == values
