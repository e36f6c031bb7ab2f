"""The message of a job that only its interaction's token can edit. Used by the deliveries, on the event loop.

What comes after the token's time, or after a restart, goes to the user as a direct message: the end of the job and
nothing before it.
"""

import time
from collections.abc import Callable

import discord

from bot.cogs.job_message import JobMessage, make_files
from bot.language import Language
from bot.render import Controls, Rendered


class PrivateMessage(JobMessage):
    """As JobMessage. user_id: who gets the direct message."""

    def __init__(
        self,
        client: discord.Client,
        user_id: int,
        message: discord.PartialMessage,
        job_id: str,
        language: Language,
        *,
        interaction: discord.Interaction | None = None,
        is_follow_up: bool = False,
        shown: Rendered | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            message, job_id, language, interaction=interaction, is_follow_up=is_follow_up, shown=shown, clock=clock
        )
        self._client = client
        self._user_id = user_id

    def _gives_up_token(self, error: discord.HTTPException) -> bool:
        """Not for a passing fault: the answer is the better place as long as it can be reached."""
        return error.status in (401, 403, 404)

    async def _edit_by_bot(self, rendered: Rendered) -> None:
        """Sends what ends a job; its other states are passed over."""
        is_end = rendered.controls is not Controls.RUNNING and (rendered.picture is not None or rendered.drops_picture)
        if not is_end:
            return
        channel = await self._client.create_dm(discord.Object(self._user_id))
        await channel.send(
            rendered.content,
            files=make_files(rendered),
            view=self._view(rendered) or discord.utils.MISSING,
            allowed_mentions=discord.AllowedMentions.none(),
            nonce=self._job_id,  # so that an attempt whose answer was lost isn't a second message
        )
