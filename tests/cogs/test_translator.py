"""Commands in other languages: what Discord is told, what users type, and what they are answered."""

import re

import discord
import pytest
from discord import app_commands

from bot.catalogues import LOCALES_FOLDER, Languages
from bot.cogs.translator import CommandTranslator
from bot.config import ImagineSettings, Settings
from bot.engine.fake import FakeEngine, Gate
from bot.messages import message_template
from bot.requests import SAMPLING_BOUNDS
from bot.sandbox import EventKind, LineError, rules
from bot.store import JobState
from tests.conftest import OpenStage

CATALOGUES = {path.stem for path in LOCALES_FOLDER.glob("*.po")}


class Recorder(CommandTranslator):
    """Remembers everything that discord.py wants to have translated."""

    def __init__(self, languages: Languages) -> None:
        super().__init__(languages)
        self.asked = set[str]()

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        self.asked.add(string.message)
        return await super().translate(string, locale, context)


async def test_every_command_is_registered_in_every_language_and_by_discords_rules(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        (registration,) = [exchange for exchange in stage.sandbox.requests if exchange.method == "PUT"]
    assert rules.check_commands(registration.payload) == []
    for command in registration.payload:
        languages = Languages.load()
        if command.get("type", 1) != 1:
            # A context menu has a name alone, which may have spaces and capitals.
            assert {languages.of(locale).code for locale in command["name_localizations"]} == CATALOGUES
            continue
        assert {languages.of(locale).code for locale in command["description_localizations"]} == CATALOGUES
        for item in (command, *command["options"]):
            for name in item.get("name_localizations", {}).values():
                assert re.fullmatch(r"[-_'\w]{1,32}", name)
                assert name == name.lower()


async def test_every_text_of_every_command_is_in_the_catalogues(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        tree = stage.app.bot.tree
        recorder = Recorder(stage.app.bot.languages)
        for command in tree.get_commands():
            await command.get_translated_payload(tree, recorder)
    # Parameters of the model have the names of the literature in every language, formats of files their own.
    assert recorder.asked - {message.id for message in message_template()} == {*SAMPLING_BOUNDS, "CSV", "JSON Lines"}


async def test_a_german_command_is_answered_in_german(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("as anna in de")
        _, acknowledged, *_, done = await stage.play("/zeichne beschreibung:a red circle bilder:1 seed:7")
        assert acknowledged.text == "a red circle\nIn der Warteschlange, Platz 1.\n[Abbrechen]"
        assert re.search(r"1 Bild für @anna · Seed 7 · \d+,\d s\nBewertung: \d+,\d\n", done.text)
        # Discord sends the English names, whatever it shows; and who came before still reads English.
        await stage.play("as user")
        answer = await stage.answer("/imagine prompt:🍎")
        assert answer.text == "The prompt has no letters or digits: describe the picture in words."


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "/zeichne beschreibung:🍎",
            "Die Beschreibung enthält weder Buchstaben noch Ziffern: Beschreibe das Bild in Worten.",
        ),
        ("/zeichne beschreibung:ein Kreis bilder:9", "bilder: Erlaubt ist alles von 1 bis 3, nicht 9."),
    ],
)
async def test_a_german_refusal(open_stage: OpenStage, settings: Settings, line: str, sentence: str) -> None:
    limited = settings.model_copy(update={"imagine": ImagineSettings(default_images=2, max_images=3)})
    async with open_stage(settings=limited) as stage:
        await stage.play("as anna in de")
        answer = await stage.answer(line)
        assert (answer.text, answer.is_ephemeral) == (sentence, True)


async def test_a_missing_permission_is_named_as_the_users_discord_names_it(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("as anna in de")
        await stage.play("in read-only")
        answer = await stage.answer("/zeichne beschreibung:ein roter Kreis")
    assert answer.text == (
        "Mir fehlt in diesem Kanal: Nachrichten senden und Dateien anhängen. Bitte die Moderation, mir das zu erlauben."
    )


async def test_a_resumed_job_goes_on_in_its_language(open_stage: OpenStage) -> None:
    gate = Gate()
    async with open_stage(lambda: FakeEngine(gate=gate)) as stage:
        await stage.play("as anna in de")
        await stage.leave_running("/zeichne beschreibung:ein roter Kreis bilder:2", gate)
    async with open_stage() as stage:
        await stage.job(JobState.DELIVERED)
        edits = [e.payload["content"].splitlines() for e in stage.sandbox.requests if e.method == "PATCH"]
    said = [content[1] for content in edits]
    assert "Der Bot geht offline. Dieser Auftrag geht weiter, wenn er wieder da ist." in said
    assert "Wieder aufgenommen: in der Warteschlange, Platz 1." in said
    assert said[-1].startswith("2 Bilder für <@")


async def test_the_sandbox_shows_a_member_the_names_of_their_language(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        (_, note) = await stage.play("as anna in de")
        assert (note.kind, note.text) == (EventKind.NOTE, "now playing as anna in de")
        for line, complaint in (
            ("/male beschreibung:x", "has registered /zeichne"),
            ("/zeichne bilder:2", "/zeichne needs a value for beschreibung: write beschreibung:VALUE"),
            ("/zeichne beschreibung:x bilder:zwei", "bilder must be a whole number"),
            ("/zeichne beschreibung:x prompt:y", "has prompt twice"),
        ):
            with pytest.raises(LineError, match=complaint):
                await stage.play(line)
        # A client keeps its language, whoever played in between.
        await stage.play("as bob")
        with pytest.raises(LineError, match="There is no command /zeichne"):
            await stage.play("/zeichne beschreibung:x")
        await stage.play("as anna")
        assert (await stage.answer("/imagine prompt:🍎")).text.startswith("Die Beschreibung")
