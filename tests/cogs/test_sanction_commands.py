"""/mod ban, unban, strike, history and appeals as people meet them: the real client in a sandbox."""

import asyncio
import re
from unittest.mock import AsyncMock, MagicMock

import discord
import pytest

from bot.cogs.review_channels import ReviewChannels
from bot.errors import RequestError, StoreError
from bot.moderation.cases import CaseKind
from bot.moderation.sanctions import keeping_out
from bot.sanction_ladder import SanctionKind, Step
from bot.sandbox import Event
from bot.store import AuditFilter, CaseStore, NewCase, SanctionRecord
from tests.conftest import TIMEOUT_S, OpenStage, Stage, eventually
from tests.sandbox_guild import guild_of

DRAW = "/imagine prompt:a red circle images:1"
DIRECT = "in direct messages"


async def user_id(stage: Stage, name: str) -> int:
    """The id of a member who has drawn."""
    await stage.play(f"as {name}")
    await stage.play(DRAW)
    job = await stage.app.store.jobs.get(stage.job_ids[-1])
    assert job is not None
    return job.user_id


async def moderate(stage: Stage, line: str) -> str:
    """What the moderator is answered in the end."""
    await stage.play("as moderator")
    await stage.play("in general")
    answer = (await stage.play(line))[-1]
    assert answer.is_ephemeral
    return answer.text


async def sanctions(stage: Stage, of: int) -> list[SanctionRecord]:
    return await stage.app.store.sanctions.of((await guild_of(stage)).id, of)


async def actions(stage: Stage) -> list[str]:
    """What the audit has, oldest first."""
    entries = await stage.app.store.audit.page(AuditFilter(guild_id=(await guild_of(stage)).id), 50)
    return [entry.action for entry in reversed(entries)]


async def refused(stage: Stage, name: str = "user", line: str = DRAW) -> str:
    await stage.play(f"as {name}")
    await stage.play("in general")
    answer = await stage.answer(line)
    assert answer.is_ephemeral
    return answer.text


async def direct_message(stage: Stage, name: str = "user") -> str:
    """The newest one that the bot has sent."""
    opened = {e.answer["id"] for e in stage.sandbox.requests if e.path.endswith("/users/@me/channels")}
    sent = [e for e in stage.sandbox.requests if e.method == "POST" and e.path.endswith("/messages")]
    return [str(e.payload["content"]) for e in sent if e.path.split("/")[-2] in opened][-1]


async def set_review_channel(stage: Stage, name: str) -> int:
    guild = await guild_of(stage)
    channel_id = next((channel.id for channel in guild.channels if channel.name == name), 99)
    await stage.app.store.guilds.change(guild.id, 1, review_channel=channel_id)
    return channel_id


def plain(text: str) -> str:
    """Without Discord's times."""
    return re.sub(r"<t:\d+:\w>", "T", text)


