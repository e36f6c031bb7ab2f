"""The audit as a file, JSON Lines or CSV: read page by page and written on a worker thread. Used by /mod log."""

import asyncio
import csv
import io
import json
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, cast

from bot.store import AuditEntry, AuditFilter, AuditStore

ExportFormat = Literal["jsonl", "csv"]

MAX_EXPORTED: Final = 50_000
ROWS_PER_PAGE: Final = 500
COLUMNS: Final = tuple(field.name for field in fields(AuditEntry))

# A spreadsheet takes a cell that begins with one of these for a formula.
_RISKY: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Export:
    """file: to read from its start; whoever has it closes it. is_cut: whether there are older records."""

    file: io.BufferedRandom
    num_records: int
    is_cut: bool


async def export_audit(
    store: AuditStore, wanted: AuditFilter, form: ExportFormat, *, max_bytes: int, max_records: int = MAX_EXPORTED
) -> Export:
    """The newest records, newest first, as many as fit. Raises StoreError, and OSError if the disk is full."""
    file = cast(io.BufferedRandom, await asyncio.to_thread(tempfile.TemporaryFile))
    try:
        num_bytes = await asyncio.to_thread(file.write, _head(form))
        num_records, before_id = 0, None
        while True:
            page = await store.page(wanted, ROWS_PER_PAGE, before_id=before_id)
            rows, num_bytes = _fitting(page[: max_records - num_records], form, num_bytes, max_bytes)
            await asyncio.to_thread(file.write, b"".join(rows))
            num_records += len(rows)
            is_cut = len(rows) < len(page)
            if is_cut or len(page) < ROWS_PER_PAGE:
                await asyncio.to_thread(file.seek, 0)
                return Export(file, num_records, is_cut)
            before_id = page[-1].id
    except BaseException:
        file.close()
        raise


def _fitting(
    entries: Iterable[AuditEntry], form: ExportFormat, num_bytes: int, max_bytes: int
) -> tuple[list[bytes], int]:
    """The rows that still fit, and how many bytes there are then."""
    rows = []
    for entry in entries:
        row = _row(entry, form)
        if num_bytes + len(row) > max_bytes:
            break
        rows.append(row)
        num_bytes += len(row)
    return rows, num_bytes


def _head(form: ExportFormat) -> bytes:
    return _csv_line(COLUMNS) if form == "csv" else b""


def _row(entry: AuditEntry, form: ExportFormat) -> bytes:
    # Ids as text: many programs round whole numbers above 2^53.
    values: dict[str, Any] = asdict(entry) | {"at": entry.at.isoformat()}
    for name in ("id", "guild_id", "actor_id", "user_id"):
        values[name] = None if values[name] is None else str(values[name])
    if form == "jsonl":
        return json.dumps(values, ensure_ascii=False).encode() + b"\n"
    details = json.dumps(values["details"], ensure_ascii=False) if values["details"] else ""
    cells = ["" if value is None else str(value) for value in (values | {"details": details}).values()]
    return _csv_line([_harmless(cell) for cell in cells])


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_RISKY) else cell


def _csv_line(cells: Iterable[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()
