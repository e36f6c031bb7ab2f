"""The rules for prompts as members meet them, by every way to a job: the real client in a sandbox."""

import asyncio
from typing import Any
from unittest.mock import AsyncMock

import pytest

from bot.cogs.sanctioning import Sanctioning
from bot.errors import StoreError
from bot.moderation.prompt_rules import Rule, RuleAction
from bot.sandbox import EventKind
from bot.store import AuditAction, AuditFilter, AuditRecord, AuditStore, JobState, SanctionStore
from tests.conftest import TIMEOUT_S, OpenStage, Stage, eventually

REFUSED = "Your prompt is against the rules of this server. Describe something else."
NEGATIVE = "Your negative prompt is against the rules of this server. Describe something else."
STRUCK = "This brings you a strike; with /appeal you can ask the moderators to look at it again."


async def rule(stage: Stage, text: str, action: RuleAction) -> None:
    await asyncio.wait_for(stage.app.bot.wait_until_ready(), TIMEOUT_S)
    (guild,) = stage.app.bot.guilds
    await stage.app.store.rules.put(guild.id, 1, [Rule(text, action)])


async def refused(stage: Stage, line: str) -> str:
    """The sentence of a refusal, before anything was stored."""
    known = list(stage.job_ids)
    answer = await stage.answer(line)
    assert answer.is_ephemeral
    assert stage.job_ids == known
    return answer.text


async def test_every_way_to_a_job_is_checked(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("as moderator")
        await stage.answer("/style add name:oil text:an oily {prompt} negative:photo")
        await stage.play("/imagine prompt:a red circle images:4 negative:blur")
        await stage.play("choose 2")
        for text in ("red", "oily", "photo", "blue"):
            await rule(stage, text, RuleAction.REFUSE)
        assert await refused(stage, "/imagine prompt:a r e d circle") == REFUSED
        assert await refused(stage, "/imagine prompt:a circle negative:r3d") == NEGATIVE
        assert await refused(stage, "/imagine prompt:a circle prompt2:a blue one") == REFUSED
        assert await refused(stage, "/imagine prompt:a {green|blue} star") == REFUSED
        assert await refused(stage, "/imagine prompt:a circle style:oil") == REFUSED
        assert await refused(stage, "/again") == REFUSED
        assert await refused(stage, "click Reroll") == REFUSED
        assert await refused(stage, "click Vary") == REFUSED
        await stage.play("menu Remix")
        assert await refused(stage, "submit The prompt:a b.l.u.e star") == REFUSED
        await stage.play("say a blue star")
        assert await refused(stage, "menu Draw this") == REFUSED
        assert (await stage.play("/imagine prompt:a circle images:1"))[-1].files


async def test_a_warning_is_for_whoever_asked(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await rule(stage, "red", RuleAction.WARN)
        events = await stage.play("/imagine prompt:a red circle images:1")
        warnings = [event for event in events if "moderators here have an eye on" in event.text]
        assert [event.is_ephemeral for event in warnings] == [True]
        assert warnings[0].text.startswith("Your prompt touches the rules of this server, and moderators")
        assert events[1].kind is EventKind.ACK
        await stage.job(JobState.DELIVERED)


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        (RuleAction.HOLD, "Your prompt needs a moderator's review first, and this server has set no channel for that."),
        (RuleAction.ALLOW, None),
    ],
)
async def test_other_actions(open_stage: OpenStage, action: RuleAction, sentence: str | None) -> None:
    async with open_stage() as stage:
        await rule(stage, "red", action)
        if sentence is None:
            assert (await stage.play("/imagine prompt:a red circle images:1"))[-1].files
        else:
            assert (await refused(stage, "/imagine prompt:a red circle")).startswith(sentence)


