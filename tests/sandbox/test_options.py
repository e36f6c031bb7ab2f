from typing import Any

import pytest

from bot.sandbox.clock import Clock
from bot.sandbox.errors import LineError
from bot.sandbox.options import Arguments, split_options
from bot.sandbox.world import World

NAMES = {"prompt": "prompt", "images": "images", "top_k": "top_k"}
COMMAND: dict[str, Any] = {
    "name": "imagine",
    "options": [
        {"type": 3, "name": "prompt", "required": True, "max_length": 20, "min_length": 2},
        {"type": 4, "name": "images", "min_value": 1, "max_value": 9},
        {"type": 10, "name": "top_p", "max_value": 1.0},
        {"type": 5, "name": "spoiler"},
        {"type": 6, "name": "to"},
        {"type": 7, "name": "where"},
        {"type": 8, "name": "role"},
        {"type": 11, "name": "file"},
    ],
}
GROUP: dict[str, Any] = {
    "name": "settings",
    "options": [
        {
            "type": 2,
            "name": "queue",
            "options": [{"type": 1, "name": "limit", "options": [{"type": 4, "name": "jobs", "required": True}]}],
        },
        {"type": 1, "name": "show"},
    ],
}


def read(text: str, command: dict[str, Any] = COMMAND) -> Arguments:
    arguments = Arguments(World(Clock()))
    arguments.read(command, text)
    return arguments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prompt:a red circle images:4", {"prompt": "a red circle", "images": "4"}),
        ("images:4 prompt:a red circle", {"prompt": "a red circle", "images": "4"}),
        ("prompt: spaces  inside ", {"prompt": "spaces  inside"}),
        ("prompt:time 12:30, style:oil", {"prompt": "time 12:30, style:oil"}),
        ("prompt:a_lot_of_images:4", {"prompt": "a_lot_of_images:4"}),
        ("prompt:an image: a cat", {"prompt": "an image: a cat"}),
        ("prompt:line\x00break\ttab", {"prompt": "line\x00break\ttab"}),
        ("", {}),
    ],
)
def test_split(text: str, expected: dict[str, str]) -> None:
    assert split_options("/imagine", NAMES, text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a red circle", "has no option 'a'; it has prompt, images, top_k"),
        ("colour:red prompt:circle", "has no option 'colour'"),
        ("prompt:a circle imgaes:4", "no option 'imgaes'; did you mean 'images'"),
        ("prompt:a prompt:b", "has prompt twice"),
    ],
)
def test_split_refuses(text: str, complaint: str) -> None:
    with pytest.raises(LineError, match=complaint):
        split_options("/imagine", NAMES, text)


def test_values_have_their_types() -> None:
    arguments = read("prompt:circle images:3 top_p:0.5 spoiler:yes")
    assert [(option["name"], option["type"], option["value"]) for option in arguments.options] == [
        ("prompt", 3, "circle"),
        ("images", 4, 3),
        ("top_p", 10, 0.5),
        ("spoiler", 5, True),
    ]
    assert arguments.resolved == {}


def test_named_things_are_resolved() -> None:
    arguments = read("prompt:circle to:@ann where:#gallery role:Moderator")
    values = {option["name"]: option["value"] for option in arguments.options}
    assert arguments.resolved["users"][values["to"]]["username"] == "ann"
    assert "user" not in arguments.resolved["members"][values["to"]]
    assert arguments.resolved["channels"][values["where"]]["name"] == "gallery"
    assert arguments.resolved["roles"][values["role"]]["name"] == "Moderator"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("images:2", "needs a value for prompt"),
        ("prompt: images:2", "needs a value for prompt"),
        ("prompt:c", "prompt must have 2 to 20 characters; it has 1"),
        (f"prompt:{'c' * 21}", "it has 21"),
        ("prompt:circle images:0", "images must be between 1 and 9, not 0"),
        ("prompt:circle images:two", "images must be a whole number, not 'two'"),
        ("prompt:circle images:2.5", "images must be a whole number"),
        ("prompt:circle top_p:nan", "top_p must be between"),
        ("prompt:circle spoiler:maybe", "spoiler must be true or false"),
        ("prompt:circle where:nowhere", "no channel 'nowhere'"),
        ("prompt:circle role:king", "no role 'king'"),
        ("prompt:circle file:a.png", "option type 11 is not supported"),
    ],
)
def test_wrong_values(text: str, complaint: str) -> None:
    with pytest.raises(LineError, match=complaint):
        read(text)


