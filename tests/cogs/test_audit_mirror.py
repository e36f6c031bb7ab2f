"""The mirror against channels that take nothing for a while; tests/cogs/test_audit_log.py has it in the sandbox."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock

import discord
import pytest

from bot.catalogues import Languages
from bot.cogs.admin_notices import AdminNotices
from bot.cogs.audit_mirror import AuditMirror
from bot.cogs.guild_lookup import GuildLookup
from bot.shards import Shards
from bot.store import AuditAction, AuditRecord, Store
from tests.store.samples import url_of

GUILD, OTHER = 7, 8


def refusal(status: int) -> discord.HTTPException:
    kind = discord.DiscordServerError if status >= 500 else discord.HTTPException
    return kind(MagicMock(status=status, reason="refused"), "refused")


class Channel:
    """failures: come first, one for each message. tries: each message's nonce. shown: as Discord shows them, which
    knows a message by its nonce."""

    def __init__(self) -> None:
        self.failures: list[Exception | None] = []
        self.tries: list[str] = []
        self.shown: dict[str, str] = {}

    async def send(self, text: str, *, nonce: str, **_: Any) -> None:
        self.tries.append(nonce)
        if self.failures and (failure := self.failures.pop(0)) is not None:
            raise failure
        self.shown.setdefault(nonce, text)

    @property
    def reasons(self) -> list[str]:
        lines = [line for text in self.shown.values() for line in text.splitlines()]
        return [line.rpartition("Reason: ")[2] for line in lines]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(url_of(tmp_path)) as store:
        for guild_id in (GUILD, OTHER):
            await store.guilds.change(guild_id, 1, log_channel=guild_id)
        yield store


@pytest.fixture
def channels() -> dict[int, Channel]:
    return {GUILD: Channel(), OTHER: Channel()}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cogs.mirror_backlog.FIRST_PAUSE_S", 0.0)


def make_mirror(store: Store, channels: dict[int, Channel]) -> AuditMirror:
    client = MagicMock(spec=discord.Client)
    client.is_ready.return_value = True
    client.get_guild.return_value = MagicMock(preferred_locale=discord.Locale.american_english)
    client.get_partial_messageable.side_effect = channels.__getitem__
    guilds = GuildLookup(client, store.shards)
    return AuditMirror(client, store, guilds, MagicMock(spec=AdminNotices), Languages.load())


async def add(store: Store, *reasons: str, guild_id: int = GUILD) -> None:
    records = [
        AuditRecord(guild_id=guild_id, action=AuditAction.JOB_CANCELLED, actor_id=1, user_id=2, reason=reason)
        for reason in reasons
    ]
    await store.audit.add(*records)


@pytest.mark.parametrize("failure", [refusal(503), refusal(429), TimeoutError(), OSError("no route")])
async def test_what_a_channel_did_not_take_comes_later_and_in_order(
    store: Store, channels: dict[int, Channel], failure: Exception
) -> None:
    mirror = make_mirror(store, channels)
    await mirror.post_new()
    channels[GUILD].failures = [failure, failure, failure]
    await add(store, "one")
    await mirror.post_new()
    await add(store, "two")
    await mirror.post_new()
    assert channels[GUILD].reasons == []
    await add(store, "three")
    for _ in range(3):
        await mirror.post_new()
    assert channels[GUILD].reasons == ["one", "two", "three"]
    num_tries = len(channels[GUILD].tries)
    await mirror.post_new()
    assert len(channels[GUILD].tries) == num_tries


async def test_other_servers_don_t_wait_for_it(store: Store, channels: dict[int, Channel]) -> None:
    mirror = make_mirror(store, channels)
    await mirror.post_new()
    channels[GUILD].failures = [refusal(503)] * 9
    for number in range(3):
        await add(store, f"here {number}")
        await add(store, f"there {number}", guild_id=OTHER)
        await mirror.post_new()
    assert channels[OTHER].reasons == ["there 0", "there 1", "there 2"]
    assert len(channels[OTHER].tries) == 3
    channels[GUILD].failures = []
    for _ in range(3):
        await mirror.post_new()
    assert channels[GUILD].reasons == ["here 0", "here 1", "here 2"]


async def test_a_restart_goes_on_with_it(store: Store, channels: dict[int, Channel]) -> None:
    mirror = make_mirror(store, channels)
    await mirror.post_new()
    channels[GUILD].failures = [refusal(503)] * 2
    await add(store, "one")
    await mirror.post_new()
    await add(store, "two")
    again = make_mirror(store, channels)
    for _ in range(2):
        await again.post_new()
    assert channels[GUILD].reasons == ["one", "two"]


async def test_of_several_messages_those_that_were_taken_don_t_come_again(
    store: Store, channels: dict[int, Channel]
) -> None:
    mirror = make_mirror(store, channels)
    await mirror.post_new()
    reasons = [f"{number} {'x' * 90}" for number in range(40)]
    await add(store, *reasons)
    channels[GUILD].failures = [None, TimeoutError()]
    await mirror.post_new()
    for _ in range(2):
        await mirror.post_new()
    tries = channels[GUILD].tries
    assert channels[GUILD].reasons == reasons
    # What perhaps was taken comes with the nonce that it had.
    assert tries[1] == tries[2]
    assert len(tries) == len(set(tries)) + 1


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_what_discord_will_never_take_is_passed_over(
    store: Store, channels: dict[int, Channel], status: int
) -> None:
    mirror = make_mirror(store, channels)
    await mirror.post_new()
    kinds = {403: discord.Forbidden, 404: discord.NotFound}
    channels[GUILD].failures = [kinds.get(status, discord.HTTPException)(MagicMock(status=status, reason=""), "no")]
    await add(store, "one")
    await mirror.post_new()
    await add(store, "two")
    async with asyncio.timeout(5):
        await mirror.post_new()
    assert channels[GUILD].reasons == ["two"]


async def test_a_server_of_another_process_has_its_records_too(tmp_path: Path) -> None:
    theirs, channel = 4 << 22, Channel()
    async with Store.open(url_of(tmp_path), shards=Shards(3, (0,))) as store:
        await store.guilds.change(theirs, 1, log_channel=5)
        mirror = make_mirror(store, {5: channel})
        await mirror.post_new()
        client = cast(MagicMock, mirror._client)
        client.get_guild.return_value = None
        guild = MagicMock(preferred_locale=discord.Locale.american_english)
        client.fetch_guild = AsyncMock(side_effect=[OSError("no route"), OSError("no route"), guild])
        await add(store, "one", guild_id=theirs)
        await mirror.post_new()
        assert channel.reasons == []
        await mirror.post_new()
        assert channel.reasons == ["one"]
