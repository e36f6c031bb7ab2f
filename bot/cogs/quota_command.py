"""/mod quota: what a role's members may do more, or less, than others. Called by discord.py, on the event loop."""

import asyncio
from dataclasses import replace
from typing import Any, Final

import discord
from discord import app_commands
from discord.app_commands import Range, locale_str

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone
from bot.cogs.mod_group import ModCommand, mod_command
from bot.cogs.permissions import guild_of
from bot.errors import InvalidParameterError, StoreError
from bot.guild_settings import GuildSettings, digest_of
from bot.language import Language, Text
from bot.moderation.admission import duration
from bot.requests import WEIGHT_BOUNDS
from bot.role_limits import MAX_COOLDOWN_S, MAX_COUNT, RoleLimits
from bot.store.guilds import GuildStore

STORE_TIMEOUT_S: Final = 1.5

Count = Range[int, 0, MAX_COUNT]
Seconds = Range[int, 0, MAX_COOLDOWN_S]
Weight = Range[float, WEIGHT_BOUNDS.low, WEIGHT_BOUNDS.high]


class QuotaCommand:
    """The command. It sets one role at a time, since Discord lets people choose it then."""

    def __init__(self, store: GuildStore, languages: Languages) -> None:
        self._store = store
        self._languages = languages

    def commands(self) -> list[ModCommand]:
        """For the group."""
        description = locale_str("Limits for the members of a role; needs Manage Server")
        return [mod_command(locale_str("quota"), description, self.quota)]

    @app_commands.rename(
        role=locale_str("role"),
        jobs=locale_str("jobs"),
        cooldown=locale_str("cooldown"),
        images=locale_str("images"),
        weight=locale_str("share"),
        remove=locale_str("remove"),
    )
    @app_commands.describe(
        role=locale_str("Whose members; leave all out to see what is set"),
        jobs=locale_str("Unfinished jobs at most; 0 for as many as the bot takes"),
        cooldown=locale_str("Seconds between two requests; 0 for none"),
        images=locale_str("Pictures within 24 hours at most; 0 for any number"),
        weight=locale_str("Their share of the turns: 2 is twice as much as others have"),
        remove=locale_str("Take this role's limits away: everybody's count again"),
    )
    async def quota(
        self,
        interaction: discord.Interaction,
        role: discord.Role | None = None,
        jobs: Count | None = None,
        cooldown: Seconds | None = None,
        images: Count | None = None,
        weight: Weight | None = None,
        remove: bool = False,
    ) -> None:
        """Changes what is given, keeps the rest, and shows all roles with limits."""
        guild_id = guild_of(interaction)
        given: dict[str, Any] = {"max_jobs": jobs, "cooldown_s": cooldown, "daily_images": images, "weight": weight}
        given = {key: value for key, value in given.items() if value is not None}
        if role is None and (given or remove):
            raise InvalidParameterError("Say for which role.")
        if remove and given:
            raise InvalidParameterError("Either take limits away or set some.")
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                settings = await self._store.settings(guild_id)
                if role is not None and (given or remove):
                    settings = await self._store.change(
                        guild_id,
                        interaction.user.id,
                        seen=digest_of(settings, ["role_limits"]),
                        role_limits=_changed(settings, role.id, None if remove else given),
                    )
        except TimeoutError as error:
            raise StoreError("The limits of roles could not be changed in time.") from error
        language = self._languages.of(str(interaction.locale))
        await answer_alone(interaction, quota_text(settings, guild_id, language))


def quota_text(settings: GuildSettings, guild_id: int, language: Language) -> str:
    """All roles with limits of their own, a line each."""
    if not settings.role_limits:
        return language.text("No role has limits of its own: /mod quota with a role sets some.")
    lines = [f"- {language.tell(_limits_text(limits, guild_id))}" for limits in settings.role_limits]
    head = language.text("Limits of roles. Of several, the most generous counts:")
    return "\n".join([head, *lines])


def _changed(settings: GuildSettings, role_id: int, given: dict[str, Any] | None) -> tuple[RoleLimits, ...]:
    """given: what is set; None to take the role's limits away."""
    others = tuple(limits for limits in settings.role_limits if limits.role_id != role_id)
    if given is None:
        return others
    before = next((limits for limits in settings.role_limits if limits.role_id == role_id), RoleLimits(role_id=role_id))
    return (*others, replace(before, **given))


def _limits_text(limits: RoleLimits, guild_id: int) -> Text:
    said: list[Text] = []
    if limits.max_jobs == 0:
        said.append(Text("any number of unfinished jobs"))
    elif limits.max_jobs is not None:
        said.append(Text.plural("{n} unfinished job", "{n} unfinished jobs", limits.max_jobs))
    if limits.cooldown_s == 0:
        said.append(Text("no cooldown"))
    elif limits.cooldown_s is not None:
        said.append(Text("cooldown {span}", span=duration(limits.cooldown_s)))
    if limits.daily_images == 0:
        said.append(Text("any number of pictures"))
    elif limits.daily_images is not None:
        said.append(Text.plural("{n} picture in 24 hours", "{n} pictures in 24 hours", limits.daily_images))
    if limits.weight is not None:
        said.append(Text("weight {weight:.10g}", weight=limits.weight))
    # The role that everybody has, which has its server's id, is called @everyone: as a mention that is @@everyone.
    role = "@everyone" if limits.role_id == guild_id else f"<@&{limits.role_id}>"
    return Text("{role}: {limits}", role=role, limits=tuple(said))