def test_sub_commands() -> None:
    assert read("queue limit jobs:3", GROUP).options == [
        {
            "name": "queue",
            "type": 2,
            "options": [{"name": "limit", "type": 1, "options": [{"name": "jobs", "type": 4, "value": 3}]}],
        }
    ]
    assert read("show", GROUP).options == [{"name": "show", "type": 1, "options": []}]
    with pytest.raises(LineError, match="/settings queue needs one of its sub-commands: limit"):
        read("queue", GROUP)
    with pytest.raises(LineError, match="/settings queue limit needs a value for jobs"):
        read("queue limit", GROUP)


GERMAN: dict[str, Any] = {
    "name": "imagine",
    "name_localizations": {"de": "zeichne"},
    "options": [
        {"type": 3, "name": "prompt", "name_localizations": {"de": "beschreibung"}, "required": True},
        {
            "type": 3,
            "name": "size",
            "name_localizations": {"de": "größe"},
            "choices": [{"name": "Small", "name_localizations": {"de": "Klein"}, "value": "s"}],
        },
    ],
}


@pytest.mark.parametrize(
    "text", ["beschreibung:ein Kreis größe:Klein", "prompt:ein Kreis size:Small", "prompt:ein Kreis größe:s"]
)
def test_a_member_may_use_the_names_of_their_language(text: str) -> None:
    arguments = Arguments(World(Clock()), "de")
    arguments.read(GERMAN, text)
    assert [(option["name"], option["value"]) for option in arguments.options] == [
        ("prompt", "ein Kreis"),
        ("size", "s"),
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("größe:Klein", "/zeichne needs a value for beschreibung: write beschreibung:VALUE"),
        ("prompt:a beschreibung:b", "/zeichne has beschreibung twice"),
        ("prompt:a größe:Riesig", "größe must be one of Klein, not 'Riesig'"),
    ],
)
def test_what_is_wrong_is_told_with_the_names_of_the_language(text: str, complaint: str) -> None:
    with pytest.raises(LineError, match=complaint):
        Arguments(World(Clock()), "de").read(GERMAN, text)


def test_names_of_another_language_mean_nothing() -> None:
    with pytest.raises(LineError, match="has no option 'beschreibung'"):
        read("beschreibung:ein Kreis", GERMAN)
    groups = GROUP | {"options": [GROUP["options"][1] | {"name_localizations": {"de": "zeige"}}]}
    arguments = Arguments(World(Clock()), "de")
    arguments.read(groups, "zeige")
    assert [option["name"] for option in arguments.options] == ["show"]
    with pytest.raises(LineError, match="needs one of its sub-commands: show"):
        read("zeige", groups)


def test_the_last_option_is_the_one_that_is_typed() -> None:
    completed = {
        "name": "imagine",
        "options": [
            {"type": 3, "name": "prompt", "required": True},
            {"type": 3, "name": "style", "autocomplete": True},
        ],
    }

    def typed(text: str) -> list[dict[str, Any]]:
        arguments = Arguments(World(Clock()), is_typing=True)
        arguments.read(completed, text)
        return arguments.options

    oil = {"name": "style", "type": 3, "value": "oi", "focused": True}
    assert typed("style:oi") == [oil]
    assert typed("prompt:a star style:oi") == [{"name": "prompt", "type": 3, "value": "a star"}, oil]
    assert typed("style:")[0]["value"] == ""
    for text in ("", "style:oil prompt:a"):
        with pytest.raises(LineError, match="the options with suggestions are: style"):
            typed(text)
