"""What Discord says of the bot: its token, its application, its servers, the time. Event loop.

Used by the examination. Each check is one small function.
"""

from datetime import timedelta
from typing import Any, Final

from bot.cogs.permissions import PERMISSION_NAMES, invite_link, missing_permissions
from bot.config import DiscordSettings
from bot.doctor.discord_api import Answer, DiscordApi
from bot.doctor.finding import Outcome, failed, ok, warned

CLOCK_TOLERANCE_S: Final = 3.0
MAX_NAMED: Final = 10
_GUILDS_A_PAGE: Final = 200
_MAX_PAGES: Final = 25
_DEVELOPERS: Final = "https://discord.com/developers/applications"
# Discord's flags of an application: switched on for all, and while it is in fewer than 100 servers.
_PRIVILEGED: Final = {
    "Presence Intent": 1 << 12 | 1 << 13,
    "Server Members Intent": 1 << 14 | 1 << 15,
    "Message Content Intent": 1 << 18 | 1 << 19,
}


async def check_token(api: DiscordApi) -> Outcome:
    """Whether Discord knows the token."""
    answer = await api.get("/users/@me")
    if answer.status == 401:
        return failed(
            "Discord does not accept the token.",
            f"Open {_DEVELOPERS}, choose the application, Bot, Reset Token, and put the new one into DISCORD_TOKEN.",
        )
    if answer.status != 200:
        return _strange(answer)
    return ok(f"Discord knows it as {answer.body['username']} ({answer.body['id']}).")


async def check_intents(api: DiscordApi) -> Outcome:
    """Whether interactions come over the gateway, and no privileged intent is on: the bot needs none."""
    answer = await api.get("/applications/@me")
    if answer.status != 200:
        return _strange(answer)
    application: dict[str, Any] = answer.body
    page = f"{_DEVELOPERS}/{application['id']}"
    if application.get("interactions_endpoint_url"):
        return failed(
            "Discord sends commands to an Interactions Endpoint URL, so the bot gets none.",
            f"Empty that field at {page}/information.",
        )
    if application.get("bot_require_code_grant"):
        return failed(
            "The application requires an OAuth2 code grant, so the invite link does not work.",
            f"Switch Requires OAuth2 Code Grant off at {page}/bot.",
        )
    flags = int(application.get("flags") or 0)
    switched_on = [name for name, bits in _PRIVILEGED.items() if flags & bits]
    if switched_on:
        return warned(
            f"{', '.join(switched_on)} {'is' if len(switched_on) == 1 else 'are'} on, and the bot needs none.",
            f"Switch it off at {page}/bot: what the bot can't see can't leak.",
        )
    return ok("The bot needs no privileged intent, and none is on.")


async def check_sessions(api: DiscordApi) -> Outcome:
    """Whether the bot may connect to the gateway again today."""
    answer = await api.get("/gateway/bot")
    if answer.status != 200:
        return _strange(answer)
    limit = answer.body["session_start_limit"]
    wait = timedelta(milliseconds=limit["reset_after"])
    if limit["remaining"] < max(1, answer.body["shards"]):
        return failed(
            f"The bot has connected {limit['total']} times today; Discord allows no more.",
            f"Wait for {_roughly(wait)}, and find out why it keeps restarting: its log says so.",
        )
    return ok(f"{limit['remaining']} of {limit['total']} connections are left for today.")


async def check_permissions(api: DiscordApi, settings: DiscordSettings) -> Outcome:
    """Whether the bot has what it asks for in every server that it is in and that the settings name."""
    guilds = await _guilds(api)
    if isinstance(guilds, Outcome):
        return guilds
    me = await api.get("/users/@me")
    link = invite_link(int(me.body["id"])) if me.status == 200 else "the link of /about"
    if not guilds:
        return failed("The bot is in no server.", f"Invite it: {link}")
    lacking = []
    for guild in guilds:
        missing = missing_permissions(int(guild["permissions"]))
        if missing:
            lacking.append(f"{guild['name']} ({guild['id']}) lacks {', '.join(map(str, missing))}")
    if lacking:
        more = f"; and {len(lacking) - MAX_NAMED} more" if len(lacking) > MAX_NAMED else ""
        return failed(
            f"{'; '.join(lacking[:MAX_NAMED])}{more}.",
            f"Give the bot's role there these permissions in Server Settings, Roles, or invite it once more: {link}",
        )
    absent = _absent(settings, {int(guild["id"]) for guild in guilds})
    if absent:
        return warned(f"The bot is not in {absent}.", f"Invite it there, or remove the id: {link}")
    names = ", ".join(map(str, PERMISSION_NAMES.values()))
    return ok(f"In all of {len(guilds)} servers: {names}." if len(guilds) > 1 else f"In its server: {names}.")


async def check_clock(api: DiscordApi) -> Outcome:
    """Whether this machine's clock agrees with Discord's Date header, which is given in whole seconds."""
    answer = await api.get("/gateway")
    if answer.date is None:
        return warned("Discord told no time.", "Compare the clock with another one yourself: timedatectl status.")
    ahead_s = (answer.here - answer.date).total_seconds() - 0.5
    if abs(ahead_s) > CLOCK_TOLERANCE_S + answer.took_s / 2:
        return failed(
            f"This machine's clock is {_roughly(timedelta(seconds=abs(ahead_s)))} "
            f"{'ahead of' if ahead_s > 0 else 'behind'} Discord's.",
            "Set it and keep it set: sudo timedatectl set-ntp true. Bans, limits and quiet hours go by it.",
        )
    return ok(f"It is within {CLOCK_TOLERANCE_S:g} s of Discord's.")


async def _guilds(api: DiscordApi) -> list[dict[str, Any]] | Outcome:
    guilds: list[dict[str, Any]] = []
    last = "0"
    for _ in range(_MAX_PAGES):
        answer = await api.get("/users/@me/guilds", limit=str(_GUILDS_A_PAGE), after=last)
        if answer.status != 200:
            return _strange(answer)
        guilds += answer.body
        if len(answer.body) < _GUILDS_A_PAGE:
            break
        last = answer.body[-1]["id"]
    return guilds


def _absent(settings: DiscordSettings, present: set[int]) -> str:
    """The servers that the settings name and the bot isn't in."""
    named = {"discord.allowed_guilds": settings.allowed_guilds or (), "discord.dev_guild_id": (settings.dev_guild_id,)}
    absent = [f"{guild} of {key}" for key, ids in named.items() for guild in ids if guild and guild not in present]
    return ", ".join(absent[:MAX_NAMED])


def _strange(answer: Answer) -> Outcome:
    fix = "Wait some minutes and see discordstatus.com."
    if answer.status == 429:
        fix = "Wait some minutes: Discord limits how often it may be asked. If it stays, see the bot's log."
    elif answer.status == 403:
        fix = "See whether a firewall or proxy answers in Discord's place; Discord may have blocked this address."
    return failed(f"Discord answered with status {answer.status}.", fix)


def _roughly(time: timedelta) -> str:
    seconds = round(time.total_seconds())
    for size, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} seconds"
