"""Appeals: one for each sanction, from the button in the direct message or /appeal, decided once. Event loop.

An appeal is stored, and then shown in the guild's moderators' channel (appeal_board.py). Without one it is kept all the
same: /mod history shows it, and /mod unban lifts what was imposed.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone
from bot.cogs.appeal_board import appeal_text
from bot.cogs.discord_clock import DiscordClock
from bot.cogs.permissions import guild_of
from bot.cogs.sanction_texts import KINDS
from bot.errors import JobEndedError, MissingPermissionError, StoreError
from bot.language import Language
from bot.message_text import escape
from bot.moderation.sanctions import KEEP_OUT, holds
from bot.store import AuditAction, AuditRecord, SanctionRecord, Store
from bot.views.custom_id import Action, CustomId
from bot.views.forms import Field, form_values, make_form

STORE_TIMEOUT_S: Final = 1.0
SEND_TIMEOUT_S: Final = 5.0
MAX_APPEAL_CHARACTERS: Final = 800
MAX_LINE_CHARACTERS: Final = 90

_TEXT: Final = "text"

_log = logging.getLogger(__name__)


class AppealCog(commands.Cog):
    """The command, its form, and the moderators' buttons. In the place of a job's id stands a sanction's.

    on_appeal: called when there is an appeal to show to moderators.
    """

    def __init__(
        self,
        client: discord.Client,
        store: Store,
        clock: DiscordClock,
        languages: Languages,
        *,
        on_appeal: Callable[[], None],
    ) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._languages = languages
        self._on_appeal = on_appeal

    @app_commands.command(
        name=locale_str("appeal"), description=locale_str("Ask the moderators to look again at what keeps you out")
    )
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    async def appeal(self, interaction: discord.Interaction) -> None:
        """Opens the form for the newest sanction that nobody has appealed against."""
        guild_id, now = guild_of(interaction), self._clock.now()
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                theirs = await self._store.sanctions.of(guild_id, interaction.user.id)
        except TimeoutError as error:
            raise StoreError("The sanctions of a member could not be read in time.") from error
        open_ones = [each for each in theirs if holds(each, now) and each.appealed_at is None]
        if not open_ones:
            raise JobEndedError("There is nothing that you could appeal against.")
        await self._ask(interaction, max(open_ones, key=lambda each: (each.kind in KEEP_OUT, each.id)))

    async def press(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """The button in a direct message. Raises JobEndedError if there is nothing to appeal against any more."""
        sanction = await self._get(pressed)
        if sanction is None or sanction.user_id != interaction.user.id or sanction.revoked_at is not None:
            raise JobEndedError("There is nothing that you could appeal against.")
        if sanction.appealed_at is not None:
            raise JobEndedError("You have appealed against this already.")
        await self._ask(interaction, sanction)

    async def submit(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """The form. Raises as `press` does."""
        text = form_values(interaction).get(_TEXT, "")[:MAX_APPEAL_CHARACTERS]
        sanction = await self._get(pressed)
        if sanction is None:
            raise JobEndedError("There is nothing that you could appeal against.")
        record = AuditRecord(
            guild_id=sanction.guild_id,
            action=AuditAction.APPEAL,
            actor_id=interaction.user.id,
            user_id=interaction.user.id,
            case_number=sanction.case_number,
            reason=text,
            details={"sanction": sanction.id},
        )
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                appealed = await self._store.sanctions.appeal(
                    sanction.id,
                    interaction.user.id,
                    text=text,
                    locale=str(interaction.locale),
                    at=self._clock.now(),
                    audit=record,
                )
        except TimeoutError as error:
            raise StoreError("The appeal could not be stored in time.") from error
        if appealed is None:
            raise JobEndedError("You have appealed against this already.")
        language = self._languages.of(str(interaction.locale))
        await answer_alone(
            interaction, language.text("The moderators have your appeal. I will tell you what they decide.")
        )
        self._on_appeal()

    async def press_uphold(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """A moderator leaves it as it is."""
        await self._decide(interaction, pressed, AuditAction.APPEAL_UPHELD)

    async def press_lift(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """A moderator lifts it, with its strike."""
        await self._decide(interaction, pressed, AuditAction.APPEAL_LIFTED)

    async def _decide(self, interaction: discord.Interaction[Any], pressed: CustomId, action: AuditAction) -> None:
        sanction = await self._get(pressed)
        if sanction is None or sanction.guild_id != interaction.guild_id:
            raise JobEndedError("This appeal is not known here.")
        if sanction.user_id == interaction.user.id:
            raise MissingPermissionError("Somebody else must decide on your appeal.")
        decision = "lifted" if action is AuditAction.APPEAL_LIFTED else "upheld"
        record = AuditRecord(
            guild_id=sanction.guild_id,
            action=action,
            actor_id=interaction.user.id,
            user_id=sanction.user_id,
            case_number=sanction.case_number,
            details={"sanction": sanction.id},
        )
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                decided = await self._store.sanctions.decide(
                    sanction.id, decision, by=interaction.user.id, at=self._clock.now(), audit=record
                )
        except TimeoutError as error:
            raise StoreError("The decision could not be stored in time.") from error
        if decided is None:
            raise JobEndedError("Somebody has decided on this appeal already.")
        language = self._languages.of(str(interaction.locale))
        by = f"<@{interaction.user.id}>"
        said = (
            language.text("{user} granted it.", user=by)
            if decision == "lifted"
            else language.text("{user} rejected it.", user=by)
        )
        await interaction.response.edit_message(
            content=f"{appeal_text(decided, language)}\n{said}",
            view=None,
            allowed_mentions=discord.AllowedMentions.none(),
        )
        await self._tell(decided)

    async def _ask(self, interaction: discord.Interaction[Any], sanction: SanctionRecord) -> None:
        language = self._languages.of(str(interaction.locale))
        field = Field(
            _TEXT,
            language.text("Why should they look at it again?"),
            MAX_APPEAL_CHARACTERS,
            is_required=True,
            is_long=True,
            described=_form_line(sanction, language),
        )
        custom_id = CustomId(Action.APPEAL_SUBMIT, f"{sanction.id:012x}")
        await interaction.response.send_modal(make_form(language.text("Appeal"), custom_id, [field]))

    async def _get(self, pressed: CustomId) -> SanctionRecord | None:
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                return await self._store.sanctions.get(int(pressed.job_id, 16))
        except TimeoutError as error:
            raise StoreError("The sanction could not be read in time.") from error

    async def _tell(self, sanction: SanctionRecord) -> None:
        """Tells its user what was decided, if Discord lets us."""
        guild = self._client.get_guild(sanction.guild_id)
        language = self._languages.of(sanction.appeal_locale)
        server = "" if guild is None else f"**{escape(guild.name)}**"
        said = (
            language.text("The moderators of {server} granted your appeal: it is lifted.", server=server)
            if sanction.appeal_decision == "lifted"
            else language.text("The moderators of {server} rejected your appeal: it stays as it is.", server=server)
        )
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                channel = await self._client.create_dm(discord.Object(sanction.user_id))
                await channel.send(said, allowed_mentions=discord.AllowedMentions.none())
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.info(
                "user %d could not be told of a decision: %s", sanction.user_id, str(error) or type(error).__name__
            )


def _form_line(sanction: SanctionRecord, language: Language) -> str:
    """What an appeal is against, where Discord shows no times of its own. At most 100 characters."""
    line = language.text(
        "Against: {kind} of {given}", kind=KINDS[sanction.kind], given=f"{sanction.given_at:%Y-%m-%d %H:%M} UTC"
    )
    if sanction.reason:
        line += f" – {' '.join(sanction.reason.split())}"
    return line if len(line) <= MAX_LINE_CHARACTERS else line[: MAX_LINE_CHARACTERS - 1] + "…"
