import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url

from bot.errors import StoreError
from bot.store.database import create_engine
from bot.store.migrate import migrate, migration_config
from bot.store.schema import metadata


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bot.sqlite3"


def migrate_file(file: Path) -> None:
    migrate(make_url(f"sqlite+aiosqlite:///{file}"), 5)


def tables(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


async def test_migrations_lead_to_the_schema(file: Path) -> None:
    await asyncio.to_thread(migrate_file, file)
    engine = create_engine(make_url(f"sqlite+aiosqlite:///{file}"), 5)

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, metadata))

    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
    finally:
        await engine.dispose()


def test_migrating_twice_changes_nothing(file: Path) -> None:
    migrate_file(file)
    before = file.read_bytes()
    migrate_file(file)
    assert file.read_bytes() == before


def test_two_programs_may_start_together(file: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(migrate_file, file) for _ in range(2)]:
            future.result()
    assert {"jobs", "settings", "alembic_version"} <= tables(file)


def test_a_migration_that_fails_leaves_nothing(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE settings (mine TEXT)")
        connection.commit()
    with pytest.raises(StoreError, match=r"bot\.sqlite3"):
        migrate_file(file)
    assert tables(file) == {"settings"}


def test_a_newer_schema_is_refused(file: Path) -> None:
    migrate_file(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from the future'")
        connection.commit()
    with pytest.raises(StoreError, match=r"bot\.sqlite3 has a schema that this version doesn't know"):
        migrate_file(file)


def test_revisions_form_one_line() -> None:
    assert len(ScriptDirectory.from_config(migration_config()).get_heads()) == 1


def test_the_template_makes_a_migration(tmp_path: Path) -> None:
    config = migration_config()
    config.set_main_option("version_locations", str(tmp_path))
    config.set_main_option("path_separator", "os")
    command.revision(config, "add something", version_path=str(tmp_path), rev_id="0002")
    (made,) = tmp_path.glob("0002_*.py")
    compile(made.read_text(encoding="utf-8"), made.name, "exec")
