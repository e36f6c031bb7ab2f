"""A PostgreSQL server of this machine alone, from installed programs, for benches and tests: up inside a block, gone
outside.

It listens on a socket in a folder of its own, and runs as another user where root starts it, since it refuses to be
root's. Blocks, for a second or two at both ends.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from bot.errors import JobFailedError

ROLE: Final = "bot"
START_TIMEOUT_S: Final = 60.0
_LOOK_S: Final = 0.05
_SERVER_USERS: Final = ("postgres", "nobody")


@cache
def programs() -> Path | None:
    """The folder of the newest server that is installed; None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda file: int(file.parts[-3]))
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def own_postgres(settings: dict[str, str] | None = None) -> Iterator[Path]:
    """The folder of its socket. settings: of the server, instead of its own. Raises JobFailedError if it does not
    start."""
    where = programs()
    if where is None:
        raise JobFailedError("PostgreSQL's server is not installed here.")
    # A short path: that of a socket has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="dalle-bot-pg-"))
    try:
        who = _account(folder)
        data = folder / "data"
        make: list[str | Path] = [
            where / "initdb",
            "-D",
            data,
            "-U",
            ROLE,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]
        made = subprocess.run(  # noqa: S603 - a known program, and no shell
            make, capture_output=True, cwd=folder, timeout=START_TIMEOUT_S, **who
        )
        if made.returncode:
            raise JobFailedError(f"PostgreSQL's initdb failed: {made.stderr.decode(errors='replace').strip()}")
        given = {"listen_addresses": "", "unix_socket_directories": str(folder)} | (settings or {})
        flags = [flag for name, value in given.items() for flag in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(  # noqa: S603 - the same
                [where / "postgres", "-D", data, *flags], cwd=folder, stdout=log, stderr=log, **who
            )
        try:
            _wait(server, where, folder)
            yield folder
        finally:
            server.send_signal(signal.SIGQUIT)  # at once
            server.wait(START_TIMEOUT_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def postgres_url(folder: Path, database: str) -> str:
    """Of a database on the server whose socket is in `folder`."""
    return f"postgresql+psycopg://{ROLE}@/{database}?host={folder}"


def _wait(server: subprocess.Popen[bytes], where: Path, folder: Path) -> None:
    ready: list[str | Path] = [where / "pg_isready", "-h", folder, "-t", "1"]
    for _ in range(round(START_TIMEOUT_S / _LOOK_S)):
        if subprocess.run(ready, check=False, capture_output=True).returncode == 0:  # noqa: S603 - the same
            return
        try:
            server.wait(_LOOK_S)
        except subprocess.TimeoutExpired:
            continue
        break
    said = (folder / "log").read_text(encoding="utf-8", errors="replace").strip()
    raise JobFailedError(f"PostgreSQL's server did not start: {said}")


def _account(folder: Path) -> dict[str, Any]:
    """How to start a program as whoever is to have the server and its folder."""
    if os.geteuid() != 0:
        return {}
    for name in _SERVER_USERS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(folder, account.pw_uid, account.pw_gid)
        environment = {"PATH": os.defpath}
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "env": environment}
    raise JobFailedError("root may not run PostgreSQL, and there is no other user who could.")
