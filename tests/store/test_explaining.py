"""What PostgreSQL refuses, by a real server: what to do about each, and none of its own words."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import make_url

from bot.errors import StoreError, StoreFaultError
from bot.store.database import Database, create_blocking_engine, create_engine
from bot.store.explaining import explained_refusals_of
from bot.store.inspection import inspect_database
from bot.store.migrate import migrate
from tests.store.postgres import PostgresServer
from tests.store.samples import run_sql

NO_RIGHTS = "does not give the user of store.url the rights that the bot needs."


def fault_of(url: str, statement: str = "SELECT 1") -> StoreFaultError:
    with (
        pytest.raises(StoreFaultError) as caught,
        explained_refusals_of(make_url(url)),
        create_blocking_engine(make_url(url), 5).begin() as connection,
    ):
        connection.exec_driver_sql(statement)
    for word in ("FATAL", "psycopg", "ERROR", "SELECT", "secret"):
        assert word not in str(caught.value)
    return caught.value


@contextmanager
def door(postgres: PostgresServer, line: str, url: str) -> Iterator[None]:
    """Inside, a line of pg_hba.conf counts before the others, and `url` meets it."""
    file = postgres.folder / "data" / "pg_hba.conf"
    before = file.read_text()
    file.write_text(f"{line}\n{before}")
    reload(postgres)
    try:
        while True:
            try:
                run_sql(url, "SELECT 1")
            except Exception:
                break
        yield
    finally:
        file.write_text(before)
        reload(postgres)


def reload(postgres: PostgresServer) -> None:
    run_sql(postgres.url("postgres"), "SELECT pg_reload_conf()")


@pytest.fixture(scope="module")
def guest(postgres: PostgresServer) -> str:
    """A user without rights."""
    run_sql(postgres.url("postgres"), "CREATE ROLE guest LOGIN PASSWORD 'a-secret-word'")
    return "guest"


def test_a_wrong_password(postgres: PostgresServer, guest: str) -> None:
    url = postgres.url("shared").replace("bot@", f"{guest}:another-secret@")
    with door(postgres, f"local all {guest} scram-sha-256", url):
        fault = fault_of(url)
        none = fault_of(url.replace(":another-secret", ""))
    assert (
        fault.found
        == f"The database shared on {postgres.folder} does not accept the user or the password of store.url."
    )
    assert fault.cure == "Put both right there, or set another one on the server (`\\password guest` in psql)."
    assert fault.is_lasting
    assert none.found == fault.found


def test_a_user_who_is_not_there(postgres: PostgresServer) -> None:
    fault = fault_of(postgres.url("shared").replace("bot@", "nobody@"))
    assert "does not accept the user or the password" in fault.found


def test_a_server_that_lets_nobody_in(postgres: PostgresServer, guest: str) -> None:
    url = postgres.url("shared").replace("bot@", f"{guest}@")
    with door(postgres, f"local all {guest} reject", url):
        fault = fault_of(url)
    assert fault.found.endswith("does not let in the user of store.url from this machine.")
    assert "pg_hba.conf" in fault.cure
    assert fault.is_lasting


def test_a_database_that_is_not_there(postgres: PostgresServer) -> None:
    fault = fault_of(postgres.url("My%20bot"))
    assert fault.found.endswith("is not there: its server has no database of that name.")
    assert fault.cure.startswith('Make it there (`CREATE DATABASE "My bot" OWNER bot`), or put its name right')
    assert fault.is_lasting


def test_a_user_with_too_few_rights(postgres: PostgresServer, guest: str) -> None:
    with postgres.database() as url:
        with pytest.raises(StoreFaultError) as caught:
            migrate(make_url(url.replace("bot@", f"{guest}@")), 5)
        name = make_url(url).database
        run_sql(url, f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
        closed = fault_of(url.replace("bot@", f"{guest}@"))
    for fault in (caught.value, closed):
        assert fault.found.endswith(NO_RIGHTS)
        assert fault.cure == f"Make that user its owner: `ALTER DATABASE {name} OWNER TO guest`."
        assert fault.is_lasting


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
async def test_a_database_that_can_not_hold_all_text(postgres: PostgresServer, encoding: str) -> None:
    with postgres.database(encoding) as url:
        fault = fault_of(url)
        with pytest.raises(StoreFaultError, match="another encoding than UTF8"):
            inspect_database(url)
        engine = create_engine(make_url(url), 5)
        with pytest.raises(StoreFaultError, match="another encoding than UTF8"):
            await Database("The database", engine, None).connect()
        await engine.dispose()
    assert fault.found.startswith(f"The database {make_url(url).database} on ")
    assert "ENCODING 'UTF8' TEMPLATE template0" in fault.cure
    assert fault.is_lasting


def test_a_server_that_can_only_be_read(postgres: PostgresServer) -> None:
    url = f"{postgres.empty_database()}&options=-cdefault_transaction_read_only%3Don"
    fault = fault_of(url, "DELETE FROM jobs")
    assert "can only be read: its server is a standby" in fault.found
    assert fault.is_lasting


def test_tables_that_are_gone(postgres: PostgresServer) -> None:
    fault = fault_of(postgres.url("postgres"), "SELECT * FROM jobs")
    assert "lacks tables that the bot has made" in fault.found
    assert "`dalle-bot restore FILE`" in fault.cure


def test_a_server_that_is_away_may_come_back() -> None:
    fault = fault_of("postgresql+psycopg://bot:a-secret@127.0.0.1:9/bot")
    assert fault.found == "The database bot on 127.0.0.1 can't be reached."
    assert not fault.is_lasting


@pytest.fixture
def tls_port() -> Iterator[int]:
    """Of a server that is ready for TLS, and comes no further."""

    def answer() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.recv(8)
                    connection.sendall(b"S")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_file_for_tls_that_is_not_there(tls_port: int, tmp_path: Path) -> None:
    url = f"postgresql+psycopg://bot:a-secret@127.0.0.1:{tls_port}/bot?sslmode=verify-full&sslrootcert={tmp_path}/none"
    fault = fault_of(url)
    assert fault.found.endswith("a file with a certificate or a key that it takes is missing, or can't be used.")
    assert "sslrootcert" in fault.cure
    assert fault.is_lasting


def test_a_rule_of_ours_that_is_broken_is_no_fault_of_the_database(postgres: PostgresServer) -> None:
    url = make_url(postgres.empty_database())
    with (
        pytest.raises(StoreError, match="does not hold the job that this belongs to") as caught,
        explained_refusals_of(url),
        create_blocking_engine(url, 5).begin() as connection,
    ):
        connection.exec_driver_sql(
            "INSERT INTO favourites (user_id, job_id, rank, created_at) VALUES (1, 'x', 1, now())"
        )
    assert not isinstance(caught.value, StoreFaultError)
