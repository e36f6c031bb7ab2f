"""One policy from an exception to what people see: a sentence for the user, an id and a traceback for the log.

The command tree and the background tasks call it, on the event loop. The order of `explain` is the policy; the first
rule that fits decides:

1. RequestError: its own sentence; nothing to log, the user can mend it.
2. JobError: its own sentence; whoever raised it has logged the cause.
3. StoreError: that the database has a problem, and an id; its sentence, which names files, goes to the log, and the
   traceback too where that sentence does not say all.
4. A command that Discord knows in another form than this program: how to refresh it.
5. Everything else: "Something went wrong" and an id; the traceback goes to the log.
"""

import logging
import secrets
from typing import Final

import aiohttp
import discord
from discord import app_commands

from bot.errors import JobError, RequestError, StoreError
from bot.language import Language
from bot.store.refusals import is_known

UNKNOWN_INTERACTION: Final = 10062

# Discord's codes where there is nobody left to answer: the channel, the guild or the interaction's webhook is gone.
_GONE: Final = frozenset({10003, 10004, 10015})

_log = logging.getLogger(__name__)


def explain(error: BaseException, *, doing: str, language: Language) -> str:
    """The sentence for the user, by the policy above. doing: what failed, for the log ("/imagine", "job 3f…")."""
    cause = _cause(error)
    if isinstance(cause, RequestError | JobError):
        return language.tell(cause)
    if isinstance(cause, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch):
        return language.text(
            "This command has changed since Discord last loaded it. Reload Discord (Ctrl+R) and try again."
        )
    incident = secrets.token_hex(3)
    if is_known(cause):
        _log.error("%s failed (id %s): %s", doing, incident, cause)
        _log.debug("where %s failed (id %s)", doing, incident, exc_info=cause)
    else:
        _log.error("%s failed (id %s)", doing, incident, exc_info=cause)
    if isinstance(cause, StoreError):
        return language.text(
            "The bot's database has a problem (id {incident}). Try again in some minutes.", incident=incident
        )
    return language.text(
        "Something went wrong (id {incident}). Try again; if it goes on, tell the bot's owner this id.",
        incident=incident,
    )


async def answer_error(interaction: discord.Interaction, error: BaseException, language: Language) -> None:
    """Tells the user, and only that user, what `explain` says. Never raises what Discord answers to that."""
    name = f"/{interaction.command.qualified_name}" if interaction.command is not None else "an interaction"
    cause = _cause(error)
    if isinstance(cause, discord.NotFound) and cause.code == UNKNOWN_INTERACTION:
        _log.warning("%s of user %d was answered too late for Discord", name, interaction.user.id)
        return
    if isinstance(cause, discord.NotFound) and cause.code in _GONE:
        _log.warning("%s of user %d can't be answered, its place is gone: %s", name, interaction.user.id, cause)
        return
    sentence = explain(cause, doing=name, language=language)
    mentions = discord.AllowedMentions.none()
    try:
        if interaction.response.is_done():
            await interaction.followup.send(sentence, ephemeral=True, allowed_mentions=mentions)
        else:
            await interaction.response.send_message(sentence, ephemeral=True, allowed_mentions=mentions)
    except (discord.HTTPException, discord.InteractionResponded, aiohttp.ClientError, OSError) as refusal:
        _log.warning("could not tell user %d why %s failed: %s", interaction.user.id, name, refusal)


def _cause(error: BaseException) -> BaseException:
    """What a command raised, without discord.py's wrapper."""
    return error.original if isinstance(error, app_commands.CommandInvokeError) else error
