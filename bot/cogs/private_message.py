"""The message of a job that only its interaction's token can edit. Used by the deliveries, on the event loop.

What comes after the token's time, or after a restart, goes to the user as a direct message: the end of the job and
nothing before it. It comes once: whoever can't know whether it was sent looks for it among the bot's direct messages to
this user, and edits what is there. Discord's own help, the nonce, is forgotten after some minutes.
"""

import time
from collections.abc import Callable

import discord

from bot.cogs.job_message import JobMessage, make_files
from bot.cogs.job_messages import direct_message_of, marked
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
        self._sent: discord.Message | None = None
        # By a previous run, or by an attempt whose answer was lost.
        self._may_be_sent = interaction is None

    def _gives_up_token(self, error: discord.HTTPException) -> bool:
        """Not for a passing fault: the answer is the better place as long as it can be reached."""
        return error.status in (401, 403, 404)

    async def _edit_by_bot(self, rendered: Rendered) -> None:
        """Sends what ends a job, or edits what was sent; its other states are passed over."""
        is_end = rendered.controls is not Controls.RUNNING and (rendered.picture is not None or rendered.drops_picture)
        if not is_end:
            return
        channel = await self._client.create_dm(discord.Object(self._user_id))
        if self._sent is None and self._may_be_sent:
            self._sent = await direct_message_of(self._client, channel, self._message.id, self._job_id)
        if self._sent is None:
            await self._send(channel, rendered)
            return
        await self._sent.edit(
            content=self._content(rendered),
            attachments=make_files(rendered),
            view=self._view(rendered),
            allowed_mentions=discord.AllowedMentions.none(),
        )

    async def _send(self, channel: discord.DMChannel, rendered: Rendered) -> None:
        self._may_be_sent = True
        try:
            self._sent = await channel.send(
                self._content(rendered),
                files=make_files(rendered),
                view=self._view(rendered) or discord.utils.MISSING,
                allowed_mentions=discord.AllowedMentions.none(),
                nonce=self._job_id,
            )
        except discord.HTTPException as error:
            self._may_be_sent = not 400 <= error.status < 500
            raise

    def _content(self, rendered: Rendered) -> str:
        """With the job's id where no picture has it."""
        return rendered.content if rendered.picture is not None else marked(rendered.content, self._job_id)
