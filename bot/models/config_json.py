"""Reading the originals' config.json: every option is either used, known to change nothing, or refused by name."""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, Final, TypeVar

from bot.errors import CheckpointError

C = TypeVar("C")

# Far above every model's. A file that says more would have the program build layers without end.
MAX_INT: Final = 1 << 20
MAX_LAYERS: Final = 256
MAX_MEMBERS: Final = 32

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
                f"{source}: option {name} = {given!r:.80} is not supported; "
                f"only {value!r} is (the released models' value)."
            )


def require_positive(config: Any, names: Iterable[str], source: str) -> None:
    """Raises CheckpointError unless each of these fields of a config, or each member of a tuple, is 1 or more."""
    for name in names:
        value = getattr(config, name)
        members = list(value) if isinstance(value, tuple) else [value]
        if not members or min(members) < 1:
            given = members if isinstance(value, tuple) else value
            raise CheckpointError(f"{source}: option {name} must be at least 1, not {given!r}.")


def pick(cls: type[C], data: Mapping[str, Any], source: str) -> C:
    """Fills a config dataclass from `data`, checking the type of every field that it names.

    Lists of integers become tuples. Raises CheckpointError for a missing or mistyped option, and for one beyond any
    model's size.
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
        members = value if kind == "tuple" and isinstance(value, tuple) else ()
        if not _is(value, kind) or not all(_is(member, "int") for member in members):
            expected = "a list of int" if kind == "tuple" else f"of type {kind}"
            raise CheckpointError(f"{source}: option {field.name} must be {expected}, not {data[field.name]!r:.80}.")
        _check_size(field.name, members if kind == "tuple" else (value,), source)
        values[field.name] = value
    return cls(**values)


def _check_size(name: str, values: tuple[Any, ...], source: str) -> None:
    most = MAX_LAYERS if name.endswith(("layers", "blocks")) else MAX_INT
    if len(values) > MAX_MEMBERS or any(_is(value, "int") and abs(value) > most for value in values):
        raise CheckpointError(
            f"{source}: option {name} holds {', '.join(map(repr, values)):.80}, which is beyond every model."
        )


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _KINDS[kind]) and (kind == "bool" or not isinstance(value, bool))
