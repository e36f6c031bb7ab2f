import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url

from bot.errors import StoreError
from bot.store import Store
from bot.store.database import create_blocking_engine, create_engine
from bot.store.migrate import migrate, migration_config
from bot.store.schema import metadata
from tests.store.samples import picture


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


def run_alembic(step: Callable[[Config, str], None], file: Path, revision: str) -> None:
    engine = create_blocking_engine(make_url(f"sqlite+aiosqlite:///{file}"), 5)
    config = migration_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        step(config, revision)


async def test_jobs_and_values_of_version_1_survive(file: Path) -> None:
    await asyncio.to_thread(run_alembic, command.upgrade, file, "0001")
    old = {
        "id": "0123456789ab",
        "state": "delivered",
        "prompt": "ein „Kreis“ 🔴",
        "num_images": 2,
        "seed": 2**32 - 1,
        "top_p": 0.1,
        "user_id": 2**62,
        "channel_id": 3,
        "message_id": 4,
        "interaction_id": 5,
        "locale": "de",
        "created_at": "2026-01-02 03:04:05.678901",
        "updated_at": "2026-01-02 03:04:06.000000",
        "result": '{"order": [1, 0], "scores": [25.5, 24.0]}',
    }
    waiting = old | {"id": "ba9876543210", "interaction_id": 6, "state": "queued", "result": None}
    with closing(sqlite3.connect(file)) as connection:
        for row in (old, waiting):
            columns, marks = ", ".join(row), ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO jobs ({columns}) VALUES ({marks})", tuple(row.values()))
        connection.execute("INSERT INTO settings VALUES ('commands', 'hash')")
        connection.commit()
    async with Store.open(f"sqlite+aiosqlite:///{file}") as store:
        job = await store.jobs.get("0123456789ab")
        assert job is not None
        assert (job.prompt, job.seed, job.top_p, job.user_id) == ("ein „Kreis“ 🔴", 2**32 - 1, 0.1, 2**62)
        assert job.created_at == datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
        assert job.result == {"order": [1, 0], "scores": [25.5, 24.0]}
        assert (job.kind, job.parent_id, job.parent_rank, job.image_tokens) == ("imagine", None, None, ())
        assert (job.is_private, job.deleted_at) == (False, None)
        assert [job.id for job in await store.jobs.unfinished()] == ["ba9876543210"]
        assert await store.values.get("commands") == "hash"
        await store.images.save(job.id, [picture(1)])
        assert await store.favourites.add(1, job.id, 1)
        assert (await store.guilds.change(7, 1, max_images=3)).max_images == 3


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_only_backups_lead_back(file: Path, revision: str) -> None:
    run_alembic(command.upgrade, file, revision)
    with pytest.raises(NotImplementedError):
        run_alembic(command.downgrade, file, "-1")


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
