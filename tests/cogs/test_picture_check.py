"""What may be asked again of the check: what a store that hangs did not answer, and a case that is open already."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from bot.cogs.audit_notes import AuditNotes
from bot.cogs.follower import AcceptedJob
from bot.cogs.image_gate import ImageGate, Ruling
from bot.cogs.picture_check import PictureCheck
from bot.errors import JobFailedError, StoreError
from bot.image_rule import ImageAction
from bot.moderation.cases import CaseKind, Decision
from bot.moderation.image_rules import Hit
from bot.requests import Result
from bot.store import Store
from tests.store.samples import url_of


async def hang(*_: object) -> None:
    await asyncio.sleep(600)


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> PictureCheck:
    monkeypatch.setattr("bot.cogs.picture_check.STORE_TIMEOUT_S", 0.0)
    store = SimpleNamespace(cases=SimpleNamespace(of_job=hang), audit=SimpleNamespace(knows=hang))
    return make_check(cast(Store, store))


def make_check(store: Store) -> PictureCheck:
    gate = MagicMock(spec=ImageGate)
    gate.judge.return_value = Ruling((Hit(1, "black_star", ImageAction.REFUSE, 2.0, 1.0),))
    return PictureCheck(store, gate, notes=MagicMock(spec=AuditNotes), on_open=MagicMock(), strike=MagicMock())


JOB: Any = SimpleNamespace(
    guild_id=7, user_id=1, request=SimpleNamespace(job_id="1"), is_reviewed=False, is_spoiler=False, image_rules=()
)


async def test_opening_a_case(check: PictureCheck) -> None:
    with pytest.raises(StoreError, match="in time"):
        await check.open(CaseKind.HELD_PICTURES, cast(AcceptedJob, JOB), {})


async def test_recording_a_refusal(check: PictureCheck) -> None:
    with pytest.raises(StoreError, match="in time"):
        await check.check(cast(AcceptedJob, JOB), cast(Result, None))


@pytest.mark.parametrize("limit", ["MAX_OPEN_OF_USER", "MAX_OPEN_OF_GUILD"])
async def test_a_job_finds_its_own_case_where_no_more_may_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """As after a stop that came before the job's state was stored."""
    monkeypatch.setattr(f"bot.cogs.picture_check.{limit}", 1)
    async with Store.open(url_of(tmp_path)) as store:
        await store.guilds.change(JOB.guild_id, 1, review_channel=20)
        check = make_check(store)
        opened = await check.open(CaseKind.HELD_PICTURES, JOB, {})
        assert await check.open(CaseKind.HELD_PICTURES, JOB, {}) == opened
        with pytest.raises(JobFailedError, match="wait for moderators"):
            await check.open(CaseKind.HELD_PROMPT, JOB, {})
        await store.cases.decide(JOB.guild_id, opened.number, Decision.APPROVE, by=1, at=datetime.now(UTC))
        assert (await check.open(CaseKind.HELD_PICTURES, JOB, {})).number == opened.number + 1
