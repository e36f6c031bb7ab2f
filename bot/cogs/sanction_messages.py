"""Direct messages about sanctions, in the language of whoever gets them. Used by the sanctioning, on the event loop."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import aiohttp
import discord

from bot.catalogues import Languages
from bot.errors import StoreError
from bot.language import Text
from bot.store import SanctionRecord, Store
from bot.views.custom_id import Action, CustomId
from bot.views.job_control import make_button, make_view

TELL_TIMEOUT_S: Final = 5.0

_log = logging.getLogger(__name__)


class SanctionMessages:
    """Raises nothing: many people's settings take no direct messages."""

    def __init__(self, client: discord.Client, store: Store, languages: Languages) -> None:
        self._client = client
        self._store = store
        self._languages = languages

    async def write(
        self, guild: discord.Guild, user_id: int, said: Sequence[Text], *, appealed: SanctionRecord | None = None
    ) -> bool:
        """Whether somebody got it. said: a line each. appealed: what its button appeals against; None for no button."""
        try:
            async with asyncio.timeout(TELL_TIMEOUT_S):
                jobs = await self._store.jobs.latest_of(user_id, 1)
                language = self._languages.of(jobs[0].locale if jobs else str(guild.preferred_locale))
                view = None
                if appealed is not None:
                    custom_id = CustomId(Action.APPEAL, f"{appealed.id:012x}")
                    view = make_view([make_button(language.text("Appeal"), custom_id)])
                channel = await self._client.create_dm(discord.Object(user_id))
                await channel.send(
                    "\n".join(map(language.tell, said)),
                    view=view or discord.utils.MISSING,
                    allowed_mentions=discord.AllowedMentions.none(),
                )
        except (StoreError, discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.info("user %d could not be told of a sanction: %s", user_id, str(error) or type(error).__name__)
            return False
        return True
