"""Reads the settings: a TOML file, overridden by the environment, and a sentence for everything that is wrong in them.

`load_settings` is called by the command line, before anything starts. Nothing else reads the environment.
Precedence, highest first: `DALLE_BOT_SECTION__KEY`, `DISCORD_TOKEN` (for `discord.token` alone), the file, defaults.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from bot.config import ENV_PREFIX, TOKEN_VARIABLE, Settings
from bot.errors import ConfigError
from bot.log import redact
from bot.toml_file import read_toml

_SECRET_KEYS: Final = frozenset({"discord.token", "store.url"})
_CLOSING_KEYS: Final = ("discord.allowed_guilds",)


def load_settings(path: Path | None = None) -> Settings:
    """Reads the TOML file at `path` (None: defaults alone) and the environment.

    Raises ConfigError with one sentence for each problem: where it stands (file or variable), the key's path, what
    was given unless it may be secret, and what was expected.
    """
    data = {} if path is None else _read_toml(path)
    source = "The settings" if path is None else str(path)
    problems = [f"{source}: {_unknown_key(key)}" for key in _unknown_keys(data)]
    problems += _unknown_variables(os.environ)
    problems += _blank_variables(os.environ)
    if problems:
        raise ConfigError("\n".join(problems))
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    section = data.setdefault("discord", {})
    if token and isinstance(section, dict):
        section["token"] = token
    try:
        return Settings(**data)
    except ValidationError as error:
        sentences = [_wrong_value(source, dict(details)) for details in error.errors(include_url=False)]
    except SettingsError as error:
        sentences = [
            f"The environment: {redact(str(error))}. Use {ENV_PREFIX}SECTION__KEY variables with plain values."
        ]
    # Outside the except blocks, so that the original, which may hold secret input, isn't chained to it.
    raise ConfigError("\n".join(sentences))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except FileNotFoundError:
        raise ConfigError(f"There is no configuration file {path}: copy config.example.toml there.") from None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}.") from error


def _keys() -> dict[str, tuple[str, ...]]:
    """Section → its keys, as they are written in the file. The section "" holds the top-level keys."""
    keys: dict[str, tuple[str, ...]] = {"": ()}
    for name, info in Settings.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            keys[name] = tuple(f.alias or key for key, f in info.annotation.model_fields.items())
        else:
            keys[""] += (name,)
    return keys


def key_paths() -> list[str]:
    """Every key that a configuration file may hold, such as "queue.max_jobs"."""
    return [f"{section}.{key}" if section else key for section, keys in _keys().items() for key in keys]


def _unknown_keys(data: Mapping[str, Any]) -> Iterator[str]:
    known = _keys()
    for name, value in data.items():
        if name not in known and name not in known[""]:
            yield name
        elif name in known and isinstance(value, Mapping):
            yield from (f"{name}.{key}" for key in value if key not in known[name])


def _unknown_key(key: str) -> str:
    suggestion = _nearest(key)
    if suggestion:
        return f"there is no setting {key}; did you mean {suggestion}?"
    section, _, _ = key.rpartition(".")
    keys = ", ".join(_keys()[section] or _keys()) if section else ", ".join(k for k in (*_keys()[""], *_keys()) if k)
    return f"there is no setting {key}; {f'[{section}] has' if section else 'there are'} {keys}."


def _nearest(key: str) -> str | None:
    """The known path that `key` most likely misspells, or that it names without or with the wrong section."""
    paths = key_paths()
    sections = [section for section in _keys() if section]
    close = difflib.get_close_matches(key, paths if "." in key else paths + sections, n=1, cutoff=0.75)
    if close:
        return close[0]
    last = key.rpartition(".")[2]
    return next((path for path in paths if path.rpartition(".")[2] == last), None)


def _variable(path: str) -> str:
    return ENV_PREFIX + path.replace(".", "__").upper()


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Sentences on variables with our prefix that set nothing.

    Those without `__` may be somebody else's: Kubernetes gives every pod DALLE_BOT_PORT and its like if a service is
    called dalle-bot. They are refused only when they are nearly one of ours.
    """
    known = {_variable(path): path for path in (*key_paths(), *filter(None, _keys()))}
    sentences = []
    for name in sorted(environ):
        if not name.upper().startswith(ENV_PREFIX) or name.upper() in known:
            continue
        close = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.9)
        if close:
            sentences.append(f"The environment variable {name} sets nothing; did you mean {close[0]}?")
        elif "__" in name:
            sentences.append(f"The environment variable {name} sets nothing: no setting has that name.")
    return sentences


def _blank_variables(environ: Mapping[str, str]) -> list[str]:
    """Sentences on empty variables that would open what their key closes. Elsewhere an empty one counts as none."""
    known = {_variable(path): path for path in _CLOSING_KEYS}
    return [
        f"The environment variable {name} is empty; expected a list such as [81384788765712384], [] for no server, or "
        "no such variable for every server."
        for name, value in environ.items()
        if name.upper() in known and not value.strip()
    ]


def _wrong_value(source: str, details: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in details["loc"])
    given = details["input"]
    expected = str(details["msg"]).removeprefix("Value error, ")
    for prefix in ("Input should be ", "String should have "):
        expected = expected.removeprefix(prefix)
    variable = next((name for name in os.environ if name.upper() == _variable(path)), None)
    where = f"the environment variable {variable}" if variable else source
    if details["type"] == "value_error" and path not in key_paths():
        return f"{where}: {expected}."
    if isinstance(given, Mapping | list) or path in _SECRET_KEYS or path not in key_paths():
        return f"{where}: {path} has a wrong value (not shown); expected {expected}."
    return f"{where}: {path} is {redact(repr(given))}; expected {expected}."
