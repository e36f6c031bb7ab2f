"""Reading the originals' config.json: every option is either used, known to change nothing, or refused by name."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from bot.errors import CheckpointError

C = TypeVar("C")

_KINDS: dict[str, type | tuple[type, ...]] = {
    "int": int,
    "bool": bool,
    "str": str,
    "float": (int, float),
    "tuple": tuple,
}


def refuse_options(data: Mapping[str, Any], required: Mapping[str, Any], source: str) -> None:
    """Raises CheckpointError if an option of `data` has another value than the one in `required`, which is both the
    original's default and all that is implemented here."""
    for name, value in required.items():
        given = data.get(name, value)
        if given != value:
            raise CheckpointError(
                f"{source}: option {name} = {given!r} is not supported; only {value!r} is (the released models' value)."
            )


def pick(cls: type[C], data: Mapping[str, Any], source: str) -> C:
    """Fills a config dataclass from `data`, checking the type of every field that it names.

    Lists become tuples. Raises CheckpointError for a missing or mistyped option.
    """
    values: dict[str, Any] = {}
    for field in fields(cls):  # type: ignore[arg-type]
        if field.name not in data:
            if field.default is MISSING:
                raise CheckpointError(f"{source}: option {field.name} is missing.")
            continue
        value = data[field.name]
        if isinstance(value, list):
            value = tuple(value)
        kind = getattr(field.type, "__name__", str(field.type))
        if not isinstance(value, _KINDS[kind]) or (kind != "bool" and isinstance(value, bool)):
            raise CheckpointError(f"{source}: option {field.name} must be of type {kind}, not {value!r}.")
        values[field.name] = value
    return cls(**values)
