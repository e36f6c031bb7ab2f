"""What Discord's answers mean, failure by failure."""

from datetime import timedelta
from typing import Any

import discord
import pytest

from bot.cogs.permissions import PERMISSION_NAMES
from bot.config import DiscordSettings
from bot.doctor.discord_checks import (
    check_clock,
    check_intents,
    check_permissions,
    check_sessions,
    check_token,
)
from bot.doctor.finding import Status
from tests.doctor.discord_answers import HERE, Says

ALL = discord.Permissions(**dict.fromkeys(PERMISSION_NAMES, True)).value
APPLICATION = {"id": "5", "flags": 0, "bot_require_code_grant": False, "interactions_endpoint_url": None}


def guild(number: int, permissions: int = ALL) -> dict[str, Any]:
    return {"id": str(number), "name": f"Guild {number}", "permissions": str(permissions)}


async def test_a_known_token_is_named_by_its_user() -> None:
    outcome = await check_token(Says({}))
    assert (outcome.status, outcome.found) == (Status.OK, "Discord knows it as painter (5).")


async def test_a_refused_token_gets_a_new_one() -> None:
    outcome = await check_token(Says({"/users/@me": 401}))
    assert outcome.status is Status.FAILED
    assert outcome.fix is not None
    assert "Reset Token" in outcome.fix


@pytest.mark.parametrize(("status", "advice"), [(429, "limits how often"), (403, "firewall"), (502, "discordstatus")])
async def test_another_answer_is_no_verdict_on_the_token(status: int, advice: str) -> None:
    outcome = await check_token(Says({"/users/@me": status}))
    assert outcome.status is Status.FAILED
    assert str(status) in outcome.found
    assert advice in (outcome.fix or "")


async def test_an_application_as_the_readme_makes_it_is_well() -> None:
    assert (await check_intents(Says({"/applications/@me": APPLICATION}))).status is Status.OK


@pytest.mark.parametrize("bit", [12, 13, 14, 15, 18, 19])
async def test_a_privileged_intent_should_be_off(bit: int) -> None:
    outcome = await check_intents(Says({"/applications/@me": APPLICATION | {"flags": 1 << bit}}))
    assert outcome.status is Status.WARNING
    assert "Intent is on" in outcome.found
    assert "/applications/5/bot" in (outcome.fix or "")


@pytest.mark.parametrize(
    ("change", "found", "fix"),
    [
        (
            {"interactions_endpoint_url": "https://x.example"},
            "Interactions Endpoint URL",
            "/applications/5/information",
        ),
        ({"bot_require_code_grant": True}, "code grant", "/applications/5/bot"),
    ],
)
async def test_what_keeps_interactions_or_invitations_away(change: dict[str, Any], found: str, fix: str) -> None:
    outcome = await check_intents(Says({"/applications/@me": APPLICATION | change}))
    assert outcome.status is Status.FAILED
    assert found in outcome.found
    assert fix in (outcome.fix or "")


@pytest.mark.parametrize(
    ("remaining", "status"), [(3, Status.OK), (2, Status.OK), (1, Status.FAILED), (0, Status.FAILED)]
)
async def test_there_must_be_a_connection_left_for_every_shard(remaining: int, status: Status) -> None:
    limit = {"total": 1000, "remaining": remaining, "reset_after": 4 * 3600 * 1000}
    outcome = await check_sessions(Says({"/gateway/bot": {"shards": 2, "session_start_limit": limit}}))
    assert outcome.status is status
    assert ("4 hours" in (outcome.fix or "")) == (status is Status.FAILED)


async def test_a_missing_permission_is_named_with_its_server_and_the_link() -> None:
    lacks = ALL & ~discord.Permissions(attach_files=True, connect=True).value
    api = Says({"/users/@me/guilds": [guild(1), guild(2, lacks)]})
    outcome = await check_permissions(api, DiscordSettings())
    assert outcome.status is Status.FAILED
    assert outcome.found == "Guild 2 (2) lacks Attach Files, Connect."
    assert "client_id=5" in (outcome.fix or "")


async def test_an_administrator_lacks_nothing() -> None:
    api = Says({"/users/@me/guilds": [guild(1, discord.Permissions(administrator=True).value)]})
    assert (await check_permissions(api, DiscordSettings())).status is Status.OK


async def test_a_bot_that_nobody_invited_gets_its_link() -> None:
    outcome = await check_permissions(Says({"/users/@me/guilds": []}), DiscordSettings())
    assert outcome.status is Status.FAILED
    assert "client_id=5" in (outcome.fix or "")


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (DiscordSettings(allowed_guilds=(1, 9)), "9 of discord.allowed_guilds"),
        (DiscordSettings(dev_guild_id=8), "8 of discord.dev_guild_id"),
    ],
)
async def test_a_server_of_the_settings_that_the_bot_is_not_in(settings: DiscordSettings, found: str) -> None:
    outcome = await check_permissions(Says({"/users/@me/guilds": [guild(1)]}), settings)
    assert outcome.status is Status.WARNING
    assert found in outcome.found


async def test_every_page_of_servers_is_looked_at() -> None:
    def page(query: dict[str, str]) -> list[dict[str, Any]]:
        first = int(query["after"]) + 1
        return [guild(number, 0 if number == 401 else ALL) for number in range(first, min(first + 200, 402))]

    api = Says({"/users/@me/guilds": page})
    outcome = await check_permissions(api, DiscordSettings())
    assert outcome.found.startswith("Guild 401 (401) lacks View Channel")
    assert [query.get("after") for query in api.asked[:3]] == ["0", "200", "400"]


async def test_of_many_servers_some_are_named() -> None:
    api = Says({"/users/@me/guilds": [guild(number, 0) for number in range(1, 15)]})
    outcome = await check_permissions(api, DiscordSettings())
    assert "Guild 10 (10)" in outcome.found
    assert "Guild 11" not in outcome.found
    assert outcome.found.endswith("and 4 more.")


@pytest.mark.parametrize("off_s", [-2.5, 0.0, 2.5])
async def test_a_clock_that_is_about_right(off_s: float) -> None:
    """HERE is in the middle of a second, as Discord's date is on average."""
    api = Says({"/gateway": {}}, date=HERE - timedelta(seconds=0.5 + off_s))
    assert (await check_clock(api)).status is Status.OK


@pytest.mark.parametrize(
    ("off_s", "found"), [(3600.0 * 5, "5 hours ahead of"), (-90.0, "90 seconds behind"), (4.0, "4 seconds ahead of")]
)
async def test_a_wrong_clock_is_told_with_how_much(off_s: float, found: str) -> None:
    outcome = await check_clock(Says({"/gateway": {}}, date=HERE - timedelta(seconds=0.5 + off_s)))
    assert outcome.status is Status.FAILED
    assert found in outcome.found
    assert "timedatectl" in (outcome.fix or "")


async def test_a_slow_answer_is_no_wrong_clock() -> None:
    api = Says({"/gateway": {}}, date=HERE - timedelta(seconds=6), took_s=8.0)
    assert (await check_clock(api)).status is Status.OK


async def test_a_discord_without_a_date() -> None:
    assert (await check_clock(Says({"/gateway": {}}))).status is Status.WARNING
