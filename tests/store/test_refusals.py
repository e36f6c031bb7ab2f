"""What drivers say where no server of the tests says it: what is made of that."""

import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from bot.store.refusals import (
    CROWDED,
    DAMAGED,
    FAULTY_DISK,
    FULL,
    LACKING,
    LOCKED,
    NO_DATABASE,
    NOT_LET_IN,
    TLS_FILES,
    TURNED_AWAY,
    UNKNOWN,
    UNOPENED,
    UNREACHED,
    UNREADY,
    UNWRITABLE,
    WRONG_PASSWORD,
    Refusal,
    refusal_of,
)

DOOR = 'connection failed: connection to server at "10.0.0.2", port 5432 failed: '


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ("database is locked", LOCKED),
        ("database disk image is malformed", DAMAGED),
        ("file is not a database", DAMAGED),
        ("unable to open database file", UNOPENED),
        ("attempt to write a readonly database", UNWRITABLE),
        ("database or disk is full", FULL),
        ("disk I/O error", FAULTY_DISK),
        ("no such table: jobs", LACKING),
        ("something new", UNKNOWN),
    ],
)
def test_sqlite(words: str, refusal: Refusal) -> None:
    error = sqlite3.OperationalError(words)
    assert refusal_of(error) is refusal
    assert refusal_of(OperationalError("SELECT", None, error)) is refusal


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (f"{DOOR}Connection refused", UNREACHED),
        (f"{DOOR}server closed the connection unexpectedly", UNREACHED),
        ("connection timeout expired", UNREACHED),
        ("failed to resolve host 'db': [Errno -2] Name or service not known", UNREACHED),
        ("terminating connection due to administrator command", UNREACHED),
        ("consuming input failed: FATAL:  terminating connection due to crash of another server process", UNREACHED),
        (f"{DOOR}FATAL:  the database system is starting up", UNREADY),
        (f"{DOOR}FATAL:  sorry, too many clients already", CROWDED),
        (f"{DOOR}FATAL:  remaining connection slots are reserved for roles with SUPERUSER", CROWDED),
        (f'{DOOR}FATAL:  Peer authentication failed for user "bot"', WRONG_PASSWORD),
        (f"{DOOR}fe_sendauth: no password supplied", WRONG_PASSWORD),
        (f'{DOOR}FATAL:  role "bot" does not exist', WRONG_PASSWORD),
        (f'{DOOR}FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "bot"', NOT_LET_IN),
        (f'{DOOR}FATAL:  database "bot" does not exist', NO_DATABASE),
        (f"{DOOR}FATAL:  Datenbank »bot« existiert nicht", TURNED_AWAY),
        (f'{DOOR}FATAL:  database "bot" is not currently accepting connections', TURNED_AWAY),
        (f'{DOOR}root certificate file "/etc/my role /root.crt" does not exist\nEither provide the file', TLS_FILES),
        (f'{DOOR}could not read certificate file "/etc/bot.crt": No such file or directory', TLS_FILES),
        (f'{DOOR}private key file "/etc/bot.key" has group or world access', TLS_FILES),
        ("something else that does not exist", UNKNOWN),
        (f"{DOOR}FATAL:  Passwort-Authentifizierung für Benutzer »bot« fehlgeschlagen", TURNED_AWAY),
    ],
)
def test_postgresql_at_the_door(words: str, refusal: Refusal) -> None:
    assert refusal_of(OperationalError("SELECT", None, RuntimeError(words))) is refusal


def test_only_what_may_pass_by_itself_is_worth_a_new_start() -> None:
    passing = {LOCKED, FULL, FAULTY_DISK, UNREACHED, UNREADY, CROWDED, TURNED_AWAY, UNOPENED, UNWRITABLE, UNKNOWN}
    assert not any(refusal.is_lasting for refusal in passing)
    assert all(refusal.is_lasting for refusal in (DAMAGED, LACKING, NO_DATABASE, NOT_LET_IN, TLS_FILES, WRONG_PASSWORD))
