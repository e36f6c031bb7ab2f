"""What tests of backups share: PostgreSQL's programs, and backups with other contents."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.bench import own_postgres


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's, where they aren't on the path."""
    folder = own_postgres.programs()
    if folder is not None:
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def members_of(file: Path) -> dict[str, bytes]:
    """Name → content, in their order."""
    with tarfile.open(file) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]


def rewrite(file: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Gives a backup other members."""
    members = members_of(file)
    change(members)
    with tarfile.open(file, "w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
