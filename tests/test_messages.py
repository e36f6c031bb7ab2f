"""Catalogues: each has exactly the messages of the source, all of them translated, and each message can be found."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message

from bot import messages
from bot.catalogues import LOCALES_FOLDER, Languages, faults, forms, read_catalogue
from bot.errors import ConfigError
from bot.messages import KEYWORDS, is_translated, message_template, update_catalogue

PACKAGE = Path(messages.__file__).parent
MACHINERY = ("errors.py", "language.py", "cogs/translator.py")  # what passes messages on
LANGUAGES = sorted(path.stem for path in LOCALES_FOLDER.glob("*.po"))


def complaints(catalogue: Catalog, template: Catalog) -> list[str]:
    """What is wrong with a catalogue, a sentence each."""
    wanted = {message.id for message in template if message.id}
    found = {message.id: message for message in catalogue if message.id}
    sentences = [f"{id_!r} is missing" for id_ in wanted - set(found)]
    sentences += [f"{id_!r} is not used" for id_ in set(found) - wanted]
    for id_, message in found.items():
        if not is_translated(message):
            sentences.append(f"{id_!r} is not translated")
        if message.pluralizable and len(forms(message.string)) != catalogue.num_plurals:
            sentences.append(f"{id_!r} needs {catalogue.num_plurals} forms")
        sentences += faults(message)
    return sorted(sentences)


def unreadable(source: str) -> Iterator[int]:
    """Lines with a message that isn't a literal, so that no translator sees it. An error may be given a Text too."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        numbers = KEYWORDS.get(name, ()) if name != "text" or _is_language(node.func) else ()
        for argument in [node.args[number - 1] for number in numbers if number <= len(node.args)]:
            is_literal = isinstance(argument, ast.Constant)
            if not is_literal and not (name.endswith("Error") and _may_be_text(argument)):
                yield node.lineno


def _may_be_text(argument: ast.expr) -> bool:
    if isinstance(argument, ast.Call):
        return ast.unparse(argument.func) in ("Text", "Text.plural")
    return isinstance(argument, ast.Name | ast.Attribute)


