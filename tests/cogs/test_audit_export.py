import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from bot.cogs import audit_export
from bot.cogs.audit_export import COLUMNS, Export, ExportFormat, export_audit
from bot.store import AuditAction, AuditFilter, AuditRecord, Store

WANTED = AuditFilter(guild_id=2**62)
MANY_BYTES = 2**20


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite3'}") as store:
        yield store


def record(reason: str | None = None, **details: object) -> AuditRecord:
    return AuditRecord(
        guild_id=WANTED.guild_id,
        action=AuditAction.JOB_CANCELLED,
        actor_id=2**62 + 1,
        user_id=2**62 + 2,
        reason=reason,
        details=details,
    )


def read(export: Export) -> str:
    with export.file as file:
        return file.read().decode()


async def exported(store: Store, form: ExportFormat, *, max_bytes: int = MANY_BYTES, max_records: int = 1000) -> Export:
    with blockbuster_ctx("bot"):
        return await export_audit(store.audit, WANTED, form, max_bytes=max_bytes, max_records=max_records)


async def test_json_lines_hold_ids_that_no_program_rounds(store: Store) -> None:
    await store.audit.add(record("ein „Grund“\nmit Zeilen", n=1), record())
    export = await exported(store, "jsonl")
    newest, oldest = [json.loads(line) for line in read(export).splitlines()]
    assert (export.num_records, export.is_cut) == (2, False)
    assert list(oldest) == list(COLUMNS)
    assert oldest["actor_id"] == str(2**62 + 1)
    assert (oldest["reason"], oldest["details"]) == ("ein „Grund“\nmit Zeilen", {"n": 1})
    assert newest["reason"] is None


@pytest.mark.parametrize("reason", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
async def test_no_cell_is_taken_for_a_formula(store: Store, reason: str) -> None:
    await store.audit.add(record(reason))
    (head, row) = csv.reader(io.StringIO(read(await exported(store, "csv")), newline=""))
    assert head == list(COLUMNS)
    assert row[head.index("reason")] == f"'{reason}"


async def test_harmless_cells_are_left_as_they_are(store: Store) -> None:
    await store.audit.add(record('a "b", c\nd = e', key="max_images"), record())
    _, without, row = csv.reader(io.StringIO(read(await exported(store, "csv")), newline=""))
    named = dict(zip(COLUMNS, row, strict=True))
    assert named["reason"] == 'a "b", c\nd = e'
    assert named["details"] == '{"key": "max_images"}'
    assert named["user_id"] == str(2**62 + 2)
    assert dict(zip(COLUMNS, without, strict=True))["details"] == ""


async def test_pages_are_put_together(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_export, "ROWS_PER_PAGE", 2)
    await store.audit.add(*(record(n=number) for number in range(5)))
    export = await exported(store, "jsonl")
    assert [json.loads(line)["details"]["n"] for line in read(export).splitlines()] == [4, 3, 2, 1, 0]
    assert (export.num_records, export.is_cut) == (5, False)


async def test_a_file_is_bounded_in_records_and_bytes(store: Store) -> None:
    await store.audit.add(*(record(n=number) for number in range(5)))
    export = await exported(store, "jsonl", max_records=3)
    assert [json.loads(line)["details"]["n"] for line in read(export).splitlines()] == [4, 3, 2]
    assert (export.num_records, export.is_cut) == (3, True)
    export = await exported(store, "jsonl", max_bytes=700)
    text = read(export)
    assert export.is_cut
    assert 0 < len(text) <= 700
    assert len(text.splitlines()) == export.num_records


async def test_nothing_to_export(store: Store) -> None:
    export = await exported(store, "jsonl")
    assert (read(export), export.num_records, export.is_cut) == ("", 0, False)
