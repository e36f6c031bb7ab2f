"""/mod images: what pictures may not look like in a guild. Called by discord.py, on the event loop."""

import asyncio
from dataclasses import replace
from typing import Any, Final

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone
from bot.cogs.mod_group import ModCommand, mod_command
from bot.cogs.permissions import guild_of
from bot.errors import InvalidParameterError, StoreError
from bot.guild_settings import GuildSettings
from bot.image_rule import ImageAction, ImageRule
from bot.language import Language
from bot.moderation.image_categories import Categories
from bot.moderation.image_texts import ACTIONS, UNCALIBRATED, category_text, percent
from bot.store.guilds import GuildStore

STORE_TIMEOUT_S: Final = 1.5
ALLOW: Final = "allow"


class ImageRuleCommands:
    """The command. categories: all that this bot knows."""

    def __init__(self, guilds: GuildStore, categories: Categories, languages: Languages) -> None:
        self._guilds = guilds
        self._categories = categories
        self._languages = languages

    def commands(self) -> list[ModCommand]:
        """For the group."""
        command = mod_command(locale_str("images"), locale_str("What pictures may not look like"), self.images)
        command.autocomplete("category")(self._suggest)
        return [command]

    @app_commands.rename(
        category=locale_str("category"), action=locale_str("action"), threshold=locale_str("threshold")
    )
    @app_commands.describe(
        category=locale_str("What the rule is about"),
        action=locale_str("What happens to pictures that look like it"),
        threshold=locale_str("From how many percent on"),
    )
    @app_commands.choices(
        action=[
            Choice(name=locale_str("allow: no rule"), value=ALLOW),
            Choice(name=locale_str("warn: show, and warn whoever asked"), value="warn"),
            Choice(name=locale_str("spoiler: show behind a click"), value="spoiler"),
            Choice(name=locale_str("hold: wait for a moderator"), value="hold"),
            Choice(name=locale_str("refuse: don't show"), value="refuse"),
            Choice(name=locale_str("strike: don't show, and give a strike"), value="strike"),
        ]
    )
    async def images(
        self,
        interaction: discord.Interaction,
        category: str | None = None,
        action: str | None = None,
        threshold: Range[int, 1, 100] | None = None,
    ) -> None:
        """Shows the rules to whoever asks alone, after the change if one is asked for."""
        guild_id = guild_of(interaction)
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                settings = await self._guilds.settings(guild_id)
                if category is not None or action is not None or threshold is not None:
                    known = self._named(category, self._languages.of(str(interaction.locale)))
                    rules = self._changed(settings, known, action, threshold)
                    settings = await self._guilds.change(guild_id, interaction.user.id, image_rules=rules)
        except TimeoutError as error:
            raise StoreError("The rules for pictures could not be read or changed in time.") from error
        language = self._languages.of(str(interaction.locale))
        await answer_alone(interaction, rules_text(settings, self._categories, language))

    async def _suggest(self, interaction: discord.Interaction[Any], typed: str) -> list[Choice[str]]:
        language = self._languages.of(str(interaction.locale))
        named = ((language.show(category_text(each.name)), each.name) for each in self._categories.categories)
        return [Choice(name=name, value=value) for name, value in named if typed.casefold() in name.casefold()]

    def _named(self, category: str | None, language: Language) -> str | None:
        """The name of a category, which may be written as it is shown."""
        wanted = (category or "").strip().casefold()
        for each in self._categories.categories:
            if wanted in (each.name, language.show(category_text(each.name)).casefold()):
                return each.name
        return category

    def _changed(
        self, settings: GuildSettings, category: str | None, action: str | None, threshold: int | None
    ) -> tuple[ImageRule, ...]:
        """Raises InvalidParameterError for what makes no rule."""
        if category is None or self._categories.get(category) is None:
            raise InvalidParameterError("Choose one of the categories that are suggested.")
        others = tuple(rule for rule in settings.image_rules if rule.category != category)
        if action == ALLOW:
            return others
        known = next((rule for rule in settings.image_rules if rule.category == category), None)
        if action is None and known is None:
            raise InvalidParameterError("There is no rule for this category yet: choose an action too.")
        rule = ImageRule(category, ImageAction(action)) if action is not None else known
        assert rule is not None
        kept = None if known is None else known.threshold
        return (*others, replace(rule, threshold=kept if threshold is None else threshold / 100))


def rules_text(settings: GuildSettings, categories: Categories, language: Language) -> str:
    """Every category, what happens to it here and from which score on."""
    by_category = {rule.category: rule for rule in settings.image_rules}
    lines = [f"**{language.text('What pictures may not look like')}**"]
    for category in categories.categories:
        rule = by_category.pop(category.name, None)
        if rule is None:
            lines.append("- " + language.text("{category}: allowed", category=category_text(category.name)))
            continue
        threshold = category.threshold if rule.threshold is None else rule.threshold
        lines.append(
            "- "
            + language.text(
                "{category}: {action}, from {threshold} % on",
                category=category_text(category.name),
                action=ACTIONS[rule.action],
                threshold=percent(threshold),
            )
        )
    lines += [
        "- " + language.text("{category}: has no effect, since this bot does not know it any more", category=name)
        for name in by_category
    ]
    if not categories.is_calibrated:
        lines.append(language.tell(UNCALIBRATED))
    if settings.review_channel is None and any(rule.action is ImageAction.HOLD for rule in settings.image_rules):
        lines.append(
            language.text("There is no moderators' channel, so what should be held is refused: see /settings.")
        )
    return "\n".join(lines)
