import json
from base64 import b64decode
from typing import Any

import numpy as np

from bot.store import Gallery, Showing, Store, Style
from bot.store.exports import PAGE_ROWS
from tests.store.samples import SNOWFLAKE, new_job, picture

USER, OTHER, GUILD = SNOWFLAKE, SNOWFLAKE + 1, SNOWFLAKE + 9


async def exported(store: Store, user_id: int) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    async for page in store.exports.pages(user_id):
        found.setdefault(page.table, []).extend(json.loads(json.dumps(page.rows)))
    return found


async def test_everything_of_one_person_and_nothing_of_others(store: Store) -> None:
    mine = await store.jobs.create(new_job(1, prompt="ein „Kreis“", guild_id=GUILD, image_tokens=(1, 2)))
    theirs = await store.jobs.create(new_job(2, user_id=OTHER, prompt="theirs"))
    for job in (mine, theirs):
        await store.images.save(job.id, [picture(1), picture(2)])
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
