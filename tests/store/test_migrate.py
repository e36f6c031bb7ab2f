import asyncio
import sqlite3
from collections.abc import Callable, Iterator
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
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    func,
    insert,
    make_url,
    select,
)

from bot.errors import StoreError
from bot.store import Store
from bot.store.database import close_log, create_blocking_engine
from bot.store.migrate import migrate, migration_config
from bot.store.schema import metadata
from tests.store.postgres import PostgresServer
from tests.store.samples import picture, run_sql


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bot.sqlite3"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, file: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield url_of(file)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


def url_of(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


def migrate_file(file: Path) -> None:
    migrate(make_url(url_of(file)), 5)


def tables(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_migrations_lead_to_the_schema(empty_url: str) -> None:
    migrate(make_url(empty_url), 5)
    with create_blocking_engine(make_url(empty_url), 5).begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert list(compare_metadata(context, metadata)) == []


def run_alembic(step: Callable[[Config, str], None], url: str, revision: str) -> None:
    engine = create_blocking_engine(make_url(url), 5)
    config = migration_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        step(config, revision)


async def test_jobs_and_values_of_version_1_survive(file: Path) -> None:
    await asyncio.to_thread(run_alembic, command.upgrade, url_of(file), "0001")
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


REVISIONS = [script.revision for script in ScriptDirectory.from_config(migration_config()).walk_revisions()][::-1]


def filled(connection: Connection, number: int) -> dict[str, int]:
    """Puts a row into every table as it is now; how many each has. Whatever a column must have, it gets."""
    there = MetaData()
    there.reflect(connection)
    num_rows = {}
    for table in there.sorted_tables:
        if table.name == "alembic_version":
            continue
        row = {
            column.name: value_for(column, number)
            for column in table.columns
            if not column.nullable and column.server_default is None
        }
        connection.execute(insert(table).values(row))
        num_rows[table.name] = connection.execute(select(func.count()).select_from(table)).scalar_one()
    return num_rows


def value_for(column: Column[Any], number: int) -> Any:
    """Of its type, and fit to be looked up: 0123456789ab is a job's id in every table."""
    known = {"state": "delivered", "kind": "imagine", "rank": 1, "job_id": "0123456789ab", "id": "0123456789ab"}
    match column.type:
        case DateTime():
            return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        case Integer() if column.name != "rank":
            return number
        case LargeBinary():
            return b"\x01\x00\x00\x00"
        case JSON():
            return {}
        case Boolean():
            return False
        case Float():
            return 0.5
    return known.get(column.name, "{}" if column.name == "settings" else "x")


@pytest.mark.parametrize("revision", REVISIONS)
def test_data_of_every_earlier_schema_survives(empty_url: str, revision: str) -> None:
    run_alembic(command.upgrade, empty_url, revision)
    engine = create_blocking_engine(make_url(empty_url), 5)
    with engine.begin() as connection:
        before = filled(connection, 1)
    migrate(make_url(empty_url), 5)
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert list(compare_metadata(context, metadata)) == []
        after = {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
        }
        assert {name: count for name, count in after.items() if count} == before
        job = connection.execute(select(metadata.tables["jobs"])).one()._mapping
    assert (job["id"], job["prompt"], job["state"], job["seed"]) == ("0123456789ab", "x", "delivered", 1)
    assert (job["weight"], job["is_trusted"], job["answer_token"]) == (1.0, False, None)
    assert job["created_at"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_only_backups_lead_back(file: Path, revision: str) -> None:
    run_alembic(command.upgrade, url_of(file), revision)
    with pytest.raises(NotImplementedError):
        run_alembic(command.downgrade, url_of(file), "-1")


@pytest.mark.fault
def test_a_new_file_is_there_as_a_whole_or_not_at_all(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 0 bytes, or one whose tables are in a log beside it, would be taken for what is left of another."""
    upgrade = command.upgrade

    def look(*args: Any) -> None:
        assert not file.exists()
        upgrade(*args)

    def fail(_: Path) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(command, "upgrade", look)
    with monkeypatch.context() as patched:
        patched.setattr("bot.store.migrate.close_log", fail)
        with pytest.raises(StoreError, match="the disk is full"):
            migrate_file(file)
    assert list(file.parent.iterdir()) == []
    file.with_name(f"{file.name}.new").write_bytes(b"of a start that was killed")
    file.with_name(f"{file.name}.new-wal").write_bytes(b"the same")
    migrate_file(file)
    assert list(file.parent.iterdir()) == [file]
    assert "jobs" in tables(file)


@pytest.mark.fault
def test_a_log_that_does_not_fit_into_its_file_is_not_lost(file: Path) -> None:
    with closing(sqlite3.connect(file)) as writing, closing(sqlite3.connect(file)) as reading:
        writing.execute("PRAGMA journal_mode = WAL")
        writing.execute("CREATE TABLE things (name TEXT)")
        writing.commit()
        reading.execute("BEGIN")
        assert reading.execute("SELECT * FROM things").fetchall() == []
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            close_log(file)


def test_migrating_twice_changes_nothing(file: Path) -> None:
    migrate_file(file)
    before = file.read_bytes()
    migrate_file(file)
    assert file.read_bytes() == before


@pytest.mark.fault
def test_two_programs_may_start_together(empty_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(migrate, make_url(empty_url), 5) for _ in range(2)]:
            future.result()
    assert run_sql(empty_url, "SELECT count(*) FROM jobs") == [(0,)]


@pytest.mark.fault
def test_damaged_pages_are_found_before_anything_is_changed(file: Path) -> None:
    migrate_file(file)
    pages = file.read_bytes()
    file.write_bytes(pages[: 4096 * 5] + b"\xff" * 4096 * 3 + pages[4096 * 8 :])
    with pytest.raises(StoreError, match=r"is damaged. Run `dalle-bot restore FILE` with the newest backup"):
        migrate_file(file)


@pytest.mark.fault
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
