"""What each setting may be, in words for whoever has to mend it. Read from the settings themselves, so that no limit is
written down twice. Pure; called by config_loading.py."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from bot.config import Settings

_Schema = Mapping[str, Any]


def expected(path: str) -> str:
    """path: of a key, such as "queue.max_jobs", or of a section."""
    return _words()[path]


@cache
def _words() -> dict[str, str]:
    schema = Settings.model_json_schema()
    return dict(_of_keys(schema["properties"], schema["$defs"]))


def _of_keys(properties: _Schema, sections: _Schema) -> Iterator[tuple[str, str]]:
    for name, schema in properties.items():
        if "$ref" not in schema:
            yield name, _of_value(schema)
            continue
        yield name, f"a section [{name}] with keys of its own"
        keys = sections[schema["$ref"].rpartition("/")[2]]["properties"]
        yield from ((f"{name}.{key}", _of_value(keys[key])) for key in keys)


def _of_value(schema: _Schema) -> str:
    # A key that may be left out is one of two: a value or null, which TOML doesn't have.
    value = {**schema, **next((kind for kind in schema.get("anyOf", ()) if kind["type"] != "null"), {})}
    if "description" in value:
        return str(value["description"])
    if "enum" in value:
        *others, last = (repr(choice) for choice in value["enum"])
        return f"{', '.join(others)} or {last}"
    match value["type"]:
        case "boolean":
            return "true or false"
        case "integer":
            return f"a whole number {_limits(value)}"
        case "number":
            return f"a number {_limits(value)}"
        case "string" if value.get("format") == "path":
            return "a path of this machine"
        case "string":
            return "text in quotes, not empty" if value.get("minLength") else "text in quotes"
        case kind:
            raise ValueError(f"a setting that is a {kind} needs a description")


def _limits(value: _Schema) -> str:
    least, most = value.get("minimum"), value.get("maximum")
    if least is None:
        return f"above {value['exclusiveMinimum']:g} and at most {most:g}"
    return f"of at least {least:.0f}" if most is None else f"from {least:.0f} to {most:.0f}"
