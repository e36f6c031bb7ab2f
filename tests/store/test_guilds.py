import asyncio
import json
from datetime import UTC, datetime, time
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import InvalidParameterError, StoreError
from bot.guild_settings import GuildSettings, QuietHours
from bot.store import Store, guilds
from tests.store.samples import SNOWFLAKE, run_sql

GUILD, ADMIN = SNOWFLAKE, SNOWFLAKE + 1


def stored(url: str) -> dict[str, Any]:
    ((text,),) = run_sql(url, "SELECT settings FROM guilds WHERE guild_id = :guild", guild=GUILD)
    values: dict[str, Any] = json.loads(text)
    return values


def overwrite(url: str, text: str) -> None:
    run_sql(url, "UPDATE guilds SET settings = :text WHERE guild_id = :guild", text=text, guild=GUILD)


async def test_a_guild_that_never_chose_has_the_defaults(store: Store) -> None:
    assert await store.guilds.settings(GUILD) == GuildSettings()
    assert await store.guilds.changes(GUILD, 10) == []


async def test_a_change_is_kept_for_its_guild_and_recorded(store: Store) -> None:
    night = QuietHours(time(22), time(7), "Europe/Berlin")
    before = datetime.now(UTC)
    changed = await store.guilds.change(GUILD, ADMIN, max_images=4, quiet_hours=night)
    assert changed == await store.guilds.settings(GUILD) == GuildSettings(max_images=4, quiet_hours=night)
    assert await store.guilds.settings(GUILD + 1) == GuildSettings()
    await store.guilds.change(GUILD, ADMIN + 1, max_images=6)
    newest, *others = await store.guilds.changes(GUILD, 10)
    assert (newest.user_id, newest.key, newest.old, newest.new) == (ADMIN + 1, "max_images", 4, 6)
    assert before <= newest.changed_at <= datetime.now(UTC)
    assert [(other.user_id, other.key, other.old) for other in others] == [
        (ADMIN, "quiet_hours", None),
        (ADMIN, "max_images", None),
    ]
    assert others[0].new == {"start": "22:00", "end": "07:00", "zone": "Europe/Berlin"}
    assert await store.guilds.changes(GUILD, 1) == [newest]
    assert await store.guilds.changes(GUILD + 1, 10) == []


async def test_a_default_that_is_chosen_again_leaves_nothing_but_the_record(store: Store, store_url: str) -> None:
    await store.guilds.change(GUILD, ADMIN, previews=False)
    assert await store.guilds.change(GUILD, ADMIN, previews=True) == GuildSettings()
    assert stored(store_url) == {}
    newest, _ = await store.guilds.changes(GUILD, 10)
    assert (newest.old, newest.new) == (False, None)


async def test_what_stays_the_same_is_not_recorded(store: Store) -> None:
    await store.guilds.change(GUILD, ADMIN, cooldown_s=30)
    await store.guilds.change(GUILD, ADMIN, cooldown_s=30, is_paused=False)
    assert len(await store.guilds.changes(GUILD, 10)) == 1


async def test_an_invalid_change_changes_nothing(store: Store) -> None:
    await store.guilds.change(GUILD, ADMIN, max_images=4)
    with pytest.raises(InvalidParameterError, match="default_images is 9, and max_images is 4"):
        await store.guilds.change(GUILD, ADMIN, previews=False, default_images=9)
    assert await store.guilds.settings(GUILD) == GuildSettings(max_images=4)
    assert len(await store.guilds.changes(GUILD, 10)) == 1


async def test_changes_at_the_same_time_all_count(store: Store) -> None:
    values: list[dict[str, Any]] = [{"max_images": 4}, {"cooldown_s": 5}, {"daily_images": 9}, {"is_paused": True}]
    await asyncio.gather(*(store.guilds.change(GUILD, ADMIN, **value) for value in values))
    expected = GuildSettings(max_images=4, cooldown_s=5, daily_images=9, is_paused=True)
    assert await store.guilds.settings(GUILD) == expected
    assert len(await store.guilds.changes(GUILD, 10)) == 4


async def test_a_change_gives_up_if_others_are_always_faster(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guilds, "MAX_ATTEMPTS", 2)
    swap, attempts = guilds._swap, 0

    async def too_late(connection: AsyncConnection, guild_id: int, old: str | None, new: str) -> bool:
        nonlocal attempts
        attempts += 1
        await swap(connection, guild_id, old, json.dumps({"cooldown_s": attempts}))
        return await swap(connection, guild_id, old, new)

    monkeypatch.setattr(guilds, "_swap", too_late)
    with pytest.raises(StoreError, match=f"The settings of guild {GUILD} are being changed by others all the time"):
        await store.guilds.change(GUILD, ADMIN, is_paused=True)
    assert (attempts, await store.guilds.settings(GUILD)) == (2, GuildSettings(cooldown_s=2))
    assert await store.guilds.changes(GUILD, 10) == []


async def test_a_damaged_value_falls_back_and_is_logged(
    store: Store, store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await store.guilds.change(GUILD, ADMIN, cooldown_s=5)
    overwrite(store_url, '{"cooldown_s": 5, "max_images": 99}')
    assert await store.guilds.settings(GUILD) == GuildSettings(cooldown_s=5)
    assert f"guild {GUILD}: the stored setting max_images is damaged" in caplog.text
    assert "must be between 1 and 9, not 99." in caplog.text


@pytest.mark.parametrize("text", ["{", "[]", "null", "5"])
async def test_settings_that_are_no_object_fall_back_and_are_logged(
    store: Store, store_url: str, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    await store.guilds.change(GUILD, ADMIN, cooldown_s=5)
    overwrite(store_url, text)
    assert await store.guilds.settings(GUILD) == GuildSettings()
    assert f"guild {GUILD}: its stored settings are damaged" in caplog.text
    assert await store.guilds.change(GUILD, ADMIN, cooldown_s=7) == GuildSettings(cooldown_s=7)
    assert stored(store_url) == {"cooldown_s": 7}


async def test_keys_of_a_newer_version_survive_a_change(store: Store, store_url: str) -> None:
    await store.guilds.change(GUILD, ADMIN, cooldown_s=5)
    overwrite(store_url, '{"cooldown_s": 5, "aspect_ratio": "16:9"}')
    await store.guilds.change(GUILD, ADMIN, cooldown_s=6)
    assert stored(store_url) == {"cooldown_s": 6, "aspect_ratio": "16:9"}


async def test_the_rules_of_time_zones_are_not_read_on_the_event_loop(store: Store) -> None:
    night = QuietHours(time(22), time(7), "Pacific/Chatham")
    with blockbuster_ctx():
        await store.guilds.change(GUILD, ADMIN, quiet_hours=night)
        assert (await store.guilds.settings(GUILD)).quiet_hours == night
