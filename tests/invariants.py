"""What must be true of a store at any moment, whatever has happened to the bot. Used by every test that breaks things.

It reads the database by itself, on SQLite and PostgreSQL, and blocks: a test on an event loop may call it between two
steps. A broken promise is a failed assertion that lists all of them.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy
from sqlalchemy import Connection, RowMapping, Select, select

from bot.store import FINAL_STATES, JobState
from bot.store.database import create_blocking_engine, parse_url, sqlite_file
from bot.store.schema import cases, images, jobs, metadata

BUSY_TIMEOUT_S: Final = 10.0

# A user has been promised something: there is a message, and the store knows which.
_PROMISED: Final = frozenset(JobState) - FINAL_STATES - {JobState.RECEIVED} | {JobState.DELIVERED}
_WITHOUT_PICTURES: Final = FINAL_STATES - {JobState.DELIVERED}
# Before these nothing was drawn that could be kept.
_UNDRAWN: Final = frozenset({JobState.RECEIVED, JobState.ACKNOWLEDGED})


def check_store(url: str, *, is_settled: bool = False) -> None:
    """url: of a database that is migrated. is_settled: nothing is under way any more, so that every job has ended or
    waits for moderators."""
    with _reading(url) as connection:
        problems = [*_file_problems(url, connection), *_problems(connection, is_settled)]
    assert not problems, "\n".join(problems)


def has_settled(url: str) -> bool:
    """Whether every job has ended or waits for moderators, who have a case of it to decide."""
    ended = jobs.c.state.in_(FINAL_STATES)
    waits = (jobs.c.state == JobState.IN_REVIEW) & jobs.c.id.in_(_open_cases())
    with _reading(url) as connection:
        return connection.execute(select(jobs.c.id).where(~(ended | waits)).limit(1)).first() is None


def states_of(url: str) -> dict[str, JobState]:
    """Job id → its state, of all jobs."""
    with _reading(url) as connection:
        return {row.id: JobState(row.state) for row in connection.execute(select(jobs.c.id, jobs.c.state))}


@contextmanager
def _reading(url: str) -> Iterator[Connection]:
    engine = create_blocking_engine(parse_url(url), BUSY_TIMEOUT_S, is_writing=False)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _open_cases() -> Select[tuple[str]]:
    return select(cases.c.job_id).where(cases.c.decision.is_(None))


def _file_problems(url: str, connection: Connection) -> Iterator[str]:
    """Of the database itself."""
    if sqlite_file(parse_url(url)) is None:
        return
    for problem in connection.exec_driver_sql("PRAGMA integrity_check").scalars():
        if problem != "ok":
            yield f"the file is damaged: {problem}"
    for row in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield f"a row of {row[0]} belongs to nothing in {row[2]}"
    missing = set(metadata.tables) - set(sqlalchemy.inspect(connection).get_table_names())
    if missing:
        yield f"there are no tables {', '.join(sorted(missing))}"


def _problems(connection: Connection, is_settled: bool) -> Iterator[str]:
    kept: dict[str, list[RowMapping]] = defaultdict(list)
    for image in connection.execute(select(images.c.job_id, images.c.rank, images.c["index"])).mappings():
        kept[image["job_id"]].append(image)
    # What follows from a decision comes after it.
    in_review = set(connection.execute(_open_cases() if is_settled else select(cases.c.job_id)).scalars())
    rows = connection.execute(select(jobs)).mappings().all()
    shown: dict[int, str] = {}
    for job in rows:
        where = f"job {job['id']} ({job['state']})"
        yield from (f"{where} {problem}" for problem in _job_problems(job, is_settled=is_settled))
        yield from (f"{where} {problem}" for problem in _picture_problems(job, kept.get(job["id"], [])))
        if job["state"] == JobState.IN_REVIEW and job["id"] not in in_review:
            yield f"{where} waits for moderators, who have no case of it"
        if job["message_id"] is not None and shown.setdefault(job["message_id"], job["id"]) != job["id"]:
            yield f"{where} has the message of job {shown[job['message_id']]}"


def _job_problems(job: RowMapping, *, is_settled: bool) -> Iterator[str]:
    if job["state"] not in set(JobState):
        yield "is in no state that there is"
        return
    state = JobState(job["state"])
    if state in _PROMISED and job["message_id"] is None:
        yield "has no message"
    if state is JobState.DELIVERED and not job["result"]:
        yield "has no result"
    if state is JobState.DELIVERED and job["error"]:
        yield f"has an error: {job['error']}"
    if state in _WITHOUT_PICTURES and not job["error"]:
        yield "does not say why"
    if job["result"] is not None:
        result = job["result"] if isinstance(job["result"], dict) else json.loads(job["result"])
        if sorted(result["order"]) != list(range(job["num_images"])):
            yield f"has the order {result['order']} of {job['num_images']} pictures"
    if is_settled and state not in FINAL_STATES | {JobState.IN_REVIEW}:
        yield "is under way, and nobody is at work on it"


def _picture_problems(job: RowMapping, kept: list[RowMapping]) -> Iterator[str]:
    if not kept:
        return
    if job["state"] in _UNDRAWN:
        yield "has pictures before it was drawn"
    every = list(range(1, job["num_images"] + 1))
    if sorted(image["rank"] for image in kept) != every:
        yield f"keeps the ranks {sorted(image['rank'] for image in kept)} of {job['num_images']} pictures"
    if sorted(image["index"] for image in kept) != [rank - 1 for rank in every]:
        yield f"keeps the pictures {sorted(image['index'] for image in kept)} of {job['num_images']}"
