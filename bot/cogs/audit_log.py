"""/mod log: the audit of a guild, in pages for one's own eyes or as a file. Called by discord.py, on the event loop."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import discord
from discord import app_commands
from discord.app_commands import Choice, locale_str

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone, think
from bot.cogs.audit_export import Export, ExportFormat, export_audit
from bot.cogs.log_page import NAMES, PAGE_SIZE, log_text, log_view, parse_log_custom_id
from bot.cogs.mod_group import ModCommand, mod_command
from bot.cogs.permissions import guild_of
from bot.errors import InvalidParameterError, StoreError
from bot.language import Language
from bot.moderation.spans import parse_span
from bot.store import AuditAction, AuditEntry, AuditFilter, AuditStore
from bot.views.custom_id import CustomId

READ_TIMEOUT_S: Final = 1.5
EXPORT_TIMEOUT_S: Final = 60.0
MAX_SUGGESTED: Final = 25  # of Discord's
FORMATS: Final[dict[ExportFormat, str]] = {"jsonl": "JSON Lines", "csv": "CSV"}


async def suggest_actions(interaction: discord.Interaction[Any], typed: str) -> list[Choice[str]]:
    """The actions whose names in the member's language hold what was typed."""
    language = interaction.client.languages.of(str(interaction.locale))
    named = ((language.tell(name), action) for action, name in NAMES.items())
    found = [Choice(name=name, value=str(action)) for name, action in named if typed.casefold() in name.casefold()]
    return found[:MAX_SUGGESTED]


class AuditLog:
    """The command and its buttons. now: an aware time."""

    def __init__(
        self, audit: AuditStore, languages: Languages, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._audit = audit
        self._languages = languages
        self._now = now

    def commands(self) -> list[ModCommand]:
        """For the group."""
        command = mod_command(locale_str("log"), locale_str("Who did what in the moderation of this server"), self.log)
        return [command]

    @app_commands.rename(
        user=locale_str("user"), action=locale_str("action"), since=locale_str("since"), form=locale_str("export")
    )
    @app_commands.describe(
        user=locale_str("Only what this member did, or what was done about them"),
        action=locale_str("Only this kind of action"),
        since=locale_str("Only this long ago or less, as in 12h or 7d"),
        form=locale_str("As a file instead of pages"),
    )
    @app_commands.autocomplete(action=suggest_actions)
    @app_commands.choices(form=[Choice(name=name, value=value) for value, name in FORMATS.items()])
    async def log(
        self,
        interaction: discord.Interaction,
        user: discord.User | None = None,
        action: str | None = None,
        since: str | None = None,
        form: str | None = None,
    ) -> None:
        """Shows the newest page, or sends the file, to whoever asks alone."""
        wanted = AuditFilter(
            guild_id=guild_of(interaction),
            user_id=None if user is None else user.id,
            action=None if action is None else _action(action),
            since=None if since is None else self._now() - parse_span(since),
        )
        language = self._languages.of(str(interaction.locale))
        if form is not None:
            await self._export(interaction, wanted, "csv" if form == "csv" else "jsonl", language)
            return
        entries, is_last = await self._page(wanted, None)
        view = log_view(entries, wanted, language, is_first=True, is_last=is_last)
        await answer_alone(interaction, log_text(entries, language, self._languages.all()), view=view)

    async def press(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Shows another page in the place of this one. Raises UnknownControlError and StoreError."""
        wanted, before_id = parse_log_custom_id(pressed, guild_of(interaction))
        entries, is_last = await self._page(wanted, before_id)
        language = self._languages.of(str(interaction.locale))
        await interaction.response.edit_message(
            content=log_text(entries, language, self._languages.all()),
            view=log_view(entries, wanted, language, is_first=before_id is None, is_last=is_last),
            allowed_mentions=discord.AllowedMentions.none(),
        )

    async def _page(self, wanted: AuditFilter, before_id: int | None) -> tuple[list[AuditEntry], bool]:
        """A page, and whether it is the last one. The single results of sweeps are on it only if they are asked for."""
        brief = replace(wanted, is_brief=wanted.action is None)
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                entries = await self._audit.page(brief, PAGE_SIZE + 1, before_id=before_id)
        except TimeoutError as error:
            raise StoreError("The audit could not be read in time.") from error
        return entries[:PAGE_SIZE], len(entries) <= PAGE_SIZE

    async def _export(
        self, interaction: discord.Interaction, wanted: AuditFilter, form: ExportFormat, language: Language
    ) -> None:
        await think(interaction)
        try:
            async with asyncio.timeout(EXPORT_TIMEOUT_S):
                export = await export_audit(self._audit, wanted, form, max_bytes=interaction.filesize_limit)
        except TimeoutError as error:
            raise StoreError("The audit could not be exported in time.") from error
        try:
            await interaction.edit_original_response(
                content=_said(export, language),
                attachments=[discord.File(export.file, f"audit.{form}", description=language.text("The records"))],
                allowed_mentions=discord.AllowedMentions.none(),
            )
        finally:
            export.file.close()


def _said(export: Export, language: Language) -> str:
    said = language.plural("{n} record.", "{n} records.", export.num_records)
    if not export.is_cut:
        return said
    more = language.text("Older ones did not fit: narrow it down with the other options.")
    return f"{said} {more}"


def _action(text: str) -> AuditAction:
    """The value of a choice."""
    if text not in set(AuditAction):
        raise InvalidParameterError(
            "There is no action {given:.40}: choose one of those that are suggested.", given=text
        )
    return AuditAction(text)
