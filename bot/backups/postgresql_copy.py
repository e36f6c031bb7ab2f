"""PostgreSQL's part of a backup, by its own programs pg_dump and pg_restore. Blocks.

What the bot has is in the schema `public`. A restore moves the present one aside, so that a failure loses nothing.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from sqlalchemy import URL, inspect

from bot.errors import StoreError
from bot.store.database import BUSY_TIMEOUT_S, create_blocking_engine, describe
from bot.store.explaining import explained_refusals_of
from bot.store.migrate import migrate
from bot.store.refusals import STRANGE

# What a connection's arguments are called → the environment variable of PostgreSQL's programs.
_VARIABLES: Final = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "options": "PGOPTIONS",
}


def dump_database(url: URL, target: Path) -> None:
    """A copy as of one moment; writers go on meanwhile. Raises StoreError."""
    engine = create_blocking_engine(url, BUSY_TIMEOUT_S, is_writing=False)
    with explained_refusals_of(url), engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version", schema="public"):
            raise STRANGE.error(describe(url))
    _run(url, "pg_dump", "--format=custom", "--schema=public", "--no-owner", f"--file={target}")


def aside_schema(stamp: str) -> str:
    """Where a restore that began then keeps what was there before."""
    return f"before_restore_{stamp.replace('T', '_')}"


def is_aside(url: URL, stamp: str) -> bool:
    """Whether it is there already. Raises StoreError."""
    engine = create_blocking_engine(url, BUSY_TIMEOUT_S, is_writing=False)
    with explained_refusals_of(url), engine.connect() as connection:
        find = "SELECT count(*) FROM pg_namespace WHERE nspname = %s"
        return bool(connection.exec_driver_sql(find, (aside_schema(stamp),)).scalar())


def load_database(url: URL, dump: Path, stamp: str) -> str:
    """Makes the dump the database, brought up to date, and moves what was there aside, unless an earlier attempt has
    done that; the schema in which it is now.

    Raises StoreError; then what was there is back.
    """
    aside = aside_schema(stamp)
    if is_aside(url, stamp):
        _execute(url, "DROP SCHEMA IF EXISTS public CASCADE", "CREATE SCHEMA public")
    else:
        _execute(url, f"ALTER SCHEMA public RENAME TO {aside}", "CREATE SCHEMA public")
    try:
        flags = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
        _run(url, "pg_restore", *flags, "--dbname=", str(dump))
        migrate(url, BUSY_TIMEOUT_S)
    except BaseException:
        _execute(url, "DROP SCHEMA IF EXISTS public CASCADE", f"ALTER SCHEMA {aside} RENAME TO public")
        raise
    return aside


def _execute(url: URL, *statements: str) -> None:
    with explained_refusals_of(url), create_blocking_engine(url, BUSY_TIMEOUT_S).begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _run(url: URL, program: str, *arguments: str) -> None:
    if shutil.which(program) is None:
        raise StoreError(f"PostgreSQL's {program} is not installed (Debian: apt install postgresql-client).")
    _, given = create_blocking_engine(url, BUSY_TIMEOUT_S).dialect.create_connect_args(url)
    # Passwords don't belong on a command line, which others can see.
    told = {_VARIABLES[name]: str(value) for name, value in given.items() if name in _VARIABLES}
    done = subprocess.run(  # noqa: S603 - a known program, and no shell
        [program, "--no-password", *arguments], env=os.environ | told, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise StoreError(f"{program} failed: {said[-1] if said else f'exit code {done.returncode}'}")
