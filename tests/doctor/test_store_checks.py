"""The database and its jobs, failure by failure, with real files."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import URL, make_url

from bot.backups import make_backup
from bot.config import TelemetrySettings
from bot.doctor.finding import Outcome, Status
from bot.doctor.store_checks import check_queue, check_running, check_shards, check_store
from bot.errors import StoreError, StoreFaultError
from bot.shards import Shards
from bot.store import JobState, NewJob, Store
from bot.store.in_use import Release, store_in_use, take
from bot.store.inspection import Inspection, Waiting, inspect_database
from bot.store.migrate import migrate, unfinished_file
from bot.store.refusals import DAMAGED, FULL, LOCKED
from tests.conftest import TIMEOUT_S, eventually
from tests.store.postgres import PostgresServer

JOB_ID = "0123456789ab"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


def url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


async def fill(file: Path, *states: JobState) -> None:
    """A database with a job that went through these states."""
    async with Store.open(url(file)) as store:
        if states:
            job = NewJob(
                id=JOB_ID, prompt="a", num_images=1, seed=1, user_id=1, channel_id=2, interaction_id=4, guild_id=3
            )
            await store.jobs.create(job)
        for state in states[1:]:
            await store.jobs.move(JOB_ID, state)


def execute(file: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute(statement, values)
    connection.close()


def age(file: Path, by: timedelta) -> None:
    moment = (datetime.now(UTC) - by).replace(tzinfo=None)
    execute(file, "UPDATE jobs SET updated_at = ?", moment.isoformat(" "))


def store_of(file: Path) -> Outcome:
    return check_store(inspect_database(url(file), busy_timeout_s=0.05))


def queue_of(file: Path) -> Outcome:
    return check_queue(inspect_database(url(file), busy_timeout_s=0.05))


def test_a_database_that_is_not_there_yet_is_not_made(file: Path) -> None:
    assert store_of(file).status is Status.OK
    assert queue_of(file).status is Status.OK
    assert not file.exists()


async def test_a_database_of_this_version_is_well(file: Path) -> None:
    await fill(file)
    assert store_of(file).status is Status.OK


async def test_a_database_of_a_newer_version(file: Path) -> None:
    await fill(file)
    execute(file, "UPDATE alembic_version SET version_num = '9999'")
    outcome = store_of(file)
    assert outcome.status is Status.FAILED
    assert "has a schema that this version doesn't know: it was used by a newer dalle-bot" in outcome.found
    assert "Update this one, or restore a backup" in (outcome.fix or "")
    assert queue_of(file).status is Status.OK, "nothing is read from it"


async def test_a_database_of_an_older_version_is_not_upgraded_by_looking(file: Path) -> None:
    await fill(file, JobState.RECEIVED)
    execute(file, "UPDATE alembic_version SET version_num = '0009'")
    for _ in range(2):
        outcome = store_of(file)
        assert outcome.status is Status.WARNING
        assert "schema 0009" in outcome.found
        assert "backup" in (outcome.fix or "")


def test_a_file_that_is_no_database(file: Path) -> None:
    file.write_bytes(b"not a database" * 100)
    assert fault_of(file) == (DAMAGED.found, DAMAGED.cure)


def fault_of(file: Path) -> tuple[str, str]:
    """What is wrong, without the database's name, and what to do."""
    with pytest.raises(StoreFaultError) as caught:
        inspect_database(url(file), busy_timeout_s=0.05)
    return caught.value.found.removeprefix(f"The database {file} "), caught.value.cure


def spoil(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096 * 3 : 4096 * 6] = b"\xff" * (4096 * 3)
    file.write_bytes(content)


async def test_a_damaged_database(file: Path) -> None:
    await fill(file, JobState.RECEIVED)
    spoil(file)
    assert fault_of(file) == (DAMAGED.found, DAMAGED.cure)


