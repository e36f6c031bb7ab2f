"""Reads the settings: a TOML file, overridden by the environment, and a sentence for everything that is wrong in them.

`load_settings` is called by the command line, before anything starts. Nothing else reads the environment.
Precedence, highest first: `DALLE_BOT_SECTION__KEY`, `DISCORD_TOKEN` (for `discord.token` alone), the file, defaults.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, SecretStr, ValidationError

from bot.config import ENV_PREFIX, TOKEN_VARIABLE, TRIAL_STORE_VARIABLE, Settings
from bot.config_words import expected
from bot.errors import ConfigError
from bot.log import redact
from bot.toml_file import read_toml

_SECRET_KEYS: Final = frozenset({"discord.token", "store.url"})
_CLOSING_KEYS: Final = ("discord.allowed_guilds",)
_MAX_SHOWN: Final = 200


def load_settings(path: Path | None = None, *, is_trial: bool = False) -> Settings:
    """Reads the TOML file at `path` (None: defaults alone) and the environment.

    is_trial: for a bot on a pretended Discord. The key store.url may name a real bot's database, whose jobs have no
    business there, so that the trial's is the one that TRIAL_STORE_VARIABLE names, or else one in `data_dir`.
    Raises ConfigError with one sentence for each problem: where it stands (file or variable), the key's path, what
    was given unless it may be secret, and what was expected.
    """
    data = {} if path is None else _read_toml(path)
    source = "The settings" if path is None else str(path)
    problems = [f"{source}: {_unknown_key(key)}" for key in _unknown_keys(data)]
    problems += _unknown_variables(os.environ).values()
    problems += _blank_variables(os.environ).values()
    known = _without_unknown_keys(data)
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    section = known.setdefault("discord", {})
    if token and isinstance(section, dict):
        section["token"] = token
    try:
        settings = Settings(**known)
    except ValidationError as error:
        problems += _wrong_values(source, error)
    if problems:
        # Outside the except block, so that the original, which may hold secret input, isn't chained to it.
        raise ConfigError("\n".join(problems))
    if is_trial:
        settings = _with_trial_store(settings, os.environ.get(TRIAL_STORE_VARIABLE, "").strip())
    if not settings.shards.are_all and settings.store_url.startswith("sqlite"):
        named = TRIAL_STORE_VARIABLE if is_trial else "store.url"
        raise ConfigError(
            f"{source}: sharding.ids leaves shards to other processes, for which {named} must name PostgreSQL."
        )
    return settings


def _with_trial_store(settings: Settings, url: str) -> Settings:
    if url == settings.store_url:
        raise ConfigError(
            f"{TRIAL_STORE_VARIABLE} names the database of the bot itself: make an empty one for the trial alone."
        )
    store = settings.store.model_copy(update={"url": SecretStr(url) if url else None})
    return settings.model_copy(update={"store": store})


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


def _without_unknown_keys(data: Mapping[str, Any]) -> dict[str, Any]:
    unknown = set(_unknown_keys(data))
    return {
        name: {key: each for key, each in value.items() if f"{name}.{key}" not in unknown}
        if isinstance(value, Mapping)
        else value
        for name, value in data.items()
        if name not in unknown
    }


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


def _unknown_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables with our prefix that set nothing, and a sentence on each.

    Those without `__` may be somebody else's: Kubernetes gives every pod DALLE_BOT_PORT and its like if a service is
    called dalle-bot. They are refused only when they are nearly one of ours.
    """
    known = {_variable(path): path for path in (*key_paths(), *filter(None, _keys()))}
    sentences = {}
    for name in sorted(environ):
        if not name.upper().startswith(ENV_PREFIX) or name.upper() in known:
            continue
        close = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.9)
        if close:
            sentences[name] = f"The environment variable {name} sets nothing; did you mean {close[0]}?"
        elif "__" in name:
            sentences[name] = f"The environment variable {name} sets nothing: no setting has that name."
    return sentences


def _blank_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Empty variables that would open what their key closes, and a sentence on each. Elsewhere an empty one counts as
    none."""
    known = {_variable(path): path for path in _CLOSING_KEYS}
    return {
        name: f"The environment variable {name} is empty; expected {expected(known[name.upper()])}, [] for no server, "
        "or no such variable for every server."
        for name, value in environ.items()
        if name.upper() in known and not value.strip()
    }


def _wrong_values(source: str, error: ValidationError) -> list[str]:
    """A sentence for each value, without those that come from variables on which there is one already."""
    told = [name.upper() for name in (*_unknown_variables(os.environ), *_blank_variables(os.environ))]
    sentences = [
        _wrong_value(source, details)
        for details in error.errors(include_url=False)
        if not any(_sets(name, _path(details)) for name in told)
    ]
    return list(dict.fromkeys(sentences))


def _sets(variable: str, path: str) -> bool:
    """Whether a variable sets a key or something below it."""
    return "." in path and f"{variable}__".startswith(f"{_variable(path)}__")


def _path(details: Mapping[str, Any]) -> str:
    """Of a key, however deep the fault is in its value, or of a section."""
    return ".".join(str(part) for part in details["loc"][:2])


def _wrong_value(source: str, details: Mapping[str, Any]) -> str:
    path, given = _path(details), details["input"]
    section = path.partition(".")[0]
    variables = [name for name in os.environ if name.upper() in (_variable(path), _variable(section))]
    where = f"The environment variable {max(variables, key=len)}" if variables else source
    if details["type"] == "extra_forbidden":
        return f"{where}: {_unknown_key(path)}"
    own = str(details["msg"]).removeprefix("Value error, ") if details["type"] == "value_error" else None
    if own is not None and path not in key_paths():
        return f"{where}: {own}."
    shown = _shown(path, given, is_whole=len(details["loc"]) <= 2)
    return f"{where}: {path} {shown}; expected {own or expected(path)}."


def _shown(path: str, given: object, *, is_whole: bool) -> str:
    if not is_whole or path in _SECRET_KEYS or path not in key_paths() or isinstance(given, Mapping | list):
        return "has a wrong value (not shown)"
    if isinstance(given, bool):
        return f"is {str(given).lower()}"
    # Python refuses to write numbers of thousands of digits.
    if isinstance(given, int) and given.bit_length() > _MAX_SHOWN:
        return "is too large"
    text = redact(repr(given))
    return f"is {text}" if len(text) <= _MAX_SHOWN else "is too long"
