"""/style and the option `style`, as members meet them: the real client in a sandbox."""

import asyncio
from pathlib import Path

import pytest

from bot.cogs.style_book import MAX_SUGGESTED, StyleBook
from bot.errors import InvalidParameterError, StoreError
from bot.store import JobState, Store, Style
from bot.store.styles import StyleStore
from tests.conftest import TIMEOUT_S, OpenStage
from tests.store.samples import url_of

NOBODY = "This server has no styles. Members with “Manage Server” can add some with /style add."


async def test_a_style_is_added_used_and_removed(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        assert (await stage.answer("/style list")).text == NOBODY
        await stage.play("as moderator")
        added = await stage.answer("/style add name:Oil text:an oil painting of {prompt} negative:photo")
        assert added.is_ephemeral
        assert added.text == "Added the style oil: an oil painting of {prompt} (away from: photo)"
        await stage.play("as user")
        assert (await stage.answer("/style list")).text.splitlines()[1:] == [
            "- oil: an oil painting of {prompt} (away from: photo)"
        ]
        await stage.play("/imagine prompt:a red circle images:1 style:OIL")
        job = await stage.job(JobState.DELIVERED)
        assert (job.prompt, job.negative_prompt) == ("an oil painting of a red circle", "photo")
        await stage.play("/imagine prompt:a circle images:1 style:oil negative:blur")
        assert (await stage.job(JobState.DELIVERED)).negative_prompt == "blur"
        await stage.play("as moderator")
        assert (await stage.answer("/style remove name:oil")).text == "Removed the style oil."
        # Somebody chose it before it was removed.
        gone = await stage.answer("/imagine prompt:a circle style:oil")
        assert gone.is_ephemeral
        assert gone.text == "There is no style oil in this server: /style list shows those there are."
        assert len(stage.job_ids) == 2


@pytest.mark.parametrize(
    ("who", "line", "sentence"),
    [
        ("user", "/style add name:oil text:oil", "Only members with the permission “Manage Server” can do this."),
        ("user", "/style remove name:oil", "Only members with the permission “Manage Server” can do this."),
        ("moderator", "/style remove name:oil", "There is no style oil in this server"),
        ("moderator", "/style add name:o/l text:oil", "The style's name may hold letters, digits, spaces"),
        ("moderator", "/style add name:oil text:🍎", "The style's text has no letters or digits"),
    ],
)
async def test_what_is_refused(open_stage: OpenStage, who: str, line: str, sentence: str) -> None:
    async with open_stage() as stage:
        await stage.play(f"as {who}")
        answer = await stage.answer(line)
        assert answer.is_ephemeral
        assert answer.text.startswith(sentence)
        assert (await stage.answer("/style list")).text == NOBODY


async def test_fifty_long_styles_fit_into_one_answer(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        guild_id = stage.app.bot.guilds[0].id
        for number in range(50):
            style = Style(name=f"style {number:02}", prompt="*word* " * 70, created_by=1)
            await stage.app.store.styles.add(guild_id, style)
        answer = await stage.answer("/style list")
    lines = answer.text.splitlines()
    assert lines[1].startswith("- style 00: *word*")
    assert lines[-1] == f"And {50 - (len(lines) - 2)} more styles."


async def test_suggestions_begin_with_what_was_typed(tmp_path: Path) -> None:
    async with Store.open(url_of(tmp_path)) as store:
        await check_suggestions(store)


async def check_suggestions(store: Store) -> None:
    book = StyleBook(store.styles)
    for name in ("oil", "old photo", "photo", "soil"):
        await store.styles.add(7, Style(name=name, prompt="x", created_by=1))
    assert await book.suggestions(7, "") == ["oil", "old photo", "photo", "soil"]
    assert await book.suggestions(7, " OI ") == ["oil", "soil"]
    assert await book.suggestions(7, "photo") == ["photo", "old photo"]
    assert await book.suggestions(8, "oil") == await book.suggestions(None, "oil") == []
    for number in range(30):
        await store.styles.add(7, Style(name=f"more {number}", prompt="x", created_by=1))
    assert len(await book.suggestions(7, "")) == MAX_SUGGESTED
    with pytest.raises(InvalidParameterError, match="Styles belong to servers"):
        await book.named(None, "oil")


@pytest.mark.parametrize(
    ("line", "suggested"),
    [
        ("type /imagine prompt:a circle style:o", ["oil", "photo"]),
        ("type /again style:oi", ["oil"]),
        ("type /style remove name:", ["oil", "photo"]),
        ("type /imagine style:x", ["No options match your search."]),
    ],
)
async def test_names_are_suggested_while_they_are_typed(open_stage: OpenStage, line: str, suggested: list[str]) -> None:
    async with open_stage() as stage:
        await asyncio.wait_for(stage.app.bot.wait_until_ready(), TIMEOUT_S)
        (guild,) = stage.app.bot.guilds
        for name in ("photo", "oil"):
            await stage.app.store.styles.add(guild.id, Style(name=name, prompt="x", created_by=1))
        await stage.play("as moderator")
        assert (await stage.answer(line)).text.splitlines() == suggested


async def test_a_store_that_is_down_suggests_nothing(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def down(*_: object) -> None:
        raise StoreError("It is locked.")

    monkeypatch.setattr(StyleStore, "of", down)
    async with open_stage() as stage:
        assert (await stage.answer("type /imagine style:o")).text == "No options match your search."
        assert (await stage.answer("/style list")).text.startswith("The bot's database has a problem")
    assert "styles could not be suggested: It is locked." in caplog.text
