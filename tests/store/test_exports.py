import json
from base64 import b64decode
from typing import Any

import numpy as np

from bot.moderation.cases import CaseKind
from bot.store import SHOWN_STATES, AuditAction, AuditRecord, Gallery, JobState, NewCase, Showing, Store, Style
from bot.store.exports import PAGE_ROWS
from tests.store.samples import SNOWFLAKE, new_job, picture
from tests.store.test_past import delivered

USER, OTHER, GUILD = SNOWFLAKE, SNOWFLAKE + 1, SNOWFLAKE + 9


async def exported(store: Store, user_id: int) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    async for page in store.exports.pages(user_id):
        found.setdefault(page.table, []).extend(json.loads(json.dumps(page.rows)))
    return found


async def test_everything_of_one_person_and_nothing_of_others(store: Store) -> None:
    mine = await delivered(store, 1, user_id=USER, prompt="ein „Kreis“", guild_id=GUILD, image_tokens=(1, 2))
    theirs = await delivered(store, 2, user_id=OTHER, prompt="theirs")
    for job in (mine, theirs):
        await store.showings.add(Showing(message_id=int(job.id, 16), channel_id=3, job_id=job.id))
    await store.favourites.add(USER, theirs.id, 1)
    await store.favourites.add(OTHER, mine.id, 2)
    await store.galleries.add(Gallery(user_id=USER, guild_id=GUILD, prompt="stars"))
    await store.galleries.add(Gallery(user_id=OTHER, guild_id=GUILD, of_user_id=USER, prompt="of me"))
    await store.styles.add(GUILD, Style(name="oil", prompt="in oil", created_by=USER))
    await store.guilds.change(GUILD, USER, cooldown_s=5)
    found = await exported(store, USER)
    assert set(found) == {"jobs", "images", "showings", "favourites", "galleries", "styles", "setting_changes"}
    (row,) = found["jobs"]
    assert (row["id"], row["prompt"], row["user_id"], row["image_tokens"]) == (
        mine.id,
        "ein „Kreis“",
        str(USER),
        [1, 2],
    )
    assert row["created_at"] == mine.created_at.isoformat()
    assert [(each["job_id"], each["rank"]) for each in found["images"]] == [(mine.id, 1), (mine.id, 2)]
    tokens = np.frombuffer(b64decode(found["images"][0]["tokens"]), "<i4")
    np.testing.assert_array_equal(tokens, picture(1).tokens)
    assert [row["job_id"] for row in found["showings"]] == [mine.id]
    assert [row["job_id"] for row in found["favourites"]] == [theirs.id]
    assert [row["prompt"] for row in found["galleries"]] == ["stars"]
    assert [row["name"] for row in found["styles"]] == ["oil"]
    assert [row["new"] for row in found["setting_changes"]] == [5]


async def test_pages_hold_so_many_rows_and_lose_none(store: Store) -> None:
    jobs = [new_job(number) for number in range(PAGE_ROWS * 2 + 1)]
    await store.jobs.create(*jobs)
    pages = [page async for page in store.exports.pages(USER)]
    assert [(page.table, page.number, len(page.rows)) for page in pages] == [
        ("jobs", 1, PAGE_ROWS),
        ("jobs", 2, PAGE_ROWS),
        ("jobs", 3, 1),
    ]
    assert {row["id"] for page in pages for row in page.rows} == {job.id for job in jobs}


async def test_somebody_unknown_has_nothing(store: Store) -> None:
    assert await exported(store, USER) == {}


async def test_pictures_that_nobody_may_see_are_not_in_it(store: Store) -> None:
    """They are stored before they are held, while they are, and after their requester has cancelled that."""
    shown = [await delivered(store, n, user_id=USER, to=to) for n, to in enumerate(SHOWN_STATES)]
    running = await delivered(store, 2, user_id=USER, to=JobState.RUNNING)
    held, cancelled = [await delivered(store, n, user_id=USER, to=JobState.RUNNING) for n in (3, 4)]
    for job in (held, cancelled):
        await store.jobs.move(job.id, JobState.IN_REVIEW)
    await store.jobs.move(cancelled.id, JobState.CANCELLED)
    found = await exported(store, USER)
    assert {row["job_id"] for row in found["images"]} == {job.id for job in shown}
    assert {row["id"] for row in found["jobs"]} == {job.id for job in (*shown, running, held, cancelled)}


async def test_which_rule_counted_is_not_in_it(store: Store) -> None:
    job = await delivered(store, 1, user_id=USER)
    rule = {"hits": [{"rule": "a secret rule", "found": "circle"}]}
    await store.cases.open(
        NewCase(guild_id=GUILD, kind=CaseKind.HELD_PROMPT, job_id=job.id, user_id=USER, details=rule)
    )
    await store.audit.add(
        AuditRecord(
            guild_id=GUILD,
            action=AuditAction.PROMPT_REFUSED,
            user_id=USER,
            reason="refuse: a secret rule",
            details={"category": "server", "rule": "a secret rule"},
        )
    )
    found = await exported(store, USER)
    assert [(row["number"], row["kind"], row["job_id"]) for row in found["cases"]] == [(1, "held_prompt", job.id)]
    assert [row["action"] for row in found["audit"]] == ["prompt_held", "prompt_refused"]
    assert "secret" not in json.dumps([found["cases"], found["audit"]])
