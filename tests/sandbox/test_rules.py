from typing import Any

import pytest

from bot.sandbox import rules


def button(**changes: Any) -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": "Go", "custom_id": "go"} | changes


def row(*components: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(components)}


def select(**changes: Any) -> dict[str, Any]:
    return {"type": 3, "custom_id": "pick", "options": [{"label": "A", "value": "a"}]} | changes


def codes(problems: list[rules.Problem]) -> list[str]:
    return [problem.code for problem in problems]


def test_a_full_message_is_fine() -> None:
    components = [row(*(button(custom_id=f"b{i}{j}") for j in range(5))) for i in range(5)]
    embeds = [{"title": "t", "description": "x" * 4000, "fields": [{"name": "n", "value": "v"}]}]
    assert rules.check_message("x" * 2000, embeds, components, 10, is_v2=False) == []
    assert rules.check_message(None, [], [{"type": 17, "components": [row(select())]}], 0, is_v2=True) == []


@pytest.mark.parametrize(
    ("components", "is_v2", "code"),
    [
        ([row(*[button(custom_id=str(i)) for i in range(6)])], False, "COMPONENT_LAYOUT_WIDTH_EXCEEDED"),
        ([row()], False, "COMPONENT_LAYOUT_WIDTH_EXCEEDED"),
        ([row(button(), select())], False, "COMPONENT_LAYOUT_WIDTH_EXCEEDED"),
        ([row(button(custom_id=f"{i}")) for i in range(6)], False, "BASE_TYPE_MAX_LENGTH"),
        ([{"type": 10, "content": "text"}], False, "UNION_TYPE_CHOICES"),
        ([{"type": 10, "content": "text"}] * 41, True, "COMPONENT_MAX_TOTAL"),
        ([{"type": 10, "content": "x" * 1001}] * 4, True, "COMPONENT_MAX_TOTAL_TEXT"),
        ([row(button(), button())], False, "COMPONENT_CUSTOM_ID_DUPLICATED"),
        ([row(button(custom_id=None))], False, "BUTTON_COMPONENT_CUSTOM_ID_REQUIRED"),
        ([row(button(label=None))], False, "BUTTON_COMPONENT_INVALID_LABEL"),
        ([row(button(style=5, custom_id=None))], False, "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE"),
        ([row(button(url="https://a"))], False, "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE"),
        ([row(button(custom_id="x" * 101))], False, "BASE_TYPE_MAX_LENGTH"),
        ([row(select(options=[]))], False, "BASE_TYPE_BAD_LENGTH"),
        ([row(select(options=[{"label": "A", "value": "a"}] * 2))], False, "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED"),
        ([row(select(custom_id=None))], False, "BASE_TYPE_REQUIRED"),
        ([{"type": 12, "items": []}], True, "BASE_TYPE_BAD_LENGTH"),
        ([{"type": 9, "components": []}], True, "BASE_TYPE_REQUIRED"),
    ],
)
def test_components(components: list[dict[str, Any]], is_v2: bool, code: str) -> None:
    assert codes(rules.check_components(components, is_v2)) == [code]


def test_message_limits() -> None:
    long = {"description": "x" * 3001}
    assert codes(rules.check_message("x" * 2001, [], [], 0, is_v2=False)) == ["BASE_TYPE_MAX_LENGTH"]
    assert codes(rules.check_message("", [long, long], [], 0, is_v2=False)) == ["MAX_EMBED_SIZE_EXCEEDED"]
    assert codes(rules.check_message("", [{}] * 11, [], 0, is_v2=False)) == ["BASE_TYPE_MAX_LENGTH"]
    assert codes(rules.check_message("", [], [], 11, is_v2=False)) == ["BASE_TYPE_MAX_LENGTH"]
    v2 = rules.check_message("text", [], [{"type": 10, "content": "text"}], 0, is_v2=True)
    assert codes(v2) == ["MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"]


def test_modals() -> None:
    field = {"type": 18, "label": "Why", "component": {"type": 4, "custom_id": "why", "style": 1}}
    modal = {"title": "Report", "custom_id": "report", "components": [field]}
    assert rules.check_modal(modal) == []
    assert codes(rules.check_modal(modal | {"title": "x" * 46})) == ["BASE_TYPE_BAD_LENGTH"]
    assert codes(rules.check_modal(modal | {"components": []})) == ["BASE_TYPE_BAD_LENGTH"]
    assert codes(rules.check_modal(modal | {"components": [field, field]})) == ["COMPONENT_CUSTOM_ID_DUPLICATED"]