def test_a_database_that_was_emptied(file: Path) -> None:
    file.touch()
    found, cure = fault_of(file)
    assert found.startswith("is a file of 0 bytes, and the bot never leaves one")
    assert "`dalle-bot restore FILE`" in cure


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing appears."""
    monkeypatch.setattr("bot.store.in_use.APPEARS_S", 0.0)


@pytest.mark.usefixtures("impatient")
async def test_a_database_that_is_gone_while_a_bot_runs(file: Path, tmp_path: Path) -> None:
    async with store_in_use(make_url(url(file))), Store.open(url(file)):
        await asyncio.to_thread(file.unlink)
        found, cure = await asyncio.to_thread(fault_of, file)
        assert found == "is gone, and a bot that runs uses it still."
        assert cure.startswith("Stop that bot. Then put what was there back, or run `dalle-bot restore FILE`")
        with pytest.raises(StoreFaultError, match="a bot that runs uses it still"):
            await asyncio.to_thread(make_backup, url(file), tmp_path / "none", tmp_path / "backup.tar")
    for part in file.parent.glob("*-*"):
        part.unlink()
    assert (await asyncio.to_thread(store_of, file)).status is Status.OK, "its lock file alone says nothing"


async def test_a_database_that_a_first_start_is_just_making(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for; one that takes long is no lost one."""
    address = url(file)
    async with store_in_use(make_url(address)):
        with monkeypatch.context() as patched:
            patched.setattr("bot.store.in_use.APPEARS_S", 0.0)
            unfinished_file(file).touch()
            assert await asyncio.to_thread(fault_of, file) == (
                "is just being made, by a bot that starts for the first time.",
                "Wait a moment.",
            )
            with pytest.raises(StoreFaultError, match="is just being made") as caught:
                await asyncio.to_thread(make_backup, address, tmp_path / "none", tmp_path / "backup.tar")
            assert not caught.value.is_lasting
        monkeypatch.setattr("bot.store.in_use.APPEARS_S", TIMEOUT_S)
        looking = asyncio.create_task(asyncio.to_thread(inspect_database, address))
        saving = asyncio.create_task(
            asyncio.to_thread(make_backup, address, tmp_path / "none", tmp_path / "backup.tar")
        )
        done, _ = await asyncio.wait([looking, saving], timeout=0.1)
        assert not done
        await asyncio.to_thread(migrate, make_url(address), 5)
        assert (await looking).is_there
        assert (await saving).file.exists()


def test_a_database_of_which_only_the_log_is_there(file: Path) -> None:
    file.with_name(f"{file.name}-wal").write_bytes(b"log")
    found, cure = fault_of(file)
    assert found.startswith("is gone, but what belongs to it is still there")
    assert "`dalle-bot restore FILE`" in cure


