"""What a job's message says in the end, tried again for a while if Discord can't be reached. Used by the deliveries and
what hands results over, on the event loop.
"""

import asyncio
import logging
from typing import Final

from bot.cogs.job_message import JobMessage, Shown
from bot.cogs.job_recorder import JobRecorder
from bot.render import Rendered, render_failure
from bot.store import JobState

PAUSES_S: Final = (2.0, 10.0, 30.0, 60.0, 120.0, 240.0, 300.0, 300.0)  # about 18 minutes
NUM_BRIEF: Final = 2

_log = logging.getLogger(__name__)


class FinalWords:
    """closing: done once the bot closes, which ends all attempts. pauses_s: waits between attempts."""

    def __init__(self, closing: asyncio.Future[None], pauses_s: tuple[float, ...] = PAUSES_S) -> None:
        self._closing = closing
        self.pauses_s = pauses_s

    async def show(self, message: JobMessage, rendered: Rendered, *, is_brief: bool = False) -> Shown:
        """is_brief: a few attempts are enough, as somebody comes back to it anyway."""
        shown = await message.show(rendered)
        for pause_s in self.pauses_s[:NUM_BRIEF] if is_brief else self.pauses_s:
            if shown is not Shown.UNREACHED:
                break
            await asyncio.wait({self._closing}, timeout=pause_s)
            if self._closing.done():
                break
            shown = await message.show(rendered)
        return shown

    async def give_up(
        self, recorder: JobRecorder, prompt: str, state: JobState, sentence: str, message: JobMessage | None
    ) -> None:
        """Ends a job with a sentence. It stays unfinished, and is taken up again, if its message can't be reached."""
        # First the user, then the record: if the program dies in between, the restart finds the job unfinished.
        shown = Shown.DONE
        if message is not None:
            shown = await self.show(message, render_failure(prompt, sentence))
        if shown is Shown.UNREACHED:
            _log.error("job %s: Discord can't be reached, so it is taken up again later: %s", recorder.job_id, sentence)
            return
        await recorder.record(state, error=sentence)
