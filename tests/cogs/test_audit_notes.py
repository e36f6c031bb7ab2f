import asyncio
from unittest.mock import AsyncMock

import pytest

from bot.cogs import audit_notes
from bot.cogs.audit_notes import AuditNotes
from bot.errors import StoreError
from bot.store import AuditAction, AuditRecord, AuditStore
from tests.conftest import eventually

RECORD = AuditRecord(guild_id=7, action=AuditAction.PROMPT_REFUSED, user_id=5, reason="refuse: a word")
LOCKED = StoreError("It is locked.")


def audit(*outcomes: Exception | None, is_known: bool = False) -> AsyncMock:
    store = AsyncMock(spec=AuditStore)
    store.add.side_effect = outcomes or None
    store.knows.return_value = is_known
    return store


def notes_of(store: AsyncMock, *pauses_s: float) -> AuditNotes:
    return AuditNotes(store, pauses_s=pauses_s)


async def test_a_record_is_stored_before_it_returns() -> None:
    store = audit()
    notes = notes_of(store)
    await notes.add(RECORD)
    store.add.assert_awaited_once_with(RECORD)
    store.knows.assert_not_awaited()
    await notes.aclose()


async def test_what_the_store_does_not_take_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    store = audit(LOCKED, TimeoutError(), None)
    notes = notes_of(store, 0.01, 0.01, 0.01)
    await notes.add(RECORD)
    await eventually(lambda: store.add.await_count == 3)
    await notes.aclose()
    assert store.add.await_count == 3
    assert "It is locked." in caplog.text
    assert "only here" not in caplog.text


async def test_nobody_waits_for_a_store_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_notes, "WAIT_S", 0.01)
    goes_on, stored = asyncio.Event(), []

    async def add(record: AuditRecord) -> None:
        await goes_on.wait()
        stored.append(record)

    store = AsyncMock(spec=AuditStore)
    store.add.side_effect = add
    notes = notes_of(store)
    await notes.add(RECORD)
    assert stored == []
    goes_on.set()
    await eventually(lambda: stored == [RECORD])
    await notes.aclose()


async def test_what_is_given_up_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    notes = notes_of(audit(LOCKED, LOCKED), 0.01)
    await notes.add(RECORD)
    await eventually(lambda: "only here" in caplog.text)
    assert "refuse: a word" in caplog.text
    await notes.aclose()


async def test_so_is_what_waits_when_the_bot_closes_after_a_last_attempt(caplog: pytest.LogCaptureFixture) -> None:
    store = audit(LOCKED, None, LOCKED, LOCKED)
    for is_saved in (True, False):
        notes = notes_of(store, 3600.0, 3600.0)
        await notes.add(RECORD)
        await notes.aclose()
        assert ("only here" in caplog.text) is not is_saved
    assert store.add.await_count == 4


async def test_so_is_what_has_no_room(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(audit_notes, "MAX_WAITING", 2)
    monkeypatch.setattr(audit_notes, "WAIT_S", 0.01)
    store = AsyncMock(spec=AuditStore)
    store.add.side_effect = LOCKED
    notes = notes_of(store, 3600.0)
    for _ in range(2):
        await notes.add(RECORD)
    assert "only here" not in caplog.text
    await notes.add(RECORD)
    assert "2 records wait for the database, so this one is only here" in caplog.text
    assert store.add.await_count == 2
    await notes.aclose()


@pytest.mark.parametrize("is_known", [False, True])
async def test_what_is_meant_once_is_stored_once(is_known: bool) -> None:
    store = audit(is_known=is_known)
    notes = notes_of(store)
    await notes.add(RECORD, is_once=True)
    store.knows.assert_awaited_once_with(RECORD)
    assert store.add.await_count == (not is_known)
    await notes.aclose()