async def test_a_database_of_which_only_pictures_are_there(file: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    await fill(file)
    (pictures / "ab" / "abcdef012345").mkdir(parents=True)
    (pictures / "ab" / "abcdef012345" / "1.png").touch()
    await asyncio.to_thread(inspect_database, url(file), pictures)
    await asyncio.to_thread(file.unlink)
    with pytest.raises(StoreFaultError, match="is not there, but there are pictures of jobs in"):
        await asyncio.to_thread(inspect_database, url(file), pictures)
    with pytest.raises(StoreFaultError, match="is not there, but there are pictures of jobs in") as caught:
        await asyncio.to_thread(make_backup, url(file), pictures, tmp_path / "backup.tar")
    assert caught.value.is_lasting


async def test_a_server_on_which_a_first_start_is_about_to_make_tables(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[URL] = []

    def watched(url: URL) -> Release | None:
        asked.append(url)
        return take(url)

    monkeypatch.setattr("bot.store.in_use.APPEARS_S", TIMEOUT_S)
    with postgres.database() as address:
        async with store_in_use(make_url(address)):
            monkeypatch.setattr("bot.store.in_use.take", watched)
            looking = asyncio.create_task(asyncio.to_thread(inspect_database, address, busy_timeout_s=TIMEOUT_S))
            await eventually(lambda: len(asked) > 1)
            await asyncio.to_thread(migrate, make_url(address), TIMEOUT_S)
            assert (await looking).is_there


@pytest.mark.usefixtures("impatient")
async def test_an_empty_server_that_a_running_bot_has_filled(postgres: PostgresServer) -> None:
    with postgres.database() as address:
        assert not inspect_database(address).is_there
        async with store_in_use(make_url(address)):
            with pytest.raises(StoreFaultError, match="is gone, and a bot that runs uses it still"):
                await asyncio.to_thread(inspect_database, address)


async def test_a_disk_without_room(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(file)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    assert fault_of(file) == (FULL.found, f"Make room on the disk of {file.parent}, which has 0 kB left.")


async def test_a_database_that_another_program_holds(file: Path) -> None:
    await fill(file)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert fault_of(file) == (LOCKED.found, LOCKED.cure)
    finally:
        other.close()


def test_a_server_that_can_not_be_reached() -> None:
    address = "postgresql+psycopg://bot:a-secret-word@127.0.0.1:9/bot"
    with pytest.raises(StoreError) as caught:
        inspect_database(address)
    assert "a-secret-word" not in str(caught.value)


async def test_jobs_that_move_are_well(file: Path) -> None:
    await fill(file, JobState.RECEIVED)
    age(file, timedelta(minutes=20))
    outcome = queue_of(file)
    assert (outcome.status, outcome.found) == (Status.OK, "1 job is under way, 0 waiting for moderators.")


async def test_jobs_that_stand_still_are_a_failure(file: Path) -> None:
    await fill(file, JobState.RECEIVED)
    age(file, timedelta(hours=2))
    outcome = queue_of(file)
    assert outcome.status is Status.FAILED
    assert "1 job is unfinished; the oldest has not moved since" in outcome.found
    assert "restart it if it runs" in (outcome.fix or "")


async def test_finished_jobs_are_not_waited_for(file: Path) -> None:
    await fill(file, JobState.RECEIVED, JobState.FAILED)
    age(file, timedelta(days=9))
    assert queue_of(file).status is Status.OK


async def test_cases_that_nobody_decides_are_a_warning(file: Path) -> None:
    await fill(file, JobState.RECEIVED)
    execute(file, "UPDATE jobs SET state = 'in_review'")
    age(file, timedelta(days=2))
    outcome = queue_of(file)
    assert outcome.status is Status.WARNING
    assert "1 job is waiting for moderators, the oldest since" in outcome.found


@pytest.mark.parametrize("is_well", [True, False])
async def test_a_bot_that_runs_is_asked_how_it_is(is_well: bool) -> None:
    async def healthz(_: web.Request) -> web.Response:
        engine = {"ok": is_well, "found": "at work without a sign of life for 300 s"}
        return web.json_response({"ok": is_well, "checks": {"engine": engine}}, status=200 if is_well else 503)

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        telemetry = TelemetrySettings(enabled=True, port=runner.addresses[0][1])
        async with aiohttp.ClientSession() as session:
            outcome = await check_running(session, telemetry)
            assert await check_running(session, telemetry.model_copy(update={"enabled": False})) is None
    finally:
        await runner.cleanup()
    if is_well:
        assert outcome is None
    else:
        assert outcome is not None
        assert outcome.status is Status.FAILED
        assert "engine: at work without a sign of life for 300 s" in outcome.found


async def test_no_bot_that_runs_is_no_failure() -> None:
    async with aiohttp.ClientSession() as session:
        assert await check_running(session, TelemetrySettings(enabled=True, port=9)) is None


def seen_with(*leases: tuple[int, int, str]) -> Inspection:
    nothing = Waiting(0, None)
    return Inspection("The database", True, "1", "1", True, nothing, nothing, leases)


@pytest.mark.parametrize(
    ("leases", "status", "found"),
    [
        ([(0, 3, "a"), (1, 3, "a"), (2, 3, "b")], Status.OK, "3 shards have 2 processes."),
        ([(0, 3, "a")], Status.WARNING, "The shards 1-2 of 3 have no process."),
        ([(0, 4, "host a")], Status.FAILED, "sharding.count is 3 here and 4 in another process (host a)."),
    ],
)
def test_every_shard_has_a_process(leases: list[tuple[int, int, str]], status: Status, found: str) -> None:
    outcome = check_shards(seen_with(*leases), Shards(3, (0,)))
    assert (outcome.status, outcome.found) == (status, found)
    assert (outcome.fix is None) == (status is Status.OK)


async def test_leases_that_hold_are_read(postgres: PostgresServer) -> None:
    address = postgres.empty_database()
    async with Store.open(address) as store:
        await store.leases.take("a", Shards(3, (0, 1)), 600.0)
        await store.leases.take("b", Shards(3, (2,)), 0.0)
    assert inspect_database(address).leases == ((0, 3, "a"), (1, 3, "a"))
