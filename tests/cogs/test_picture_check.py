"""A store that hangs while pictures are checked: a fault of the store, which may be asked again."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from bot.cogs.audit_notes import AuditNotes
from bot.cogs.follower import AcceptedJob
from bot.cogs.image_gate import ImageGate, Ruling
from bot.cogs.picture_check import PictureCheck
from bot.errors import StoreError
from bot.image_rule import ImageAction
from bot.moderation.cases import CaseKind
from bot.moderation.image_rules import Hit
from bot.requests import Result
from bot.store import Store


async def hang(*_: object) -> None:
    await asyncio.sleep(600)


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> PictureCheck:
    monkeypatch.setattr("bot.cogs.picture_check.STORE_TIMEOUT_S", 0.0)
    store = SimpleNamespace(guilds=SimpleNamespace(settings=hang), audit=SimpleNamespace(knows=hang))
    gate = MagicMock(spec=ImageGate)
    gate.judge.return_value = Ruling((Hit(1, "black_star", ImageAction.REFUSE, 2.0, 1.0),))
    return PictureCheck(
        cast(Store, store), gate, notes=MagicMock(spec=AuditNotes), on_open=MagicMock(), strike=MagicMock()
    )


JOB: Any = SimpleNamespace(
    guild_id=7, user_id=1, request=SimpleNamespace(job_id="1"), is_reviewed=False, is_spoiler=False, image_rules=()
)


async def test_opening_a_case(check: PictureCheck) -> None:
    with pytest.raises(StoreError, match="in time"):
        await check.open(CaseKind.HELD_PICTURES, cast(AcceptedJob, JOB), {})


async def test_recording_a_refusal(check: PictureCheck) -> None:
    with pytest.raises(StoreError, match="in time"):
        await check.check(cast(AcceptedJob, JOB), cast(Result, None))
