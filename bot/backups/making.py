"""`dalle-bot backup`: what a bot keeps, in one file, while it runs. Blocks."""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot import __version__
from bot.backups.archive import Description, digest_of, new_archive
from bot.backups.postgresql_copy import dump_database
from bot.backups.sqlite_copy import copy_database
from bot.errors import StoreError
from bot.store.database import parse_url, sqlite_file
from bot.store.explaining import refuse_remains
from bot.store.in_use import refuse_vanished
from bot.store.restore_mark import refuse_half_restored


@dataclass(frozen=True, slots=True)
class BackupReport:
    """file: the backup. num_pictures: how many it holds."""

    file: Path
    num_bytes: int
    num_pictures: int

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"file": str(self.file), "bytes": self.num_bytes, "pictures": self.num_pictures}


def make_backup(store_url: str, pictures: Path, path: Path) -> BackupReport:
    """Backs up a database and a folder of pictures. path: a new file, or a folder, where it is named after the time.

    The database comes first, so every picture that is known then is in the backup, unless it was deleted meanwhile.
    Raises StoreError.
    """
    url = parse_url(store_url)
    refuse_half_restored(url)
    source = sqlite_file(url)
    if source is not None and not source.exists():
        refuse_vanished(url, source.exists)
    refuse_remains(url, pictures)
    now = datetime.now(UTC)
    file = path / f"dalle-bot-{now:%Y%m%dT%H%M%SZ}.tar" if path.is_dir() else path
    if file.exists():
        raise StoreError(f"{file} is there already: name another file, or a folder.")
    with new_archive(file) as archive, tempfile.TemporaryDirectory(dir=file.parent) as folder:
        database = Path(folder) / "database"
        if source is None:
            dump_database(url, database)
        else:
            copy_database(url, source, database)
        archive.describe(
            Description(
                database=url.get_backend_name(),
                digest=digest_of(database),
                made_at=now.isoformat(timespec="seconds"),
                version=__version__,
            )
        )
        archive.add_database(database)
        num_pictures = archive.add_pictures(pictures)
    return BackupReport(file, file.stat().st_size, num_pictures)
