"""/mod blocked: pictures like which none is shown, since moderators have rejected them; and how to undo that.

Called by discord.py, on the event loop.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone
from bot.cogs.image_gate import ImageGate
from bot.cogs.mod_group import ModCommand, mod_command
from bot.cogs.permissions import guild_of
from bot.errors import InvalidParameterError, StoreError
from bot.language import Language
from bot.store.blocked_hashes import BlockedCase, BlockedHashStore

STORE_TIMEOUT_S: Final = 1.5
MAX_SHOWN: Final = 20
MAX_CASE: Final = 2**31 - 1


class BlockedPictures:
    """The command."""

    def __init__(self, hashes: BlockedHashStore, gate: ImageGate, languages: Languages) -> None:
        self._hashes = hashes
        self._gate = gate
        self._languages = languages

    def commands(self) -> list[ModCommand]:
        """For the group."""
        described = locale_str("Pictures that moderators rejected, and how to allow ones like them again")
        command = mod_command(locale_str("blocked"), described, self.blocked)
        command.autocomplete("case")(self._suggest)
        return [command]

    @app_commands.rename(case=locale_str("allow"))
    @app_commands.describe(case=locale_str("The number of the case whose pictures are allowed again"))
    async def blocked(self, interaction: discord.Interaction, case: Range[int, 1, MAX_CASE] | None = None) -> None:
        """Lists the newest to whoever asks alone, or ends what one case has blocked."""
        guild_id = guild_of(interaction)
        language = self._languages.of(str(interaction.locale))
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                known = [] if case is not None else await self._hashes.cases(guild_id, MAX_SHOWN)
                number = 0 if case is None else await self._gate.unblock(guild_id, case, interaction.user.id)
        except TimeoutError as error:
            raise StoreError("The rejected pictures could not be read or changed in time.") from error
        if case is None:
            await answer_alone(interaction, blocked_text(known, language))
            return
        if not number:
            raise InvalidParameterError("This case has blocked no pictures: /mod blocked shows those that have.")
        await answer_alone(
            interaction,
            language.plural(
                "Case {case}: {n} picture is allowed again, and so are those like it.",
                "Case {case}: {n} pictures are allowed again, and so are those like them.",
                number,
                case=f"#{case}",
            ),
        )

    async def _suggest(self, interaction: discord.Interaction[Any], typed: str | int) -> list[Choice[int]]:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            known = await self._hashes.cases(guild_of(interaction), MAX_SHOWN)
        fitting = [each.case_number for each in known if str(each.case_number).startswith(str(typed).strip())]
        return [Choice(name=f"#{number}", value=number) for number in fitting]


def blocked_text(known: Sequence[BlockedCase], language: Language) -> str:
    """The newest ones, a line each."""
    if not known:
        return language.text("No pictures are blocked: moderators have rejected none.")
    lines = [
        language.text(
            "Pictures like these are not shown, since moderators rejected them. /mod blocked with “allow” undoes that:"
        )
    ]
    for each in known:
        line = language.plural(
            "case {case}: {n} picture, {when}",
            "case {case}: {n} pictures, {when}",
            each.num_hashes,
            case=f"#{each.case_number}",
            when=f"<t:{int(each.blocked_at.timestamp())}:R>",
        )
        lines.append(f"- {line}")
    return "\n".join(lines)