async def test_a_strike_is_given_once_and_told(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await rule(stage, "red", RuleAction.STRIKE)
        sanctions = stage.app.store.sanctions
        guild_id = stage.app.bot.guilds[0].id
        known = list(stage.job_ids)
        events = await stage.play("/imagine prompt:a red circle")
        assert events[1].text == f"{REFUSED} {STRUCK}"
        assert stage.job_ids == known
        # Whoever reads that they have a strike has one.
        given = await sanctions.of(guild_id, await member_id(stage))
        (strike,) = (each for each in given if each.kind == "strike")
        assert strike.reason == "A prompt against the rules of this server"


async def test_a_rule_strikes_no_moderator(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_stage() as stage:
        await rule(stage, "red", RuleAction.STRIKE)
        strike = AsyncMock(side_effect=lambda *_, on_stored, **__: on_stored())
        monkeypatch.setattr(Sanctioning, "strike", strike)
        await stage.play("as moderator")
        assert (await stage.play("/imagine prompt:a red circle"))[1].text == REFUSED
        await stage.play("as user")
        assert (await stage.play("/imagine prompt:a red circle"))[1].text == f"{REFUSED} {STRUCK}"
        await eventually(lambda: bool(strike.await_args_list))
        assert [call.args[1] for call in strike.await_args_list] == [await member_id(stage)]


async def test_a_strike_that_is_not_stored_is_not_announced(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_stage() as stage:
        await rule(stage, "red", RuleAction.STRIKE)
        monkeypatch.setattr(SanctionStore, "give", AsyncMock(side_effect=StoreError("The disk is full.")))
        assert await refused(stage, "/imagine prompt:a red circle") == REFUSED


async def test_a_strike_that_takes_longer_than_the_answer_is_given_all_the_same(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.cogs.prompt_check.STRIKE_TIMEOUT_S", 0.1)
    monkeypatch.setattr("bot.cogs.sanctioning.STORE_TIMEOUT_S", TIMEOUT_S)
    give, is_answered = SanctionStore.give, asyncio.Event()

    async def slow(*args: Any, **options: Any) -> Any:
        await is_answered.wait()
        return await give(*args, **options)

    async with open_stage() as stage:
        await rule(stage, "red", RuleAction.STRIKE)
        monkeypatch.setattr(SanctionStore, "give", slow)
        assert await refused(stage, "/imagine prompt:a red circle") == REFUSED
        is_answered.set()
        sanctions, user_id = stage.app.store.sanctions, await member_id(stage)
        async with asyncio.timeout(TIMEOUT_S):
            while not await sanctions.of(stage.app.bot.guilds[0].id, user_id):  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.02)


async def test_a_refusal_is_recorded_once_the_store_takes_it(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_stage() as stage:
        await rule(stage, "red", RuleAction.REFUSE)
        stage.app.bot.services.notes._pauses_s = (0.01,) * 1000
        is_locked, add = True, AuditStore.add

        async def lockable(self: AuditStore, *records: AuditRecord) -> None:
            if is_locked:
                raise StoreError("It is locked.")
            await add(self, *records)

        monkeypatch.setattr(AuditStore, "add", lockable)
        assert await refused(stage, "/imagine prompt:a red circle") == REFUSED
        wanted = AuditFilter(guild_id=stage.app.bot.guilds[0].id, action=AuditAction.PROMPT_REFUSED)
        assert await stage.app.store.audit.page(wanted, 9) == []
        is_locked = False
        async with asyncio.timeout(TIMEOUT_S):
            while not (entries := await stage.app.store.audit.page(wanted, 9)):  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.02)
        assert [entry.reason for entry in entries] == ["refuse: red"]


async def member_id(stage: Stage) -> int:
    """Of whoever was refused last."""
    guild_id = stage.app.bot.guilds[0].id
    entries = await stage.app.store.audit.page(AuditFilter(guild_id=guild_id), 10)
    return next(entry.user_id for entry in entries if entry.action == AuditAction.PROMPT_REFUSED and entry.user_id)


async def test_the_starter_list_counts_in_german_too(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("as anna in de")
        answer = await refused(stage, "/zeichne beschreibung:child porn")
        assert answer.startswith("Deine Beschreibung fällt unter „Sexuelles mit Minderjährigen“")
