"""Asks the rules for prompts before jobs are stored. Used by the job desk, for every command and button; event loop."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import discord

from bot.catalogues import Languages
from bot.cogs.audit_notes import AuditNotes
from bot.cogs.rule_book import RuleBook
from bot.cogs.sanctioning import Sanctioning
from bot.errors import NotAdmittedError, NotReadyError, StoreError
from bot.guild_settings import GuildSettings
from bot.language import Text
from bot.moderation.prompt_rules import Hit, RuleAction, RuleSet, Verdict
from bot.moderation.rule_texts import refusal, strike_reason, warning
from bot.requests import GenerationRequest
from bot.store import AuditAction, AuditRecord

CHECK_TIMEOUT_S: Final = 0.4
STRIKE_TIMEOUT_S: Final = 0.7
MAX_TOLD: Final = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Screened:
    """What the rules say of requests that they don't refuse. warned: of what whoever asked is warned. held: the
    verdict that wants a moderator to look first, for each request that has one, by its number."""

    warned: Hit | None
    held: dict[int, Verdict]


class PromptCheck:
    """Methods raise NotAdmittedError for what is refused, StoreError, and NotReadyError where it takes too long."""

    def __init__(self, book: RuleBook, notes: AuditNotes, sanctioning: Sanctioning, languages: Languages) -> None:
        self._book = book
        self._notes = notes
        self._sanctioning = sanctioning
        self._languages = languages
        self._strikes: set[asyncio.Task[None]] = set()

    async def screen(self, interaction: discord.Interaction, requests: Sequence[GenerationRequest]) -> Screened:
        """The strictest action of all requests decides: they become jobs together or not at all."""
        rules = await self._book.rule_set(interaction.guild_id)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                verdicts = await asyncio.to_thread(_verdicts, rules, tuple(requests))
        except TimeoutError as error:
            raise NotReadyError("I am too busy to compare this with the rules. Ask again in a moment.") from error
        worst = max(verdicts, key=lambda verdict: verdict.action.severity)
        hit = worst.strongest
        if hit is None:
            return Screened(None, {})
        if hit.rule.action.severity >= RuleAction.REFUSE.severity:
            await self._note(interaction, AuditAction.PROMPT_REFUSED, hit)
            sentence = refusal(hit)
            if await self._strikes_for(interaction, hit):
                raise NotAdmittedError(
                    "{refusal} This brings you a strike; with /appeal you can ask the moderators to look at it again.",
                    refusal=sentence,
                )
            raise NotAdmittedError(sentence)
        warned = next((v.strongest for v in verdicts if v.action is RuleAction.WARN), None)
        held = {number: v for number, v in enumerate(verdicts) if v.action is RuleAction.HOLD}
        return Screened(warned, held)

    async def note_warning(self, interaction: discord.Interaction, hit: Hit) -> Text:
        """What to tell whoever asked, once there are jobs."""
        await self._note(interaction, AuditAction.PROMPT_WARNED, hit)
        return warning(hit)

    async def _strikes_for(self, interaction: discord.Interaction, hit: Hit) -> bool:
        """Whether a hit brings a strike that is stored. What takes longer than the answer may wait goes on beside it,
        as telling somebody by direct message does."""
        guild_id = interaction.guild_id
        if hit.rule.action is not RuleAction.STRIKE or guild_id is None:
            return False
        is_stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        striking = self._strike(interaction, guild_id, hit, is_stored)
        task = asyncio.create_task(striking, name=f"strike for interaction {interaction.id}")
        self._strikes.add(task)
        task.add_done_callback(self._strikes.discard)
        try:
            async with asyncio.timeout(STRIKE_TIMEOUT_S):
                return await is_stored
        except TimeoutError:
            _log.warning("the answer to interaction %d did not wait for a strike", interaction.id)
            return False

    async def _strike(
        self, interaction: discord.Interaction, guild_id: int, hit: Hit, is_stored: asyncio.Future[bool]
    ) -> None:
        """is_stored: gets its result as soon as that is known, unless nobody waits for it any more."""

        def tell(stored: bool) -> None:
            if not is_stored.done():
                is_stored.set_result(stored)

        reason = self._languages.of(str(interaction.locale)).tell(strike_reason(hit))
        try:
            if not await self._sanctioning.spares(interaction):
                await self._sanctioning.strike(
                    guild_id, interaction.user.id, by=None, reason=reason, on_stored=lambda: tell(True)
                )
        except StoreError as error:
            _log.error("user %d could not be given a strike: %s", interaction.user.id, error)
        finally:
            tell(False)

    async def _note(self, interaction: discord.Interaction, action: AuditAction, hit: Hit) -> None:
        """For the moderators, who may see the rule."""
        if interaction.guild_id is None:
            return
        record = AuditRecord(
            guild_id=interaction.guild_id,
            action=action,
            user_id=interaction.user.id,
            reason=f"{hit.rule.action}: {hit.rule.text}",
            # Not the prompt itself: nobody could delete it.
            details={"category": hit.rule.category.value, "rule": hit.rule.text, "part": hit.part},
        )
        await self._notes.add(record)


def to_review(screened: Screened, settings: GuildSettings, *, is_trusted: bool) -> Mapping[int, Verdict]:
    """The verdicts that want a moderator to look first, by the request's number. is_trusted: nothing of theirs is held.

    Raises NotAdmittedError where there is no moderators' channel.
    """
    held = {} if is_trusted else screened.held
    if held and settings.review_channel is None:
        raise NotAdmittedError(
            "Your prompt needs a moderator's review first, and this server has set no channel for that. Describe "
            "something else."
        )
    return held


def review_details(verdict: Verdict, request: GenerationRequest) -> dict[str, Any]:
    """For a case: which rules fired on what."""
    texts = {"prompt": request.prompt, "negative": request.negative_prompt or ""}
    counting = [hit for hit in verdict.hits if not hit.is_off and hit.rule.action is not RuleAction.ALLOW]
    told = [{"rule": hit.rule.text, "found": texts[hit.part][hit.start : hit.end]} for hit in counting[:MAX_TOLD]]
    return {"hits": told}


def _verdicts(rules: RuleSet, requests: tuple[GenerationRequest, ...]) -> list[Verdict]:
    return [rules.check(request.prompt, request.negative_prompt) for request in requests]
