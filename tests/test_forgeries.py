"""A stranger presses every button that the bot ever showed to anybody, and one for every other action."""

import json
import re
from contextlib import aclosing
from typing import Any

import discord
import pytest
from sqlalchemy import select

from bot.config import QueueSettings, Settings
from bot.moderation.authority import PRESSES, Need
from bot.sandbox import Event, EventKind
from bot.store import JobState
from bot.store.schema import metadata
from bot.views.custom_id import NO_JOB, Action, CustomId
from tests.conftest import TIMEOUT_S, OpenStage, Stage, eventually

# The first button that was shown of each action, and the most telling argument for those that none was shown of.
ARGUMENTS = {Action.VARY: "1.subtle", Action.CASE: "1.approve"}
# What somebody deletes of their own is no forgery. The others say nothing but “this panel”, which they change.
LEFT_OUT = {Action.ERASE, Action.SETTINGS, Action.SETTINGS_CHANGES}
GARBAGE = ("9.9", "-1", "99999999999999999999.approve", ".", "x" * 48)

SETTING = [
    "as moderator",
    "/settings",
    "click Moderation",
    "choose Moderators' channel: #gallery",
    "as user",
    "/imagine prompt:a red circle images:2",
    "choose 1",
    "click Delete",
    "/imagine prompt:a {red|blue} circle",
    "/gallery",
    "/queue",
    "as bob",
    "click Report",
    "submit What is wrong with it?:it is rude",
    "as moderator",
    "/mod strike user:@bob reason:reports",
    "/mod sweep term:circle",
    "/mod log",
    "/privacy delete",
]

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Room for all that is played."""
    return settings.model_copy(update={"queue": QueueSettings(max_jobs=40, max_jobs_per_user=20)})


def shown(stage: Stage) -> set[str]:
    """Every custom_id of ours that the bot has sent to anybody."""
    sent = "".join(json.dumps(exchange.payload) for exchange in stage.sandbox.requests)
    return set(re.findall(r'"custom_id": "(1:[a-z_]+:[0-9a-f]{12}[^"]*)"', sent))


async def rows(stage: Stage) -> Rows:
    """Everything that is stored."""
    stored: Rows = {}
    async with stage.app.store.jobs._database.reading() as connection:
        for table in metadata.sorted_tables:
            stored[table.name] = [dict(row._mapping) for row in await connection.execute(select(table))]
    return stored


async def post_buttons(stage: Stage, custom_ids: list[str]) -> None:
    """A message with buttons that are named by their places in the list."""
    (guild,) = stage.app.bot.guilds
    channel = next(each for each in guild.text_channels if each.name == "general")
    for first in range(0, len(custom_ids), 25):
        view = discord.ui.View(timeout=None)
        for place, custom_id in enumerate(custom_ids[first : first + 25], first):
            view.add_item(discord.ui.Button(label=f"Forged {place}", custom_id=custom_id))
        view.stop()  # or discord.py would take presses itself
        await channel.send("forged", view=view)


async def acknowledgement(stage: Stage, line: str) -> Event:
    """How a press is answered first. What an earlier one has still to send may come between."""
    async with aclosing(stage.sandbox.watch(line, TIMEOUT_S)) as events:
        async for event in events:
            if event.kind in (EventKind.ACK, EventKind.MODAL, EventKind.FAILURE):
                return event
    raise AssertionError(f"{line!r} was not answered")


async def test_what_a_stranger_forges_changes_nothing_of_anybody_else(
    open_stage: OpenStage, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_stage() as stage:
        for line in ("as alice", "/imagine prompt:a red circle images:2", *SETTING):
            await stage.play(line)
        hers = await stage.job(JobState.DELIVERED, index=0)
        alice = hers.user_id
        private = (await stage.job(JobState.DELIVERED, index=1)).id
        known = {each for each in shown(stage) if hers.id not in each}
        forged = sorted({CustomId.parse(each).action: each for each in sorted(known)}.values())
        missing = set(Action) - {CustomId.parse(each).action for each in forged}
        assert len(forged) > 15
        forged += [str(CustomId(action, private, ARGUMENTS.get(action, "1"))) for action in sorted(missing)]
        forged = [each for each in forged if CustomId.parse(each).action is not Action.ERASE]
        await eventually(lambda: bool(stage.app.bot.guilds))
        before = await rows(stage)
        await stage.play("as alice")
        await post_buttons(stage, forged)
        for place, custom_id in enumerate(forged):
            answer = await acknowledgement(stage, f"click Forged {place}")
            assert answer.kind is not EventKind.FAILURE, custom_id
            assert "Something went wrong" not in answer.text, custom_id
            need = PRESSES[CustomId.parse(custom_id).action]
            assert answer.text.startswith("Only ") is (need is not Need.MEMBER), (custom_id, answer.text)
        await eventually(lambda: stage.app.executor.status.num_running == 0)
        after = await rows(stage)
        theirs = {job["id"] for job in after["jobs"] if job["user_id"] != alice}
        # The bot's own notes, such as how far it has told the moderators of the audit.
        del before["settings"]
        for table, stored in before.items():
            for row in stored:
                assert row in after[table], f"{table} has changed"
            for row in after[table]:
                if row not in stored:
                    whose = {
                        row.get(key) for key in ("user_id", "actor_id", "reporter_id", "created_by", "given_by")
                    } - {None}
                    is_hers = alice in whose or (not whose and row.get("job_id") not in theirs)
                    assert is_hers, f"{table} has a new row: {row}"
        assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("who", ["moderator", "alice"])
async def test_what_no_button_says_is_answered_with_a_sentence(
    open_stage: OpenStage, caplog: pytest.LogCaptureFixture, who: str
) -> None:
    async with open_stage() as stage:
        await stage.play(f"as {who}")
        await eventually(lambda: bool(stage.app.bot.guilds))
        actions = [action for action in Action if action not in LEFT_OUT]
        forged = [
            str(CustomId(action, NO_JOB if place % 2 else "f" * 12, GARBAGE[place % len(GARBAGE)]))
            for place, action in enumerate(actions)
        ]
        await post_buttons(stage, [*forged, "1:explode:0123456789ab", "9:look:0123456789ab:1", "1:"])
        for place in range(len(forged) + 3):
            answer = await acknowledgement(stage, f"click Forged {place}")
            assert answer.kind is not EventKind.FAILURE, (place, answer.text)
            assert "Something went wrong" not in answer.text, (place, answer.text)
        assert not [record for record in caplog.records if record.levelname == "ERROR"]