async def test_a_ban_keeps_out_until_it_is_lifted(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        user = await user_id(stage, "user")
        said = await moderate(stage, "/mod ban user:@user duration:7d reason:too many circles")
        assert said.startswith("@user is banned from drawing until ")
        assert "could not tell" not in said
        told = await direct_message(stage)
        assert plain(told) == ("You are banned from drawing in **Sandbox** until T (T).\nReason: too many circles")
        for line in (DRAW, "/again", "/imagine prompt:for me private:true"):
            assert (await refused(stage, line=line)).startswith("You are banned from drawing in this server until ")
        assert (await refused(stage, line=f"/show job:{stage.job_ids[0]}")).startswith("You are banned")
        lifted = await moderate(stage, "/mod unban user:@user reason:enough")
        assert lifted.splitlines() == ["@user can draw again.", "Reason: enough"]
        assert await direct_message(stage) == "You can draw in **Sandbox** again.\nReason: enough"
        assert await moderate(stage, "/mod unban user:@user") == "Nothing keeps @user from drawing."
        await stage.play("as user")
        assert (await stage.play(DRAW))[-1].files
        (ban,) = await sanctions(stage, user)
        assert (ban.kind, ban.reason) == (SanctionKind.BAN, "too many circles")
        assert ban.revoked_at is not None
        assert await actions(stage) == ["ban", "lifted"]


async def test_a_new_ban_takes_the_place_of_the_old_one(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        user = await user_id(stage, "user")
        await moderate(stage, "/mod ban user:@user")
        said = await moderate(stage, "/mod ban user:@user duration:1h")
        assert said.splitlines()[0].startswith("@user is banned from drawing until ")
        assert said.splitlines()[1:] == ["This takes the place of a ban for good."]
        assert (await refused(stage)).startswith("You are banned from drawing in this server until ")
        newer, older = await sanctions(stage, user)
        assert (newer.revoked_at, older.revoked_at) == (None, newer.given_at)
        entries = await stage.app.store.audit.page(AuditFilter(guild_id=newer.guild_id), 1)
        assert entries[0].details["replaces"] == [older.id]


async def test_what_a_strike_brings_shortens_nothing(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await user_id(stage, "user")
        await moderate(stage, "/mod strike user:@user reason:first")
        await moderate(stage, "/mod ban user:@user")
        said = (await moderate(stage, "/mod strike user:@user reason:second")).splitlines()
        assert said[1].startswith("@user can't draw until ")
        assert said[2:] == ["They already had a ban for good, which lasts longer."]
        assert "You already had a ban for good, which lasts longer." in await direct_message(stage)
        assert (await refused(stage)).startswith("You are banned from drawing in this server for good")


async def test_rules_strike_neither_moderators_nor_somebody_unknown(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_stage() as stage:
        sanctioning, guild = stage.app.bot.services.sanctioning, await guild_of(stage)
        helper = await user_id(stage, "helper")
        await stage.play("give Helper")
        await eventually(lambda: any(role.name == "Helper" for role in guild.roles))
        helpers = next(role for role in guild.roles if role.name == "Helper")
        await stage.app.store.guilds.change(guild.id, 1, moderator_roles=(helpers.id,))
        spared = [helper, await user_id(stage, "moderator"), await user_id(stage, "owner")]
        for each in spared:
            assert await sanctioning.strike_by_rule(guild.id, each, reason=None) is None
        user = await user_id(stage, "user")
        assert await sanctioning.strike_by_rule(guild.id, user, reason=None) is not None
        down = discord.HTTPException(MagicMock(status=500, reason="down"), "down")
        monkeypatch.setattr(discord.Guild, "fetch_member", AsyncMock(side_effect=down))
        assert await sanctioning.strike_by_rule(guild.id, user, reason=None) is None
        assert [len(await sanctions(stage, each)) for each in (*spared, user)] == [0, 0, 0, 2]


async def test_strikes_climb_the_ladder(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        user = await user_id(stage, "user")
        said = [plain(await moderate(stage, f"/mod strike user:@user reason:number {n}")) for n in range(1, 5)]
        assert said[0].splitlines() == ["@user got a strike, the only one that counts now.", "@user was warned."]
        assert said[1].splitlines()[0] == "@user got a strike: 2 of them count now."
        assert said[1].splitlines()[1].startswith("@user can't draw until ")
        assert said[2].splitlines()[1].startswith("@user is banned from drawing until ")
        assert said[3].splitlines()[1] == "@user is banned from drawing for good."
        told = plain(await direct_message(stage)).splitlines()
        assert told == [
            "You got a strike in **Sandbox**.",
            "4 strikes count now, this one until T (T).",
            "You are banned from drawing in **Sandbox** for good.",
            "Reason: number 4",
        ]
        assert (await refused(stage)).startswith("You are banned from drawing in this server for good; with /appeal")
        assert [each.kind for each in reversed(await sanctions(stage, user))] == [
            SanctionKind.STRIKE,
            SanctionKind.WARNING,
            SanctionKind.STRIKE,
            SanctionKind.COOLDOWN,
            SanctionKind.STRIKE,
            SanctionKind.BAN,
            SanctionKind.STRIKE,
            SanctionKind.BAN,
        ]
        assert await actions(stage) == ["strike", "warning", "strike", "cooldown", "strike", "ban", "strike", "ban"]


async def test_a_server_writes_its_own_ladder(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("as moderator")
        await stage.play("/settings")
        await stage.play("click Moderation")
        await stage.play("click Strikes and newcomers")
        panel = (await stage.play("submit What strikes lead to:ban 2h, ban Days that a strike counts:7"))[-1].text
        assert "What strikes lead to: ban (2 hours) and ban for good, strike by strike" in panel
        settings = await stage.app.store.guilds.settings((await guild_of(stage)).id)
        assert settings.ladder == (Step(SanctionKind.BAN, 7200), Step(SanctionKind.BAN))
        assert settings.strike_days == 7
        await stage.play("click Strikes and newcomers")
        told = (await stage.play("submit What strikes lead to:jail"))[-1].text
        assert told == "Write the steps as in “warning, cooldown 1h, ban 1d, ban”, not jail."


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/mod ban user:@moderator", "You can't do this to yourself."),
        ("/mod strike user:@moderator reason:x", "You can't do this to yourself."),
        ("/mod unban user:@moderator", "You can't lift what was imposed on you: /appeal asks the others."),
        ("/mod ban user:@owner", "You can't do this to a moderator or an administrator."),
        ("/mod ban user:@colleague", "You can't do this to a moderator or an administrator."),
        ("/mod strike user:@helper reason:x", "You can't do this to a moderator or an administrator."),
        ("/mod ban user:@user duration:a while", "Write a time from 1m to 366d"),
        ("/mod ban user:@user duration:0m", "Write a time from 1m to 366d"),
    ],
)
async def test_whom_nobody_sanctions_and_what_makes_no_sense(open_stage: OpenStage, line: str, sentence: str) -> None:
    async with open_stage() as stage:
        await stage.play("as colleague")
        await stage.play("give Moderator")
        await stage.play("as helper")
        await stage.play("give Helper")
        guild = await guild_of(stage)
        await eventually(lambda: any(role.name == "Helper" for role in guild.roles))
        helpers = next(role for role in guild.roles if role.name == "Helper")
        await stage.app.store.guilds.change(guild.id, 1, moderator_roles=(helpers.id,))
        assert (await moderate(stage, line)).startswith(sentence)
        assert await actions(stage) == ["setting_changed"]


@pytest.mark.parametrize(
    ("user", "sentence"),
    [
        (MagicMock(spec=discord.Member, id=5, bot=True), "You can't do this to a bot."),
        (None, "Discord did not tell me who this is. Try again."),
    ],
)
async def test_a_press_asks_discord_who_somebody_is(
    open_stage: OpenStage, user: MagicMock | None, sentence: str
) -> None:
    async with open_stage() as stage:
        guild = MagicMock(spec=discord.Guild, id=1, owner_id=2)
        down = discord.HTTPException(MagicMock(status=500, reason="down"), "down")
        guild.fetch_member = AsyncMock(return_value=user, side_effect=None if user is not None else down)
        press = MagicMock(spec=discord.Interaction, guild=guild, command=None, application_id=9)
        press.user.id = 3
        with pytest.raises(RequestError) as refusal:
            await stage.app.bot.services.sanctioning.ban(1, 5, by=press, reason=None)
        assert str(refusal.value) == sentence
        guild.fetch_member.assert_awaited_once_with(5)


async def test_closed_direct_messages_are_said_and_change_nothing(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await user_id(stage, "hermit")
        said = await moderate(stage, "/mod ban user:@hermit")
        assert said.splitlines()[1] == "I could not tell them: their direct messages are closed."
        assert (await refused(stage, "hermit")).startswith("You are banned")


async def test_automatic_strikes_and_bans(open_stage: OpenStage) -> None:
    """What other parts of the bot call, without anybody who presses."""
    async with open_stage() as stage:
        user, guild = await user_id(stage, "user"), await guild_of(stage)
        sanctioning = stage.app.bot.services.sanctioning
        imposed = await sanctioning.strike(guild.id, user, by=None, reason="rule", case_number=5, job_id="0" * 12)
        assert (imposed.strikes, imposed.was_told) == (1, True)
        assert [each.given_by for each in imposed.given] == [None, None]
        await sanctioning.ban(guild.id, user, by=None, reason=None)
        entries = await stage.app.store.audit.page(AuditFilter(guild_id=guild.id), 10)
        assert [(entry.action, entry.actor_id, entry.case_number) for entry in reversed(entries)] == [
            ("strike", None, 5),
            ("warning", None, 5),
            ("ban", None, None),
        ]
        assert entries[-1].job_id == "0" * 12
        assert keeping_out(await sanctions(stage, user), discord.utils.utcnow()) is not None


async def test_the_history_of_a_member(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        user, guild = await user_id(stage, "user"), await guild_of(stage)
        assert "Nothing was ever imposed on them." in await moderate(stage, "/mod history user:@user")
        await moderate(stage, "/mod strike user:@user reason:*spam*")
        await moderate(stage, "/mod ban user:@user")
        await moderate(stage, "/mod unban user:@user reason:a mistake")
        await stage.app.store.cases.open(
            NewCase(guild_id=guild.id, kind=CaseKind.REPORT, job_id=stage.job_ids[0], user_id=user)
        )
        lines = (await moderate(stage, "/mod history user:@user")).splitlines()
        assert lines[0] == "History of @user"
        assert lines[2] == "Jobs: 1. Strikes that count: 1. Cases: 1, of which open: 1."
        assert lines[3].endswith("Ban · given by @moderator · lifted by @moderator · a mistake")
        assert lines[4].endswith("Warning · given by @moderator · *spam*")
        assert "Strike · given by @moderator · *spam* · until " in lines[5]
        assert lines[-1] == "Newest cases: #1"


async def test_newcomers_are_told_when_it_works(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        guild = await guild_of(stage)
        await stage.app.store.guilds.change(guild.id, 1, min_account_h=24)
        assert (await refused(stage)).startswith(
            "In this server accounts must be 1 day old to draw. You can draw here "
        )
        await stage.app.store.guilds.change(guild.id, 1, min_account_h=0, min_member_h=2)
        assert (await refused(stage)).startswith("In this server members can draw 2 hours after they joined. You can ")


async def appeal(stage: Stage, text: str = "I am sorry") -> Event:
    """From the button in the direct message."""
    await stage.play("as user")
    await stage.play(DIRECT)
    await stage.play("click Appeal")
    return (await stage.play(f"submit Why should they look at it again?:{text}"))[-1]


async def appeals_in(stage: Stage, channel_id: int, number: int = 1) -> list[str]:
    """What a channel was sent about appeals, once there are so many of them."""
    path = f"/{channel_id}/messages"

    def found() -> list[str]:
        sent = [e for e in stage.sandbox.requests if e.method == "POST" and e.path.endswith(path)]
        return [e.payload["content"] for e in sent if e.payload["content"].startswith("**Appeal**")]

    await eventually(lambda: len(found()) >= number)
    return found()


async def owner_is_told(stage: Stage, words: str) -> None:
    await eventually(lambda: any(words in str(e.payload) for e in stage.sandbox.requests))


async def at_review(stage: Stage, line: str, name: str = "moderator") -> list[Event]:
    await stage.play(f"as {name}")
    await stage.play("in staff")
    return await stage.play(line)


@pytest.mark.parametrize(("button", "is_lifted"), [("Lift the sanction", True), ("Keep the sanction", False)])
async def test_an_appeal_is_decided_and_its_user_hears_of_it(
    open_stage: OpenStage, button: str, is_lifted: bool
) -> None:
    async with open_stage() as stage:
        await user_id(stage, "user")
        staff = await set_review_channel(stage, "staff")
        await moderate(stage, "/mod ban user:@user reason:circles")
        answer = await appeal(stage, "It was a *star*")
        assert answer.text == "The moderators have your appeal. I will tell you what they decide."
        (shown,) = await appeals_in(stage, staff)
        assert "**Appeal** of <@" in shown
        assert "Reason: circles" in shown
        assert shown.endswith("> It was a \\*star\\*")
        assert "have your appeal and have not decided yet" in await refused(stage)
    async with open_stage() as stage:
        seen = await at_review(stage, f"click {button}")
        assert seen[-1].text.endswith("@moderator granted it." if is_lifted else "@moderator rejected it.")
        assert "[Lift the sanction]" not in seen[-1].text
        told = await direct_message(stage)
        assert told.startswith(f"The moderators of **Sandbox** {'granted' if is_lifted else 'rejected'} your appeal")
        await stage.play("as user")
        await stage.play("in general")
        if is_lifted:
            assert (await stage.play(DRAW))[-1].files
        else:
            assert "have looked at it again already" in await refused(stage)
        assert await actions(stage) == [
            "setting_changed",
            "ban",
            "appeal",
            "appeal_lifted" if is_lifted else "appeal_upheld",
        ]


async def test_one_appeal_for_each_sanction(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await user_id(stage, "user")
        await moderate(stage, "/mod ban user:@user")
        await appeal(stage)
        assert (await stage.answer("click Appeal")).text == "You have appealed against this already."
        assert await refused(stage, line="/appeal") == "There is nothing that you could appeal against."
        assert await refused(stage, "alice", "/appeal") == "There is nothing that you could appeal against."


async def test_the_command_appeals_against_what_keeps_out(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        user = await user_id(stage, "user")
        await moderate(stage, "/mod ban user:@user reason:circles, many")
        await moderate(stage, "/mod strike user:@user reason:x")
        await stage.play("as user")
        await stage.play("in general")
        (form,) = [event for event in await stage.play("/appeal") if "Why should they" in event.text]
        assert re.search(r"^Against: Ban of \d{4}-\d\d-\d\d \d\d:\d\d UTC – circles, many$", form.text, re.MULTILINE)
        said = (await stage.play("submit Why should they look at it again?:please"))[-1]
        assert said.text.startswith("The moderators have your appeal.")
        assert [each.kind for each in await sanctions(stage, user) if each.appealed_at] == [SanctionKind.BAN]


async def test_who_decides_on_an_appeal(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await user_id(stage, "user")
        staff = await set_review_channel(stage, "staff")
        await moderate(stage, "/mod ban user:@user")
        await appeal(stage)
        await appeals_in(stage, staff)
        for line in ("as alice", "give Moderator", "in staff", "take Moderator"):
            await stage.play(line)
        assert (await stage.answer("click Lift the sanction")).text.startswith("Only moderators can do this")
        for line in ("as user", "give Moderator", "in staff"):
            await stage.play(line)
        said = (await stage.answer("click Lift the sanction")).text
        assert said == "Somebody else must decide on your appeal."
        await at_review(stage, "click Keep the sanction")
        assert (await actions(stage))[-1] == "appeal_upheld"


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cogs.reviewing.INTERVAL_S", 0.2)


@pytest.mark.usefixtures("looks_often")
@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("gone", "can't show them in the moderators' channel"),
        ("gallery", "since everybody can see it"),
        (None, "since there is no moderators' channel"),
    ],
)
async def test_an_appeal_waits_for_a_channel_and_the_owner_hears_of_it(
    open_stage: OpenStage, channel: str | None, words: str
) -> None:
    async with open_stage() as stage:
        await user_id(stage, "user")
        not_taken = None if channel is None else await set_review_channel(stage, channel)
        await moderate(stage, "/mod ban user:@user")
        assert (await appeal(stage)).text.startswith("The moderators have your appeal.")
        await owner_is_told(stage, words)
        assert "appeal open" in await moderate(stage, "/mod history user:@user")
        staff = await set_review_channel(stage, "staff")
        assert len(await appeals_in(stage, staff)) == 1
        refused = [e for e in stage.sandbox.requests if e.method == "POST" and f"/{not_taken}/messages" in e.path]
        assert all(e.status >= 400 for e in refused if str(e.payload.get("content")).startswith("**Appeal**"))


@pytest.mark.usefixtures("looks_often")
async def test_an_appeal_that_was_not_posted_is_after_a_restart(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(ReviewChannels, "send", AsyncMock(return_value=None))
        async with open_stage() as stage:
            await user_id(stage, "user")
            staff = await set_review_channel(stage, "staff")
            await moderate(stage, "/mod ban user:@user")
            await appeal(stage)
    async with open_stage() as stage:
        assert len(await appeals_in(stage, staff)) == 1
        await at_review(stage, "click Lift the sanction")
        assert (await actions(stage))[-1] == "appeal_lifted"


async def test_review_posts_appeals_once_more(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await user_id(stage, "user")
        staff = await set_review_channel(stage, "staff")
        await moderate(stage, "/mod ban user:@user")
        await appeal(stage)
        await appeals_in(stage, staff)
        guild = await guild_of(stage)
        async with asyncio.timeout(TIMEOUT_S):
            while not (await stage.app.store.sanctions.open_appeals(guild.id, 1))[0].appeal_message_id:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert await moderate(stage, "/mod review") == "No case is open.\n1 appeal waits for a decision too."
        assert len(await appeals_in(stage, staff, 2)) == 2
        assert [e.path_template for e in stage.sandbox.requests if e.method == "DELETE"] == [
            "/channels/{channel_id}/messages/{message_id}"
        ]


async def test_a_store_that_is_down_is_one_sentence(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_stage() as stage:
        monkeypatch.setattr(CaseStore, "of_user", AsyncMock(side_effect=StoreError("It is locked.")))
        assert (await moderate(stage, "/mod history user:@user")).startswith("The bot's database has a problem (id ")
