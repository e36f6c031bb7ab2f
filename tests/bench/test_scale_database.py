"""Which database `bench scale` measures, and that it leaves nothing in one that is somebody's."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from bot.bench.own_postgres import programs
from bot.bench.scale_database import measure_database
from bot.config import Settings, StoreSettings
from bot.errors import ConfigError
from bot.store.database import create_blocking_engine
from tests.store.postgres import PostgresServer


async def test_sqlite_where_it_is_asked_for(settings: Settings, tmp_path: Path) -> None:
    measured = await measure_database(settings, "sqlite", tmp_path / "jobs.sqlite3", 8)
    assert measured.name == "SQLite"
    assert 1.0 < measured.jobs_per_s < 1e5
    assert (tmp_path / "jobs.sqlite3").exists()


async def test_what_the_settings_name_is_left_as_it_was(postgres: PostgresServer, tmp_path: Path) -> None:
    with postgres.database() as url:
        settings = Settings(data_dir=tmp_path, store=StoreSettings(url=SecretStr(url)))
        measured = await measure_database(settings, "store.url", tmp_path / "none", 8)
        engine = create_blocking_engine(make_url(url), 5, is_writing=False)
        with engine.connect() as connection:
            tables = connection.exec_driver_sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").scalar()
            names = connection.exec_driver_sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'dalle%%'").all()
    assert (measured.name, tables, names) == ("PostgreSQL at store.url", 0, [])
    assert 1.0 < measured.jobs_per_s < 1e5


async def test_a_file_is_no_postgresql(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"store\.url names no PostgreSQL database"):
        await measure_database(settings, "store.url", tmp_path / "none", 8)


async def test_a_server_that_is_not_installed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.bench.scale_database.programs", lambda: None)
    with pytest.raises(ConfigError, match="PostgreSQL's server is not installed here"):
        await measure_database(settings, "postgresql", tmp_path / "none", 8)
    assert (await measure_database(settings, None, tmp_path / "jobs.sqlite3", 8)).name == "SQLite"


@pytest.mark.slow
@pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")
async def test_a_server_of_its_own(settings: Settings, tmp_path: Path) -> None:
    measured = await measure_database(settings, None, tmp_path / "none", 8)
    assert measured.name == "PostgreSQL on this machine"
    assert measured.jobs_per_s > 1.0
