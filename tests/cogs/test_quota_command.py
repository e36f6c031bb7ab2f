"""/mod quota and what it does, as people meet it: the real client in a sandbox."""

from typing import Any

import pytest

from bot.engine.fake import FakeEngine, Gate
from bot.executor.local import LocalExecutor
from bot.requests import GenerationRequest
from bot.role_limits import RoleLimits
from bot.store import JobState
from tests.conftest import OpenStage, Stage
from tests.sandbox_guild import guild_of

DRAW = "/imagine prompt:a red circle images:1"


async def moderate(stage: Stage, line: str) -> str:
    await stage.play("as moderator")
    answer = await stage.answer(line)
    assert answer.is_ephemeral
    return answer.text


async def role_limits(stage: Stage) -> tuple[RoleLimits, ...]:
    settings = await stage.app.store.guilds.settings((await guild_of(stage)).id)
    return settings.role_limits


async def test_a_roles_limits_are_set_bit_by_bit_and_taken_away(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("give Patron")
        nothing = "No role has limits of its own: /mod quota with a role sets some."
        assert await moderate(stage, "/mod quota") == nothing
        assert await moderate(stage, "/mod quota role:@Patron") == nothing
        said = await moderate(stage, "/mod quota role:@Patron images:200 share:2.5")
        assert said.splitlines() == [
            "Limits of roles. Of several, the most generous counts:",
            "- @Patron: 200 pictures in 24 hours and weight 2.5",
        ]
        said = await moderate(stage, "/mod quota role:@Patron cooldown:0 jobs:0 images:0")
        assert said.splitlines()[1] == (
            "- @Patron: any number of unfinished jobs, no cooldown, any number of pictures and weight 2.5"
        )
        (limits,) = await role_limits(stage)
        assert (limits.max_jobs, limits.cooldown_s, limits.daily_images, limits.weight) == (0, 0, 0, 2.5)
        await stage.play("/settings")
        panel = (await stage.play("click Moderation"))[-1].text
        assert "Roles with limits of their own: @Patron. /mod quota changes them." in panel
        assert await moderate(stage, "/mod quota role:@Patron remove:true") == nothing
        assert "changed “Roles with limits of their own” from @Patron to none." in await moderate(stage, "/mod log")


async def test_everybody_is_no_mention(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        said = await moderate(stage, "/mod quota role:@everyone images:20")
        assert said.splitlines()[1] == "- @everyone: 20 pictures in 24 hours"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/mod quota images:5", "Say for which role."),
        ("/mod quota remove:true", "Say for which role."),
        ("/mod quota role:@Moderator remove:true images:5", "Either take limits away or set some."),
    ],
)
async def test_what_makes_no_sense_is_told(open_stage: OpenStage, line: str, sentence: str) -> None:
    async with open_stage() as stage:
        assert await moderate(stage, line) == sentence
        assert await role_limits(stage) == ()


async def test_members_feel_the_limits_of_their_roles(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("give Newcomer")
        await moderate(stage, "/mod quota role:@Newcomer images:1")
        await stage.play("as user")
        await stage.play(DRAW)
        refused = await stage.answer(DRAW)
        assert refused.text.startswith(
            "With your roles you may ask for 1 picture within 24 hours in this server, and you have asked for 1. There "
        )
        await stage.play("as alice")
        await stage.play(DRAW)
        assert (await stage.play(DRAW))[-1].files


async def test_the_weight_reaches_the_scheduler(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    submit = LocalExecutor.submit

    async def watched(executor: LocalExecutor, request: GenerationRequest, **rest: Any) -> object:
        seen.append(request.weight)
        return await submit(executor, request, **rest)

    monkeypatch.setattr(LocalExecutor, "submit", watched)
    async with open_stage() as stage:
        await stage.play("give Patron")
        await stage.play(DRAW)
        await moderate(stage, "/mod quota role:@Patron share:4")
        await stage.play("as user")
        await stage.play(DRAW)
    assert seen == [1.0, 4.0]


async def test_a_server_full_of_jobs_refuses_everybody(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.app.store.guilds.change((await guild_of(stage)).id, 1, guild_max_jobs=1)
        await stage.begin_running(DRAW)
        await stage.play("as alice")
        refused = await stage.answer(DRAW)
        assert refused.text == "This server may have 1 unfinished job in all, and it has 1. Ask again when one is done."
        gate.open()
        await stage.job(JobState.DELIVERED)
        assert (await stage.play(DRAW))[-1].files
