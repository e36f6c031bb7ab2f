"""`dalle-bot restore`: puts a backup in the place of what a bot keeps, while none runs. Blocks."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.backups.archive import open_archive
from bot.backups.postgresql_copy import load_database
from bot.backups.sqlite_copy import put_in_place
from bot.errors import StoreError
from bot.store.database import BUSY_TIMEOUT_S, make_folder, parse_url, sqlite_file
from bot.store.in_use import store_kept_alone
from bot.store.migrate import migrate


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """made_at: when the backup was made. aside: where the database that was there is now; None if none was."""

    made_at: str
    num_pictures: int
    aside: str | None

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"made_at": self.made_at, "pictures": self.num_pictures, "aside": self.aside}


def restore_backup(store_url: str, pictures: Path, file: Path) -> RestoreReport:
    """Puts a backup's database in the place of the present one, which is kept aside, and its pictures into the folder.

    Raises StoreError if a bot uses the store, or if the file is no whole backup of such a database; nothing has
    changed then but that some pictures may be there.
    """
    url = parse_url(store_url)
    target = sqlite_file(url)
    kind = url.get_backend_name()
    with store_kept_alone(url), open_archive(file) as archive:
        if archive.description.database != kind:
            raise StoreError(
                f"{file} is a backup of {archive.description.database}, and store.url names {kind}: set store.url to "
                "a database of the former."
            )
        if target is not None:
            make_folder(target)
        # Beside the database, so that it can be moved into its place.
        with tempfile.TemporaryDirectory(dir=None if target is None else target.parent) as folder:
            database = Path(folder) / "database"
            archive.take_database(database)
            num_pictures = archive.take_pictures(pictures)
            if target is None:
                aside: str | None = f"the schema {load_database(url, database)}"
            else:
                # Before it is there: a backup of a newer version must not take the place of what works.
                migrate(url.set(database=str(database)), BUSY_TIMEOUT_S)
                moved = put_in_place(database, target)
                aside = None if moved is None else str(moved)
        return RestoreReport(archive.description.made_at, num_pictures, aside)
