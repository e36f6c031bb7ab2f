"""A database that fails for some seconds while jobs are in every state: each of them ends all the same, once."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from bot.cogs.delivery import Deliveries
from bot.cogs.job_message import JobMessage, Shown
from bot.config import STORE_FILE, QueueSettings, Settings
from bot.engine.fake import FakeEngine, Gate
from bot.moderation.prompt_rules import Rule, RuleAction
from bot.render import Rendered
from bot.sandbox import Sandbox
from bot.store import JobState, Store
from tests.conftest import ACK_LIMIT_S, TIMEOUT_S, Limits, OpenStage, Stage
from tests.faults.allowances import allowances
from tests.faults.store_faults import StoreFaults
from tests.invariants import check_store, states_of
from tests.sandbox_guild import guild_of
from tests.store.samples import locked

pytestmark = pytest.mark.fault

LASTS_S: Final = 2.0
REFUSAL: Final = "The bot's database has a problem (id "

Fault = Callable[[Path, Store], AbstractContextManager[None]]


def locked_out(file: Path, store: Store) -> AbstractContextManager[None]:
    return locked(file)


@contextmanager
def full(file: Path, store: Store) -> Iterator[None]:
    faults = StoreFaults("full", left=10**9)
    faults.put_on(store)
    yield
    faults.left = 0
    assert faults.num_met > 0


@contextmanager
def missing(file: Path, store: Store) -> Iterator[None]:
    aside = file.with_suffix(".aside")
    os.rename(file, aside)
    yield
    os.rename(aside, file)


@pytest.mark.parametrize("fault", [locked_out, full, missing])
async def test_jobs_in_every_state_end_once(
    open_stage: OpenStage,
    sandbox: Sandbox,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    limits: Limits,
    fault: Fault,
) -> None:
    monkeypatch.setattr("bot.cogs.services.Deliveries", partial(Deliveries, record_pauses_s=(0.1,)))
    # A busy machine may take longer; what the bot allows itself is looked at below.
    monkeypatch.setattr("bot.sandbox.interactions.ACKNOWLEDGE_S", TIMEOUT_S)
    may_arrive = hold_pictures_back(monkeypatch)
    roomy = settings.model_copy(update={"queue": QueueSettings(max_jobs=9, max_jobs_per_user=9)})
    gate = Gate()
    async with open_stage(lambda: FakeEngine(num_slots=1, gate=gate), settings=roomy) as stage:
        await hold_prompts(stage)
        for index, (prompt, state) in enumerate(
            (
                ("a red circle", JobState.DELIVERING),
                ("a blue star", JobState.RUNNING),
                ("a ring", JobState.QUEUED),
                ("a secret heart", JobState.IN_REVIEW),
            )
        ):
            await stage.begin(f"/imagine prompt:{prompt} images:1", player=f"player {index}")
            if state is JobState.DELIVERING:
                gate.let_pass()
            await stage.job(state, index=index)
        await until_posted(stage)
        for line in ("as moderator", "in staff"):
            await sandbox.play(line, player="moderator")
        with limits.as_users_have_them(), fault(settings.data_dir / STORE_FILE, stage.app.store):
            may_arrive.set()
            gate.open()
            with allowances() as allowed_s:
                for line, player in (("/imagine prompt:a tree images:1", "main"), ("click Approve", "moderator")):
                    refused = await sandbox.play(line, TIMEOUT_S, player)
                    assert refused[-1].text.startswith(REFUSAL), refused
            assert len(allowed_s) == 2
            assert all(0.0 < seconds < ACK_LIMIT_S for seconds in allowed_s), allowed_s
            await asyncio.sleep(LASTS_S)
        for index in range(3):
            await stage.job(JobState.DELIVERED, index=index)
        await sandbox.play("click Approve", TIMEOUT_S, "moderator")
        jobs = [await stage.job(JobState.DELIVERED, index=index) for index in range(4)]
    check_store(roomy.store_url, is_settled=True)
    assert len(states_of(roomy.store_url)) == 4
    shown = Counter(e.answer["id"] for e in sandbox.requests if e.method == "PATCH" and e.status == 200 and e.files)
    assert shown == {str(job.message_id): 1 for job in jobs}


def hold_pictures_back(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """No picture is sent before this is set."""
    may_arrive, show = asyncio.Event(), JobMessage.show

    async def show_later(message: JobMessage, rendered: Rendered) -> Shown:
        if rendered.picture is not None:
            await may_arrive.wait()
        return await show(message, rendered)

    monkeypatch.setattr(JobMessage, "show", show_later)
    return may_arrive


async def hold_prompts(stage: Stage) -> None:
    """Moderators see those with a certain word first."""
    guild = await guild_of(stage)
    staff = next(channel.id for channel in guild.channels if channel.name == "staff")
    await stage.app.store.rules.put(guild.id, 1, [Rule("secret", RuleAction.HOLD)])
    await stage.app.store.guilds.change(guild.id, 1, review_channel=staff)


async def until_posted(stage: Stage) -> None:
    guild = await guild_of(stage)
    async with asyncio.timeout(TIMEOUT_S):
        while (case := await stage.app.store.cases.get(guild.id, 1)) is None or case.message_id is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
