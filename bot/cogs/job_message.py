"""The one message of a job, edited until it shows the result. Used by the deliveries, on the event loop.

An interaction's token may edit its answer for 15 minutes; afterwards, and after a restart, the bot edits the message
with its own token, for which it needs View Channel and Send Messages. Both reach the same message, and an edit can be
repeated without harm.
"""

import asyncio
import io
import logging
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import aiohttp
import discord

from bot.language import Language
from bot.render import Rendered
from bot.views.job_control import view_of

TOKEN_LIFE_S: Final = 14 * 60.0  # a minute less than Discord's 15, for edits that wait at a rate limit
EDIT_TIMEOUT_S: Final = 60.0
UNKNOWN_CHANNEL: Final = 10003
UNKNOWN_MESSAGE: Final = 10008
UNKNOWN_USER: Final = 10013
CANNOT_MESSAGE_USER: Final = 50007
TOO_MANY_REQUESTS: Final = 429
_TOO_LARGE: Final = 40005

_log = logging.getLogger(__name__)

_TransportError = (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError)


class Shown(StrEnum):
    """What came of an edit; the log says why it failed.

    GONE: the message or its channel was deleted. CLOSED: it can't be edited any more, and its user takes no direct
    messages. FORBIDDEN: the bot has lost a permission. TOO_LARGE: a smaller picture may be taken. REFUSED: Discord
    takes no such edit. UNREACHED: Discord did not answer or had a fault of its own, so that the same edit may succeed
    later.
    """

    DONE = "done"
    GONE = "gone"
    CLOSED = "closed"
    FORBIDDEN = "forbidden"
    TOO_LARGE = "too_large"
    REFUSED = "refused"
    UNREACHED = "unreached"


class JobMessage:
    """A message that the bot may edit.

    message: channel and message id, for the bot's own token. job_id, language: of its controls. interaction: whose
    token goes first; None after a restart. is_follow_up: it isn't the interaction's first answer. shown: what the
    message shows now, if known. clock: seconds, as time.monotonic.
    """

    def __init__(
        self,
        message: discord.PartialMessage,
        job_id: str,
        language: Language,
        *,
        interaction: discord.Interaction | None = None,
        is_follow_up: bool = False,
        shown: Rendered | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._message = message
        self._job_id = job_id
        self._language = language
        self._interaction = interaction
        self._is_follow_up = is_follow_up
        self._shown = shown
        self._clock = clock
        self._token_ends = clock() + TOKEN_LIFE_S
        self._gone = False

    @property
    def ids(self) -> tuple[int, int]:
        """Of the channel and the message."""
        return self._message.channel.id, self._message.id

    async def show(self, rendered: Rendered) -> Shown:
        """Makes the message look like `rendered`; returns at once if it does already. Never raises Discord's errors."""
        if self._gone:
            return Shown.GONE
        if self._is_shown(rendered):
            return Shown.DONE
        try:
            async with asyncio.timeout(EDIT_TIMEOUT_S):
                await self._edit(rendered)
        except _TransportError as error:
            if _is_gone(error):
                self._gone = True
                return Shown.GONE
            _log.warning("message %d could not be edited: %s", self._message.id, str(error) or type(error).__name__)
            return _outcome(error)
        self._shown = rendered
        return Shown.DONE

    def _is_shown(self, rendered: Rendered) -> bool:
        """Whether an edit would change nothing: nothing about the pictures and no word."""
        if self._shown is None or rendered.picture is not None:
            return False
        is_same = (rendered.content, rendered.controls) == (self._shown.content, self._shown.controls)
        return is_same and rendered.drops_picture in (False, self._shown.drops_picture)

    async def _edit(self, rendered: Rendered) -> None:
        if self._interaction is not None and self._clock() < self._token_ends:
            try:
                await self._edit_by_token(self._interaction, rendered)
            except discord.HTTPException as error:
                # 400 and 413 are about the content, which would be refused again; 429 asks for patience.
                if error.status in (400, 413, TOO_MANY_REQUESTS) or _is_gone(error) or not self._gives_up_token(error):
                    raise
                _log.info("message %d: the interaction's token failed, using the bot's own", self._message.id)
                self._interaction = None
            else:
                return
        await self._edit_by_bot(rendered)

    def _gives_up_token(self, error: discord.HTTPException) -> bool:
        """Whether to go on with the bot's own token: always, as it reaches the same message."""
        return True

    async def _edit_by_bot(self, rendered: Rendered) -> None:
        await self._message.edit(
            content=rendered.content,
            attachments=_attachments(rendered),
            view=self._view(rendered),
            allowed_mentions=discord.AllowedMentions.none(),
        )

    def _view(self, rendered: Rendered) -> discord.ui.View | None:
        return view_of(rendered.controls, self._job_id, self._language, scores=rendered.scores)

    async def _edit_by_token(self, interaction: discord.Interaction, rendered: Rendered) -> None:
        view = self._view(rendered)
        mentions = discord.AllowedMentions.none()
        if self._is_follow_up:
            await interaction.followup.edit_message(
                self._message.id,
                content=rendered.content,
                attachments=_attachments(rendered),
                view=view,
                allowed_mentions=mentions,
            )
        else:
            await interaction.edit_original_response(
                content=rendered.content, attachments=_attachments(rendered), view=view, allowed_mentions=mentions
            )


def _is_gone(error: BaseException) -> bool:
    return isinstance(error, discord.NotFound) and error.code in (UNKNOWN_CHANNEL, UNKNOWN_MESSAGE)


def _outcome(error: BaseException) -> Shown:
    """What a failed edit means, unless the message is gone. Of 4xx Discord judged the edit itself, but for rate
    limits, which pass."""
    if not isinstance(error, discord.HTTPException) or not 400 <= error.status < 500:
        return Shown.UNREACHED
    if error.status == TOO_MANY_REQUESTS:
        return Shown.UNREACHED
    if error.code in (CANNOT_MESSAGE_USER, UNKNOWN_USER):
        return Shown.CLOSED
    if error.status == 413 or error.code == _TOO_LARGE:
        return Shown.TOO_LARGE
    return Shown.FORBIDDEN if isinstance(error, discord.Forbidden) else Shown.REFUSED


def _attachments(rendered: Rendered) -> list[discord.File]:
    """For an edit: MISSING keeps what is there."""
    kept: list[discord.File] = discord.utils.MISSING
    return make_files(rendered) if rendered.picture is not None or rendered.drops_picture else kept


def make_files(rendered: Rendered) -> list[discord.File]:
    """For a new message. A file is made anew each time, since discord.py closes it."""
    picture = rendered.picture
    if picture is None:
        return []
    return [discord.File(io.BytesIO(picture.data), filename=picture.filename, description=picture.description)]
