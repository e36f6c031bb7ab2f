"""The strike or ban that a decision about a case brings. Called when what follows from a decision is done; event loop.

Once for each case, even if a restart does the rest again: a sanction knows its case.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import discord

from bot.cogs.review_channels import ReviewChannels
from bot.cogs.sanctioning import Sanctioning
from bot.language import Text
from bot.moderation.cases import CaseKind, outcome_of
from bot.store import CaseRecord, Store

STORE_TIMEOUT_S: Final = 10.0

_REASONS: Final[Mapping[CaseKind, Text]] = {
    CaseKind.HELD_PROMPT: Text("Case {number}: a prompt that moderators rejected"),
    CaseKind.HELD_PICTURES: Text("Case {number}: pictures that moderators rejected"),
    CaseKind.REPORT: Text("Case {number}: pictures that were reported"),
}


class CaseSanctions:
    """Methods raise what Sanctioning's do, and TimeoutError."""

    def __init__(self, store: Store, sanctioning: Sanctioning, channels: ReviewChannels) -> None:
        self._store = store
        self._sanctioning = sanctioning
        self._channels = channels

    async def check(self, interaction: discord.Interaction[Any], case: CaseRecord) -> None:
        """Whether the interaction's user may sanction a case's requester."""
        async with asyncio.timeout(STORE_TIMEOUT_S):
            settings = await self._store.guilds.settings(case.guild_id)
        await self._sanctioning.check_target(interaction, case.user_id, settings)

    async def punish(self, case: CaseRecord, by: discord.Interaction[Any] | None) -> None:
        """by: of the moderator; None after a restart, when nobody's is there any more."""
        assert case.decision is not None
        outcome = outcome_of(case.decision)
        if not (outcome.is_struck or outcome.is_banned):
            return
        async with asyncio.timeout(STORE_TIMEOUT_S):
            given = await self._store.sanctions.of(case.guild_id, case.user_id)
            settings = await self._store.guilds.settings(case.guild_id)
        if any(sanction.case_number == case.number for sanction in given):
            return
        reason = _REASONS[case.kind].replacing(number=f"#{case.number}")
        impose = self._sanctioning.ban if outcome.is_banned else self._sanctioning.strike
        await impose(
            case.guild_id,
            case.user_id,
            by=by,
            reason=self._channels.language(case.guild_id, settings).tell(reason),
            case_number=case.number,
            job_id=case.job_id,
            given_by=case.decided_by,
        )
