"""The checks of tests/accessibility.py find what they are for, and every kind of message passes them."""

import threading
from typing import Any

import pytest

from bot.engine.fake import FakeEngine, Faults
from bot.sandbox import Exchange
from bot.store import JobState
from bot.views.custom_id import Action
from tests import accessibility
from tests.cogs.test_cancelling import post_button
from tests.conftest import OpenStage, Stage, eventually

PNG = ("files[0]", "a.png", 10)


def sent(payload: dict[str, Any], *files: tuple[str, str, int]) -> Exchange:
    path = "/channels/{channel_id}/messages"
    return Exchange("POST", "/channels/1/messages", path, {}, "application/json", payload, files, 200, {})


def button(label: str) -> dict[str, Any]:
    row = {"type": 1, "components": [{"type": 2, "style": 2, "label": label, "custom_id": "1"}]}
    return {"content": "Words", "components": [row]}


def select(label: str, placeholder: str = "Choose") -> dict[str, Any]:
    options = [{"label": label, "value": "1"}]
    row = {"type": 1, "components": [{"type": 3, "placeholder": placeholder, "options": options, "custom_id": "1"}]}
    return {"content": "Words", "components": [row]}


@pytest.mark.parametrize(
    ("exchange", "complaint"),
    [
        (sent({"content": "Words"}, PNG), "a.png has no description"),
        (sent({"attachments": [{"id": 0, "description": "ab" * 600}]}, PNG), "description of a.png is too long"),
        (sent({"content": "✅ 👍"}), "has no word"),
        (sent({"content": "Half done\n`███░░░`"}), "does not say the same in words"),
        (sent(button("▶")), "the button '▶' has no word"),
        (sent(button("1")), "the button '1' has no word"),
        (sent(select("3")), "the choice '3' has no word"),
        (sent(select("Three", "")), "the select 1 shows no word"),
        (
            sent({"components": [{"type": 12, "items": [{"media": {"url": "attachment://a.png"}}]}]}),
            "attachment://a.png has no description",
        ),
    ],
)
def test_what_can_not_be_read_aloud_is_found(exchange: Exchange, complaint: str) -> None:
    (found,) = accessibility.complaints(exchange)
    assert complaint in found


@pytest.mark.parametrize(
    "exchange",
    [
        sent({"content": "Drawing, 30 %  `███░░░`", "attachments": [{"id": 0, "description": "A star"}]}, PNG),
        sent(button("Cancel 1")),
        sent(select("Picture 3")),
        sent({"content": None}),
    ],
)
def test_what_can_be_read_aloud_passes(exchange: Exchange) -> None:
    assert accessibility.complaints(exchange) == []


def actions_seen(stage: Stage) -> set[Action]:
    """What could be pressed in anything that the bot has sent."""
    text = " ".join(str(exchange.payload) for exchange in stage.sandbox.requests)
    return {action for action in Action if f"'1:{action}:" in text}


async def walk_past_the_moderation(stage: Stage) -> None:
    """As the owner: reports, reviews, sanctions with their appeals, sweeps, the log, privacy."""
    guild = stage.app.bot.guilds[0]
    staff = next(channel.id for channel in guild.text_channels if channel.name == "staff")
    await stage.app.store.guilds.change(guild.id, 1, review_channel=staff)
    lines = (
        "as alice",
        "/imagine prompt:a red star images:2",
        "as bob",
        "click Report",
        "submit What is wrong with it?:it is rude",
        "as owner",
        "menu Who made this?",
        "/mod strike user:alice reason:rude",
        "/mod history user:alice",
        "as alice",
        "in direct messages",
        "click Appeal",
        "submit Why should they look at it again?:I am sorry",
        "in general",
        "as owner",
        "/mod sweep user:alice",
        "click Delete all",
        "/mod log",
        "/mod review",
        "/privacy policy",
        "/privacy delete",
    )
    for line in lines:
        await stage.play(line)


async def test_a_walk_past_every_kind_of_message(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fixture checks what was sent. Whoever adds a control has to walk past it here."""
    hurry = threading.Event()

    def pause(seconds: float) -> None:
        hurry.wait(seconds)

    def engine() -> FakeEngine:
        faults = Faults(refused_prompts={"bad"})
        return FakeEngine(image_length=640, num_rows=40, delay_s=0.2, sleep=pause, faults=faults)

    async with open_stage(engine) as stage:
        stage.app.bot.services.deliveries._edit_interval_s = 0.05
        await stage.play("as owner")
        await stage.play("/style add name:oil text:an oil painting of {prompt}")
        with monkeypatch.context() as patched:
            patched.setattr("bot.cogs.previews.ROUND_S", 0.2)
            await stage.begin("/imagine prompt:a red circle images:2 style:oil negative:green", player="requester")
        await stage.sandbox.play("/queue", player="listing")
        await eventually(lambda: any("unfinished" in str(e.files) for e in stage.sandbox.requests))
        hurry.set()
        await stage.job(JobState.DELIVERED)
        lines = (
            "choose 2",
            "click Enlarge",
            "click Favourite",
            "click Favourite",
            "click Send me a copy",
            "click Vary",
            "click Reroll",
            "click Download all",
            "click Delete",
            "click Delete for good",
            "/imagine prompt:a {red|blue} circle images:1 private:true",
            "click Draw 2 jobs",
            "/again images:1",
            "/imagine prompt:bad",
            "/imagine prompt:🍎",
            "/style list",
            "/style remove name:oil",
            "/style list",
            "/queue",
            "say a green triangle",
            "menu Draw this",
            "menu Remix",
            "submit The prompt:a blue triangle",
            "/imagine prompt:a yellow star images:9",
            "/gallery",
            "choose 1. a yellow star",
            "click Older",
            "/gallery prompt:star",
            "/gallery favourites:True",
            "menu Their gallery on user",
            "/stats",
            "/settings",
            "click Pause",
            "click Resume",
            "choose Results as WebP",
            "click Defaults",
            "submit Images by default:3",
            "click Last changes",
            "click Back to the settings",
            "/help",
            "/about",
        )
        for line in lines:
            assert (await stage.play(line))[1:], line
        job = await stage.job(JobState.DELIVERED)
        assert (await stage.play(f"/show job:{job.id}"))[1:]
        await post_button(stage, "1:cancel:0123456789ab")
        await stage.play("click Forged")
        await walk_past_the_moderation(stage)
        assert set(Action) - actions_seen(stage) == set()