COMMAND: dict[str, Any] = {"name": "imagine", "description": "Draws", "type": 1}
OPTION: dict[str, Any] = {"name": "prompt", "description": "What", "type": 3}
CHOICE: dict[str, Any] = {"name": "A", "value": "a"}


def test_a_right_command_is_fine() -> None:
    options = [OPTION | {"required": True}, OPTION | {"name": "größe-2", "choices": [CHOICE]}]
    assert rules.check_commands([COMMAND | {"options": options}, {"name": "Who made this?", "type": 3}]) == []


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (COMMAND | {"name": "Imagine"}, "0.name"),
        (COMMAND | {"name": "two words"}, "0.name"),
        (COMMAND | {"name": "x" * 33}, "0.name"),
        (COMMAND | {"description": ""}, "0.description"),
        (COMMAND | {"options": [OPTION, OPTION]}, "0.options"),
        (COMMAND | {"options": [OPTION, OPTION | {"name": "b", "required": True}]}, "0.options"),
        (COMMAND | {"options": [OPTION | {"name": f"o{i}"} for i in range(26)]}, "0.options"),
        (COMMAND | {"options": [OPTION | {"choices": [CHOICE, CHOICE]}]}, "0.options.0.choices"),
        (COMMAND | {"options": [OPTION | {"choices": [CHOICE], "autocomplete": True}]}, "0.options.0.choices"),
        (COMMAND | {"options": [OPTION | {"min_length": 5, "max_length": 4}]}, "0.options.0.min_length"),
        (
            COMMAND | {"options": [OPTION | {"type": 1, "options": [OPTION | {"name": "X"}]}]},
            "0.options.0.options.0.name",
        ),
        (COMMAND | {"name_localizations": {"de": "zwei Wörter"}}, "0.name_localizations.de"),
        (COMMAND | {"name_localizations": {"de": "Groß"}}, "0.name_localizations.de"),
        (COMMAND | {"description_localizations": {"de": "x" * 101}}, "0.description_localizations.de"),
        (
            COMMAND | {"options": [OPTION | {"name_localizations": {"de": "b"}}, OPTION | {"name": "b"}]},
            "0.options",
        ),
        (
            COMMAND | {"options": [OPTION | {"choices": [CHOICE | {"name_localizations": {"de": ""}}]}]},
            "0.options.0.choices.0.name_localizations.de",
        ),
        ({"name": "Menu", "name_localizations": {"de": "x" * 33}, "type": 3}, "0.name_localizations.de"),
        ({"name": "", "type": 3}, "0.name"),
        ({"name": "Menu", "type": 3, "description": "no"}, "0.description"),
        ({"name": "x", "type": 9}, ""),
    ],
)
def test_commands(command: dict[str, Any], path: str) -> None:
    assert [problem.path for problem in rules.check_commands([command])] == [path]


def test_sets_of_commands() -> None:
    assert codes(rules.check_commands([COMMAND, COMMAND])) == ["APPLICATION_COMMANDS_DUPLICATE_NAME"]
    menus = [{"name": f"Menu {i}", "type": 3} for i in range(16)]
    assert codes(rules.check_commands(menus)) == ["APPLICATION_COMMANDS_MAX"]
    choices: list[dict[str, Any]] = [{"name": f"{i:0100}", "value": "v" * 100} for i in range(25)]
    large = COMMAND | {"options": [OPTION | {"name": f"o{i}", "choices": choices} for i in range(2)]}
    assert codes(rules.check_commands([large])) == ["APPLICATION_COMMAND_TOO_LARGE"]
    # In each language it counts what it needs there.
    longer = [
        choice | {"name": str(i), "name_localizations": {"de": choice["name"]}} for i, choice in enumerate(choices)
    ]
    large = COMMAND | {"options": [OPTION | {"name": f"o{i}", "choices": longer} for i in range(2)]}
    assert codes(rules.check_commands([large])) == ["APPLICATION_COMMAND_TOO_LARGE"]