def _is_language(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and "language" in ast.unparse(function.value)


def operators(path: Path) -> bool:
    return path.relative_to(PACKAGE).parts[0] in ("bench", "commands", "demo", "sandbox")


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_catalogue_is_complete(code: str) -> None:
    assert complaints(read_catalogue(LOCALES_FOLDER / f"{code}.po"), message_template()) == []


def test_german_is_there() -> None:
    assert "de" in LANGUAGES
    assert Languages.load().of("de").text("The prompt") == "Die Beschreibung"


def test_no_message_is_put_together_where_translators_cannot_see_it() -> None:
    found = {
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in PACKAGE.rglob("*.py")
        if not operators(path) and path.relative_to(PACKAGE).as_posix() not in MACHINERY
        for line in unreadable(path.read_text(encoding="utf-8"))
    }
    assert found == set()


@pytest.mark.parametrize(
    "call",
    [
        'InvalidPromptError(f"{name} is empty.")',
        'errors.JobFailedError("It " + "broke.")',
        'Text("{a}".format(a=a))',
        'Text.plural("{n} dog", f"{n} dogs", n)',
        'job.language.text(f"Score: {score}")',
        "Text(MESSAGE)",
        'language.text("one" if n == 1 else "many")',
    ],
)
def test_a_message_that_is_put_together_is_found(call: str) -> None:
    assert list(unreadable(f"def f():\n    raise {call}\n")) == [2]


@pytest.mark.parametrize(
    "call",
    ['Text("a")', "JobFailedError(sentence)", 'QueueFullError(Text("a"))', 'draw.text(f"{n}")', 'StoreError(f"{a}")'],
)
def test_other_calls_are_left_alone(call: str) -> None:
    assert list(unreadable(call)) == []


def make_catalogue(*added: Message) -> Catalog:
    catalogue = Catalog(locale="de")
    for message in added:
        catalogue[message.id] = message
    return catalogue


TEMPLATE = make_catalogue(Message("{a} dogs"), Message(("{n} cat", "{n} cats")))
DOGS = Message("{a} dogs", "{a} Hunde")
CATS = Message(("{n} cat", "{n} cats"), ("{n} Katze", "{n} Katzen"))


@pytest.mark.parametrize(
    ("translated", "expected"),
    [
        ([DOGS, CATS], []),
        ([CATS], ["'{a} dogs' is missing"]),
        ([DOGS, CATS, Message("bird", "Vogel")], ["'bird' is not used"]),
        ([Message("{a} dogs", ""), CATS], ["'{a} dogs' is not translated"]),
        ([Message("{a} dogs", "{a} Hunde", flags=["fuzzy"]), CATS], ["'{a} dogs' is not translated"]),
        (
            [Message("{a} dogs", "{b} Hunde"), CATS],
            ["“{b} Hunde” has {b}, “{a} dogs” has not.", "“{b} Hunde” lacks {a}."],
        ),
        ([DOGS, Message(CATS.id, ("{n} Katze", ""))], [f"{CATS.id!r} is not translated"]),
        ([DOGS, Message(CATS.id, ("{n} Katze",))], [f"{CATS.id!r} needs 2 forms"]),
    ],
)
def test_what_is_wrong_with_a_catalogue_is_found(translated: list[Message], expected: list[str]) -> None:
    assert complaints(make_catalogue(*translated), TEMPLATE) == expected


def test_the_template_has_every_kind_of_message_and_none_for_operators(tmp_path: Path) -> None:
    (tmp_path / "cog.py").write_text(
        'Text("a")\nlanguage.text("b", x=1)\nText.plural("c", "cs", 2)\nlocale_str("d")\nUserLimitError("e", n=1)\n'
        'StoreError("f")\nJobFailedError(sentence)\n',
        encoding="utf-8",
    )
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "report.py").write_text('Text("g")\n', encoding="utf-8")
    template = message_template(tmp_path)
    assert [message.id for message in template if message.id] == ["a", "b", ("c", "cs"), "d", "e"]
    assert [message.locations for message in template if message.id == "a"] == [[(f"{tmp_path.name}/cog.py", 0)]]


def test_a_new_catalogue_has_everything_to_translate(tmp_path: Path) -> None:
    path, num_open = update_catalogue("pl", tmp_path)
    assert path == tmp_path / "pl.po"
    catalogue = read_catalogue(path)
    assert catalogue.num_plurals == 3
    assert num_open == len(catalogue) == len(message_template())


def test_an_updated_catalogue_keeps_what_is_translated(tmp_path: Path) -> None:
    path, num_new = update_catalogue("de", tmp_path)
    text = path.read_text(encoding="utf-8")
    translated = text.replace('msgid "The prompt"\nmsgstr ""', 'msgid "The prompt"\nmsgstr "Die Beschreibung"')
    obsolete = '\nmsgid "long gone"\nmsgstr "schon lange weg"\n'
    path.write_text(translated + obsolete, encoding="utf-8")
    assert update_catalogue("de", tmp_path) == (path, num_new - 1)
    assert path.read_text(encoding="utf-8") == translated


def test_updating_changes_nothing_in_a_complete_catalogue(tmp_path: Path) -> None:
    shipped = (LOCALES_FOLDER / "de.po").read_text(encoding="utf-8")
    (tmp_path / "de.po").write_text(shipped, encoding="utf-8")
    assert update_catalogue("de", tmp_path) == (tmp_path / "de.po", 0)
    assert (tmp_path / "de.po").read_text(encoding="utf-8") == shipped


def test_what_is_no_language_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no language 'klingon'"):
        update_catalogue("klingon", tmp_path)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"de\.po can't be written: "):
        update_catalogue("de", tmp_path / "absent")
