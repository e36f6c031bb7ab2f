"""A database of several processes is brought up to date while none of them uses it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import URL, make_url

from bot.errors import StoreFaultError
from bot.store import upgrading
from bot.store.in_use import Release, store_in_use, take
from bot.store.migrate import migrate, migration_config
from bot.store.upgrading import upgrade_alone
from tests.conftest import TIMEOUT_S, eventually
from tests.store.postgres import PostgresServer
from tests.store.samples import run_sql


@pytest.fixture
def older(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a database that lacks the last migration, or says so."""
    address = postgres.empty_database()
    newest = run_sql(address, "SELECT version_num FROM alembic_version")[0][0]
    run_sql(address, "UPDATE alembic_version SET version_num = '0001'")
    yield address
    run_sql(address, "UPDATE alembic_version SET version_num = :newest", newest=newest)


class Upgrades:
    """In the place of `migrate`: takes the database as it is."""

    def __init__(self, patch: pytest.MonkeyPatch, newest: str) -> None:
        self.count = 0
        self.newest = newest
        patch.setattr(upgrading, "migrate", self._migrate)

    def _migrate(self, url: object, _: float) -> None:
        self.count += 1
        run_sql(str(url), "UPDATE alembic_version SET version_num = :newest", newest=self.newest)


@pytest.fixture
def upgrades(monkeypatch: pytest.MonkeyPatch) -> Upgrades:
    return Upgrades(monkeypatch, ScriptDirectory.from_config(migration_config()).get_current_head() or "")


async def refused(patch: pytest.MonkeyPatch) -> None:
    """Until the database was not to be had once more."""
    is_refused = threading.Event()

    def note(url: URL, is_shared: bool = False) -> Release | None:
        release = take(url, is_shared)
        if release is None and not is_shared:
            is_refused.set()
        return release

    patch.setattr(upgrading, "take", note)
    assert await asyncio.to_thread(is_refused.wait, TIMEOUT_S)


async def test_nothing_is_upgraded_under_processes_that_run(
    older: str, upgrades: Upgrades, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(older)
    async with store_in_use(url, is_shared=True):
        with pytest.raises(
            StoreFaultError, match="has the schema of an older version, and processes of that one"
        ) as fault:
            await upgrade_alone(url, wait_s=0.0)
        assert upgrades.count == 0
        waiting = asyncio.create_task(upgrade_alone(url, wait_s=TIMEOUT_S))
        await refused(monkeypatch)
        assert upgrades.count == 0
    await asyncio.wait_for(waiting, TIMEOUT_S)
    assert upgrades.count == 1
    assert not fault.value.is_lasting, "a supervisor that starts it anew finds them gone"


async def test_an_upgrade_of_somebody_else_is_waited_for_and_not_taken_for_older_processes(
    older: str, upgrades: Upgrades, caplog: pytest.LogCaptureFixture
) -> None:
    url = make_url(older)
    async with store_in_use(url):
        with pytest.raises(StoreFaultError, match="one process keeps all others out: it upgrades or") as fault:
            await upgrade_alone(url, wait_s=0.0, alone_wait_s=0.0)
        assert not fault.value.is_lasting
        waiting = asyncio.create_task(upgrade_alone(url, wait_s=0.0, alone_wait_s=TIMEOUT_S))
        await eventually(lambda: "one process keeps all others out" in caplog.text)
        assert not waiting.done()
        run_sql(older, "UPDATE alembic_version SET version_num = :newest", newest=upgrades.newest)
    await asyncio.wait_for(waiting, TIMEOUT_S)
    assert upgrades.count == 0
    assert caplog.text.count("one process keeps all others out") == 1


async def test_a_database_that_is_let_go_between_two_looks_is_not_taken_for_one_that_older_processes_use(
    older: str, upgrades: Upgrades, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(older)
    looks: list[int] = []

    def is_kept_alone(_: URL) -> bool:
        looks.append(len(looks))
        return len(looks) > 1

    monkeypatch.setattr(upgrading, "_is_kept_alone", is_kept_alone)
    async with store_in_use(url):
        waiting = asyncio.create_task(upgrade_alone(url, wait_s=0.0, alone_wait_s=TIMEOUT_S))
        await eventually(lambda: len(looks) > 1 or waiting.done())
    await asyncio.wait_for(waiting, TIMEOUT_S)
    assert upgrades.count == 1


async def test_of_several_that_start_together_one_upgrades_and_all_go_on(older: str, upgrades: Upgrades) -> None:
    async def start() -> None:
        await upgrade_alone(make_url(older), wait_s=TIMEOUT_S)
        await stack.enter_async_context(store_in_use(make_url(older), is_shared=True))

    async with AsyncExitStack() as stack:
        await asyncio.wait_for(asyncio.gather(*(start() for _ in range(3))), TIMEOUT_S)
    assert upgrades.count == 1


async def test_a_database_of_this_version_or_without_tables_is_left_alone(
    postgres: PostgresServer, upgrades: Upgrades
) -> None:
    async with store_in_use(make_url(postgres.empty_database()), is_shared=True):
        await upgrade_alone(make_url(postgres.empty_database()), wait_s=0.0)
    with postgres.database() as address:
        await upgrade_alone(make_url(address), wait_s=0.0)
        migrate(make_url(address), 5)
        await upgrade_alone(make_url(address), wait_s=0.0)
    assert upgrades.count == 0
