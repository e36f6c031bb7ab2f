"""/mod ban, unban, strike and history. Called by discord.py, on the event loop; the sanctioning does the work."""

import asyncio
from typing import Any, Final

import discord
from discord import app_commands
from discord.app_commands import Range, locale_str

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone, think
from bot.cogs.discord_clock import DiscordClock
from bot.cogs.mod_group import ModCommand, mod_command
from bot.cogs.permissions import guild_of
from bot.cogs.sanction_texts import History, given_text, history_text, unbanned_text
from bot.cogs.sanctioning import MAX_REASON_CHARACTERS, Imposed, Sanctioning
from bot.errors import StoreError
from bot.moderation.spans import parse_span
from bot.store import AuditAction, AuditFilter, Store

READ_TIMEOUT_S: Final = 1.5
MAX_CASES: Final = 100

Reason = Range[str, 1, MAX_REASON_CHARACTERS]


class SanctionCommands:
    """What hangs on the group. Every command may raise as Sanctioning does."""

    def __init__(self, sanctioning: Sanctioning, store: Store, clock: DiscordClock, languages: Languages) -> None:
        self._sanctioning = sanctioning
        self._store = store
        self._clock = clock
        self._languages = languages

    def commands(self) -> list[ModCommand]:
        """For the group."""
        return [
            mod_command(locale_str("ban"), locale_str("Keep a member from drawing, for a time or for good"), self.ban),
            mod_command(locale_str("unban"), locale_str("Let a member draw again"), self.unban),
            mod_command(locale_str("strike"), locale_str("Give a strike, and what comes with it"), self.strike),
            mod_command(locale_str("history"), locale_str("What there is of a member"), self.history),
        ]

    @app_commands.rename(user=locale_str("user"), duration=locale_str("duration"), reason=locale_str("reason"))
    @app_commands.describe(
        user=locale_str("Whom"),
        duration=locale_str("How long, as in 30m, 12h, 7d or 2w; for good if you leave it out"),
        reason=locale_str("Why; they are told"),
    )
    async def ban(
        self,
        interaction: discord.Interaction,
        user: discord.User,
        duration: str | None = None,
        reason: Reason | None = None,
    ) -> None:
        """Bans somebody from drawing in the guild, and from nothing else."""
        lasts = None if duration is None else parse_span(duration)
        guild_id = guild_of(interaction)
        await think(interaction)
        imposed = await self._sanctioning.ban(guild_id, user.id, by=interaction, reason=reason, lasts=lasts)
        await self._answer(interaction, imposed)

    @app_commands.rename(user=locale_str("user"), reason=locale_str("reason"))
    @app_commands.describe(user=locale_str("Whom"), reason=locale_str("Why; they are told"))
    async def unban(self, interaction: discord.Interaction, user: discord.User, reason: Reason | None = None) -> None:
        """Lifts bans and cooldowns; strikes go on counting."""
        await think(interaction)
        lifted = await self._sanctioning.unban(guild_of(interaction), user.id, by=interaction, reason=reason)
        language = self._languages.of(str(interaction.locale))
        if not lifted.sanctions:
            named = f"<@{user.id}>"
            await answer_alone(interaction, language.text("Nothing keeps {user} from drawing.", user=named))
            return
        sentences = unbanned_text(user.id, reason, was_told=lifted.was_told)
        await answer_alone(interaction, "\n".join(map(language.tell, sentences)))

    @app_commands.rename(user=locale_str("user"), reason=locale_str("reason"))
    @app_commands.describe(user=locale_str("Whom"), reason=locale_str("Why; they are told"))
    async def strike(self, interaction: discord.Interaction, user: discord.User, reason: Reason) -> None:
        """Gives a strike; the guild's ladder says what comes with it."""
        guild_id = guild_of(interaction)
        await think(interaction)
        imposed = await self._sanctioning.strike(guild_id, user.id, by=interaction, reason=reason)
        await self._answer(interaction, imposed)

    @app_commands.rename(user=locale_str("user"))
    @app_commands.describe(user=locale_str("Whom"))
    async def history(self, interaction: discord.Interaction, user: discord.User) -> None:
        """Shows it to whoever asks alone."""
        guild_id = guild_of(interaction)
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                history = History(
                    user_id=user.id,
                    created_at=user.created_at,
                    joined_at=user.joined_at if isinstance(user, discord.Member) else None,
                    num_jobs=await self._store.jobs.num_of(user.id, guild_id),
                    sanctions=await self._store.sanctions.of(guild_id, user.id),
                    cases=await self._store.cases.of_user(guild_id, user.id, MAX_CASES),
                    lifted_because=await self._lifted_because(guild_id, user.id),
                )
        except TimeoutError as error:
            raise StoreError("The history of a member could not be read in time.") from error
        language = self._languages.of(str(interaction.locale))
        await answer_alone(interaction, history_text(history, self._clock.now(), language))

    async def _lifted_because(self, guild_id: int, user_id: int) -> dict[int, str]:
        """Why their newest sanctions were lifted, by id, as far as moderators said."""
        wanted = AuditFilter(guild_id=guild_id, user_id=user_id, action=AuditAction.LIFTED)
        entries = await self._store.audit.page(wanted, MAX_CASES)
        return {id_: entry.reason for entry in entries if entry.reason for id_ in entry.details.get("sanctions", ())}

    async def _answer(self, interaction: discord.Interaction[Any], imposed: Imposed) -> None:
        language = self._languages.of(str(interaction.locale))
        sentences = given_text(
            imposed.given,
            imposed.strikes,
            was_told=imposed.was_told,
            replaced=imposed.replaced,
            longest=imposed.longest,
        )
        await answer_alone(interaction, "\n".join(map(language.tell, sentences)))
