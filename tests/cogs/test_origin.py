"""How a message tells which job it comes from."""

from datetime import UTC, datetime
from unittest.mock import MagicMock

import pytest

from bot.cogs.origin import message_address, origin_text
from bot.store import JobKind, JobRecord

LINK = "[0123456789ab](https://discord.com/channels/7/5/9)"


def make_job(**values: object) -> MagicMock:
    given = {
        "id": "0123456789ab",
        "guild_id": 7,
        "channel_id": 5,
        "message_id": 9,
        "deleted_at": None,
        "is_private": False,
    }
    return MagicMock(spec=JobRecord, **{**given, **values})


@pytest.mark.parametrize(
    ("kind", "rank", "values", "said"),
    [
        ("vary", 3, {}, f"Varied from picture 3 of job {LINK}."),
        ("reroll", None, {}, f"Drawn again after job {LINK}."),
        ("again", None, {}, f"Drawn again after job {LINK}."),
        ("vary", 3, {"deleted_at": datetime.now(UTC)}, "Varied from picture 3 of job `0123456789ab`."),
        ("vary", 3, {"is_private": True}, "Varied from picture 3 of job `0123456789ab`."),
        ("reroll", None, {"message_id": None}, "Drawn again after job `0123456789ab`."),
    ],
)
def test_the_job_and_a_link_to_its_message(
    kind: JobKind, rank: int | None, values: dict[str, object], said: str
) -> None:
    assert str(origin_text(kind, make_job(**values), rank)) == said


def test_the_address_of_a_message_outside_of_servers() -> None:
    assert message_address(make_job(guild_id=None)) == "https://discord.com/channels/@me/5/9"
