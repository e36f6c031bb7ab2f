"""Where the desk takes no jobs at all; tests/cogs/test_imagine.py has what it does with them."""

from unittest.mock import MagicMock

import discord
import pytest

from bot.cogs.job_desk import JobDesk
from bot.errors import NotAdmittedError
from bot.moderation.places import Places
from bot.requests import GenerationRequest
from bot.shards import Shards


@pytest.mark.parametrize("guild_id", [5 << 22, None])
async def test_a_job_that_another_process_would_take_for_its_own_is_refused(guild_id: int | None) -> None:
    others = dict.fromkeys(
        ("store", "executor", "deliveries", "admission", "prompts", "gate", "review", "languages"), MagicMock()
    )
    places = Places(direct_messages=True, user_installs=True)
    desk = JobDesk(MagicMock(spec=discord.Client), places=places, shards=Shards(3, (1,)), **others)
    interaction = MagicMock(spec=discord.Interaction, guild_id=guild_id)
    request = GenerationRequest("a red circle", 1, seed=1, requester="1")
    for ask in (desk.check, desk.accept):
        with pytest.raises(NotAdmittedError, match="I can't draw in this server"):
            await ask(interaction, request)
    others["store"].create.assert_not_called()
