"""/mod rules and /mod test-prompt: a server's rules for prompts. Called by discord.py, on the event loop.

Files are read, and rules compiled, on worker threads.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone, think
from bot.cogs.authority import permission_level
from bot.cogs.mod_group import ModCommand, mod_command
from bot.cogs.permissions import guild_of
from bot.cogs.rule_book import RuleBook, actions
from bot.cogs.rules_page import (
    added_text,
    categories_text,
    complaints_text,
    explanations_text,
    list_text,
    refused_lines,
    taken_text,
)
from bot.errors import InvalidParameterError, MissingPermissionError, NotReadyError, StoreError
from bot.language import Language
from bot.message_text import escape
from bot.moderation.authority import check_switching
from bot.moderation.automod import Keywords, convert
from bot.moderation.prompt_rules import MAX_RULE_CHARACTERS, Category, Rule, RuleAction, RuleSet, Verdict
from bot.moderation.rule_file import MAX_FILE_BYTES, RuleFile, decode, parse_rules, write_rules
from bot.moderation.starter import STARTER_CATEGORIES, starter_rules
from bot.render import Picture
from bot.requests import MAX_PROMPT_CHARACTERS
from bot.store import AuditAction, RuleStore, Taken
from bot.variants import expand

STORE_TIMEOUT_S: Final = 1.5
FILE_TIMEOUT_S: Final = 60.0
MAX_SUGGESTED: Final = 25  # Discord's limits
MAX_CHOICE_CHARACTERS: Final = 100
OFF: Final = "off"

ACTIONS: Final = [
    Choice(name=locale_str("allow"), value=RuleAction.ALLOW.value),
    Choice(name=locale_str("warn"), value=RuleAction.WARN.value),
    Choice(name=locale_str("hold"), value=RuleAction.HOLD.value),
    Choice(name=locale_str("refuse"), value=RuleAction.REFUSE.value),
    Choice(name=locale_str("strike"), value=RuleAction.STRIKE.value),
]
CATEGORIES: Final = [
    Choice(name=locale_str("sexual content with minors"), value=Category.MINORS.value),
    Choice(name=locale_str("nudity and sex"), value=Category.SEXUAL.value),
    Choice(name=locale_str("gore and cruelty"), value=Category.GORE.value),
    Choice(name=locale_str("hatred and its symbols"), value=Category.HATE.value),
    Choice(name=locale_str("suicide and self-harm"), value=Category.SELF_HARM.value),
    Choice(name=locale_str("harassment and threats"), value=Category.HARASSMENT.value),
    Choice(name=locale_str("drugs"), value=Category.DRUGS.value),
]
_WITH_KEYWORDS: Final = frozenset(
    {discord.AutoModRuleTriggerType.keyword, discord.AutoModRuleTriggerType.member_profile}
)

_T = TypeVar("_T")


class PromptRules:
    """The commands. Methods raise RequestError and StoreError."""

    def __init__(self, store: RuleStore, book: RuleBook, languages: Languages) -> None:
        self._store = store
        self._book = book
        self._languages = languages

    def commands(self) -> list[ModCommand]:
        """For the group."""
        group = app_commands.Group(name=locale_str("rules"), description=locale_str("This server's rules for prompts"))
        remove = mod_command(locale_str("remove"), locale_str("Remove a rule"), self.remove)
        remove.autocomplete("rule")(self._suggest)
        for command in (
            mod_command(locale_str("add"), locale_str("Add a rule, or give one another action"), self.add),
            remove,
            mod_command(locale_str("list"), locale_str("The rules of this server"), self.show),
            mod_command(locale_str("import"), locale_str("Take the rules of a file"), self.import_file),
            mod_command(locale_str("export"), locale_str("The rules of this server as a file"), self.export),
            mod_command(
                locale_str("import-automod"), locale_str("Take the keywords of Discord's AutoMod"), self.import_automod
            ),
            mod_command(
                locale_str("categories"), locale_str("See and switch parts of the starter list"), self.categories
            ),
        ):
            group.add_command(command)
        test = mod_command(
            locale_str("test-prompt"), locale_str("Which rules fire on a prompt, where and why"), self.test_prompt
        )
        return [group, test]

    @app_commands.rename(rule=locale_str("rule"), action=locale_str("action"))
    @app_commands.describe(
        rule=locale_str("A word, a phrase, *part of a word*, or /a pattern/"),
        action=locale_str("What happens to a prompt on which it fires"),
    )
    @app_commands.choices(action=ACTIONS)
    async def add(
        self, interaction: discord.Interaction, rule: Range[str, 1, MAX_RULE_CHARACTERS], action: str
    ) -> None:
        """Stores a rule; one with the same text gets the new action."""
        guild_id = guild_of(interaction)
        new = await asyncio.to_thread(Rule, rule, RuleAction(action))
        taken = await _in_time(self._store.put(guild_id, interaction.user.id, [new], how=AuditAction.RULE_ADDED))
        await self._book.prepare(guild_id)
        await answer_alone(interaction, added_text(new, taken, self._language(interaction)))

    @app_commands.rename(rule=locale_str("rule"))
    @app_commands.describe(rule=locale_str("The rule to remove"))
    async def remove(self, interaction: discord.Interaction, rule: Range[str, 1, MAX_RULE_CHARACTERS]) -> None:
        """Removes a rule of the guild's own."""
        guild_id = guild_of(interaction)
        if not await _in_time(self._store.remove(guild_id, interaction.user.id, rule)):
            raise InvalidParameterError("There is no such rule: /mod rules list shows those there are.")
        await self._book.prepare(guild_id)
        await answer_alone(interaction, self._language(interaction).text("Removed: {rule}", rule=escape(rule)))

    async def _suggest(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        rules = (await _in_time(self._store.of(guild_of(interaction)))).rules
        wanted = typed.casefold()
        texts = (rule.text for rule in rules if wanted in rule.text.casefold())
        fitting = [text for text in texts if len(text) <= MAX_CHOICE_CHARACTERS]
        return [Choice(name=text, value=text) for text in fitting[:MAX_SUGGESTED]]

    async def show(self, interaction: discord.Interaction) -> None:
        """Lists the guild's own rules."""
        rules = (await _in_time(self._store.of(guild_of(interaction)))).rules
        await answer_alone(interaction, list_text(rules, self._language(interaction)))

    @app_commands.rename(file=locale_str("file"), replace=locale_str("replace"))
    @app_commands.describe(
        file=locale_str("One rule a line, as /mod rules export writes them"),
        replace=locale_str("Whether all other rules of this server go"),
    )
    async def import_file(
        self, interaction: discord.Interaction, file: discord.Attachment, replace: bool = False
    ) -> None:
        """Takes all rules of a file, or none if a line is malformed."""
        guild_id, language = guild_of(interaction), self._language(interaction)
        if file.size > MAX_FILE_BYTES:
            raise InvalidParameterError(
                "The file has {size:,} bytes; at most {limit:,} are read.", size=file.size, limit=MAX_FILE_BYTES
            )
        await think(interaction)
        try:
            async with asyncio.timeout(FILE_TIMEOUT_S):
                data = await file.read()
                read = await asyncio.to_thread(_read, data)
        except (discord.HTTPException, TimeoutError) as error:
            raise NotReadyError("Discord did not give me the file. Try again.") from error
        if read.complaints:
            await answer_alone(interaction, complaints_text(read.complaints, read.num_malformed, language))
            return
        if not read.rules:
            raise InvalidParameterError("The file has no rules.")
        taken = await self._take(interaction, guild_id, read.rules, is_replacing=replace)
        await answer_alone(interaction, taken_text(len(read.rules), taken, language))

    async def export(self, interaction: discord.Interaction) -> None:
        """Sends the guild's own rules, as import_file reads them."""
        await think(interaction)
        rules = (await _in_time(self._store.of(guild_of(interaction)))).rules
        language = self._language(interaction)
        file = Picture(
            data=write_rules(rules).encode(),
            filename="rules.txt",
            description=language.text("The rules of this server, one a line"),
        )
        said = language.plural("{n} rule of this server:", "{n} rules of this server:", len(rules))
        await answer_alone(interaction, said, attachment=file)

    @app_commands.rename(action=locale_str("action"))
    @app_commands.describe(action=locale_str("What happens to a prompt on which one of them fires"))
    @app_commands.choices(action=ACTIONS[1:])
    async def import_automod(self, interaction: discord.Interaction, action: str) -> None:
        """Takes what the guild's AutoMod looks for. Discord's own word lists aren't shown to anybody."""
        guild, guild_id = interaction.guild, guild_of(interaction)
        language = self._language(interaction)
        await think(interaction)
        assert guild is not None
        try:
            async with asyncio.timeout(FILE_TIMEOUT_S):
                found = await guild.fetch_automod_rules()
        except discord.Forbidden as error:
            raise MissingPermissionError(
                "Discord shows AutoMod's keywords only to whoever has “Manage Server”, and I don't have it here. Give "
                "it to me for a moment, or write the keywords into a file for /mod rules import."
            ) from error
        except (discord.HTTPException, TimeoutError) as error:
            raise NotReadyError("Discord did not tell me the rules of AutoMod. Try again.") from error
        usable = [rule for rule in found if rule.enabled and rule.trigger.type in _WITH_KEYWORDS]
        keywords = [_keywords(rule.trigger) for rule in usable]
        converted = await asyncio.to_thread(convert, keywords, RuleAction(action))
        said = []
        if converted.rules:
            taken = await self._take(interaction, guild_id, converted.rules, keeps_stricter=True)
            said.append(taken_text(len(converted.rules), taken, language))
        else:
            said.append(language.text("AutoMod has no keywords here that could be taken over."))
        num_off = sum(not rule.enabled for rule in found)
        if num_off:
            said.append(
                language.plural(
                    "{n} rule of AutoMod is switched off and was left out.",
                    "{n} rules of AutoMod are switched off and were left out.",
                    num_off,
                )
            )
        num_others = len(found) - num_off - len(usable)
        if num_others:
            said.append(
                language.plural(
                    "{n} rule of AutoMod has no keywords of this server: Discord shows its own lists to nobody.",
                    "{n} rules of AutoMod have no keywords of this server: Discord shows its own lists to nobody.",
                    num_others,
                )
            )
        lines = refused_lines(converted.refused, language)
        if lines:
            said.append(language.text("These could not be taken over:"))
        shown = "\n".join([*said, *lines])
        await answer_alone(interaction, shown if len(shown) <= 1900 else shown[:1900] + "…")

    @app_commands.rename(category=locale_str("category"), action=locale_str("action"))
    @app_commands.describe(
        category=locale_str("What to switch; left out, you see what counts now"),
        action=locale_str("What happens to a prompt on which one of its rules fires"),
    )
    @app_commands.choices(category=CATEGORIES, action=[*ACTIONS[1:], Choice(name=locale_str("off"), value=OFF)])
    async def categories(
        self, interaction: discord.Interaction, category: str | None = None, action: str | None = None
    ) -> None:
        """Shows what counts of the starter list, after a change if there is one."""
        guild_id, language = guild_of(interaction), self._language(interaction)
        if (category is None) != (action is None):
            raise InvalidParameterError("Say both the category and its action, or neither to see what counts now.")
        if category is not None:
            wanted = None if action == OFF else RuleAction(action or OFF)
            check_switching(Category(category), wanted, permission_level(interaction))
            await _in_time(self._store.choose(guild_id, interaction.user.id, Category(category), wanted))
            await self._book.prepare(guild_id)
        choices = (await _in_time(self._store.of(guild_id))).choices
        sizes = await asyncio.to_thread(_sizes)
        await answer_alone(interaction, categories_text(actions(choices), sizes, language))

    @app_commands.rename(prompt=locale_str("prompt"), negative=locale_str("negative"))
    @app_commands.describe(
        prompt=locale_str("The prompt to compare with the rules; nothing is drawn"),
        negative=locale_str("A negative prompt beside it"),
    )
    async def test_prompt(
        self,
        interaction: discord.Interaction,
        prompt: Range[str, 1, MAX_PROMPT_CHARACTERS],
        negative: Range[str, 1, MAX_PROMPT_CHARACTERS] | None = None,
    ) -> None:
        """Explains every hit, in every variant that braces stand for; it is held against nobody."""
        rules = await self._book.rule_set(guild_of(interaction))
        explained = await asyncio.to_thread(_explained, rules, prompt, negative)
        await answer_alone(interaction, explanations_text(explained, negative, self._language(interaction)))

    async def _take(
        self,
        interaction: discord.Interaction,
        guild_id: int,
        rules: tuple[Rule, ...],
        *,
        is_replacing: bool = False,
        keeps_stricter: bool = False,
    ) -> Taken:
        async with asyncio.timeout(FILE_TIMEOUT_S):
            taken = await self._store.put(
                guild_id,
                interaction.user.id,
                rules,
                how=AuditAction.RULES_IMPORTED,
                is_replacing=is_replacing,
                keeps_stricter=keeps_stricter,
            )
        await self._book.prepare(guild_id)
        return taken

    def _language(self, interaction: discord.Interaction) -> Language:
        return self._languages.of(str(interaction.locale))


async def _in_time(doing: Coroutine[Any, Any, _T]) -> _T:
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            return await doing
    except TimeoutError as error:
        raise StoreError("The rules could not be read or written in time.") from error


def _explained(rules: RuleSet, prompt: str, negative: str | None) -> list[tuple[str, Verdict]]:
    """Each variant as it would be drawn."""
    return [(variant, rules.check(variant, negative)) for variant in expand(prompt)]


def _read(data: bytes) -> RuleFile:
    return parse_rules(decode(data))


def _sizes() -> dict[Category, int]:
    return {category: len(starter_rules(category, RuleAction.REFUSE)) for category in STARTER_CATEGORIES}


def _keywords(trigger: discord.AutoModTrigger) -> Keywords:
    return Keywords(tuple(trigger.keyword_filter), tuple(trigger.regex_patterns), tuple(trigger.allow_list))
