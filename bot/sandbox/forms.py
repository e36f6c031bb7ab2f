"""Fills in a modal: from `LABEL:text` to what a modal submit carries. Pure."""

from collections.abc import Iterator
from typing import Any

from bot.sandbox import components as parts
from bot.sandbox.errors import LineError
from bot.sandbox.options import split_options

_YES = ("true", "yes", "on")


def modal_text(modal: dict[str, Any]) -> str:
    """What a player sees of a modal: its title, its fields, and what is written below their labels."""
    lines = [modal["title"]]
    for row in modal["components"]:
        lines += [f"[{label}]" for label, _ in _fields([row])]
        lines += [row["description"]] if row.get("description") else []
    return "\n".join(lines)


def filled_in(modal: dict[str, Any], text: str) -> dict[str, Any]:
    """The `data` of a modal submit. Raises LineError for unknown labels and for values that a field doesn't take."""
    fields = dict(_fields(modal["components"]))
    given = split_options(f"The form {modal['title']!r}", {label: label for label in fields}, text)
    for label, field in fields.items():
        is_required = field.get("required") is not False and field["type"] != parts.CHECKBOX
        if is_required and not given.get(label) and not field.get("value"):
            raise LineError(f"The form needs {label!r}: write submit {label}:TEXT.")
    values = {field["custom_id"]: given.get(label) for label, field in fields.items()}
    rows = [_submitted(row, values) for row in modal["components"]]
    return {"custom_id": modal["custom_id"], "components": rows}


def _fields(rows: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(label, field) of each field, whether its label is its own (rows) or around it (labels)."""
    for row in rows:
        for inner in parts.children(row):
            yield str(row.get("label") or inner.get("label") or inner.get("custom_id")), inner


def _submitted(component: dict[str, Any], values: dict[str, str | None]) -> dict[str, Any]:
    kind = component["type"]
    answer: dict[str, Any] = {"type": kind, "id": component.get("id") or 0}
    if kind == parts.ACTION_ROW:
        return answer | {"components": [_submitted(inner, values) for inner in component["components"]]}
    if kind == parts.LABEL:
        return answer | {"component": _submitted(component["component"], values)}
    if kind == parts.TEXT_DISPLAY:
        return answer
    answer["custom_id"] = component["custom_id"]
    value = values[component["custom_id"]]
    if kind == parts.TEXT_INPUT:
        return answer | {"value": value if value is not None else component.get("value") or ""}
    if kind == parts.CHECKBOX:
        return answer | {"value": (value or "").lower() in _YES}
    if kind == parts.RADIO_GROUP:
        return answer | {"value": _chosen(component, value)[0] if value else None}
    if kind in (parts.STRING_SELECT, parts.CHECKBOX_GROUP):
        return answer | {"values": _chosen(component, *(value or "").split(",")) if value else []}
    raise LineError(f"The sandbox can't fill in a form's component of type {kind}.")


def _chosen(component: dict[str, Any], *texts: str) -> list[str]:
    """The values of the options that are named by value or by label."""
    known = {option[key]: option["value"] for key in ("label", "value") for option in component["options"]}
    chosen = []
    for text in texts:
        name = text.strip(" ")
        if name not in known:
            raise LineError(
                f"{name!r} is not among the choices: {', '.join(o['label'] for o in component['options'])}."
            )
        chosen.append(known[name])
    return chosen
