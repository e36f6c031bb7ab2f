"""Categories of pictures, read from a TOML file: the shipped one or one's own. Pure but for reading the file.

Read once at the start, on a worker thread, and by `dalle-bot calibrate`, which writes such a file too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bot.errors import ConfigError, RequestError
from bot.image_rule import CATEGORY_NAME
from bot.requests import MAX_LABELS, check_prompt
from bot.toml_file import read_toml

SHIPPED_CATEGORIES: Final = Path(__file__).parent / "image_categories.toml"
MAX_CATEGORIES: Final = 25  # of a choice of Discord's
HARMLESS: Final = "harmless"
"""No category: the folder of pictures that show none of them."""

_KEYS: Final = {"is_calibrated", "neutral", "categories"}
_CATEGORY_KEYS: Final = {"texts", "threshold"}


@dataclass(frozen=True, slots=True)
class Category:
    """texts: what its pictures could be described with. threshold: the score from which a picture is one of them."""

    name: str
    texts: tuple[str, ...]
    threshold: float


@dataclass(frozen=True, slots=True)
class Categories:
    """All that a bot knows. neutral: what every picture is compared with. is_calibrated: whether thresholds come from
    pictures that somebody has labelled."""

    categories: tuple[Category, ...]
    neutral: tuple[str, ...]
    is_calibrated: bool

    def get(self, name: str) -> Category | None:
        """The category of this name, or None."""
        return next((category for category in self.categories if category.name == name), None)

    def with_thresholds(self, thresholds: Mapping[str, float]) -> "Categories":
        """The same with other thresholds, by name; calibrated if every category has one."""
        changed = (replace(each, threshold=thresholds.get(each.name, each.threshold)) for each in self.categories)
        return Categories(tuple(changed), self.neutral, all(each.name in thresholds for each in self.categories))

    def to_toml(self) -> str:
        """What `read_categories` reads."""
        lines = [f"is_calibrated = {json.dumps(self.is_calibrated)}", f"neutral = {_strings(self.neutral)}"]
        for each in self.categories:
            lines += ["", f"[categories.{each.name}]", f"texts = {_strings(each.texts)}"]
            lines += [f"threshold = {each.threshold:.6f}"]
        return "\n".join(lines) + "\n"


NO_CATEGORIES: Final = Categories((), (), is_calibrated=False)


def read_categories(path: Path = SHIPPED_CATEGORIES) -> Categories:
    """Blocks for a moment. Raises ConfigError naming the file and what is wrong in it."""
    try:
        data = read_toml(path)
    except OSError as error:
        raise ConfigError(f"The categories of pictures in {path} can't be read: {error.strerror}.") from error
    _only(path, "the file", data, _KEYS)
    if not isinstance(data.get("is_calibrated", False), bool):
        raise ConfigError(f"{path}: is_calibrated must be true or false.")
    tables = data.get("categories")
    if not isinstance(tables, dict) or not 1 <= len(tables) <= MAX_CATEGORIES:
        raise ConfigError(f"{path}: there must be 1 to {MAX_CATEGORIES} tables such as [categories.weapons].")
    found = Categories(
        tuple(_category(path, name, table) for name, table in tables.items()),
        _texts(path, "neutral", data.get("neutral")),
        data.get("is_calibrated", False),
    )
    texts = [*found.neutral, *(text for each in found.categories for text in each.texts)]
    twice = next((text for i, text in enumerate(texts) if text in texts[:i]), None)
    if twice is not None:
        raise ConfigError(f"{path}: the text “{twice}” stands there twice: name it once.")
    if len(texts) > MAX_LABELS:
        raise ConfigError(f"{path}: there are {len(texts)} texts in all, at most {MAX_LABELS} fit into one request.")
    return found


def _category(path: Path, name: str, table: Any) -> Category:
    where = f"categories.{name}"
    if not CATEGORY_NAME.fullmatch(name) or name == HARMLESS:
        raise ConfigError(f"{path}: {where} must have another name: small letters, digits and _, and not {HARMLESS}.")
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: {where} must be a table with texts and a threshold.")
    _only(path, where, table, _CATEGORY_KEYS)
    threshold = table.get("threshold")
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 < threshold <= 1:
        raise ConfigError(f"{path}: {where}.threshold must be a number above 0 and at most 1.")
    return Category(name, _texts(path, f"{where}.texts", table.get("texts")), float(threshold))


def _texts(path: Path, where: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not given or not all(isinstance(text, str) for text in given):
        raise ConfigError(f"{path}: {where} must be a list of one text or more.")
    try:
        return tuple(check_prompt(text) for text in given)
    except RequestError as error:
        raise ConfigError(f"{path}: {where}: {error}") from None


def _only(path: Path, where: str, table: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise ConfigError(f"{path}: {where} has no key {unknown[0]}; there are {', '.join(sorted(known))}.")


def _strings(texts: tuple[str, ...]) -> str:
    # A JSON string without its own escapes for anything but quotes and backslashes is a TOML string.
    return "[" + ", ".join(json.dumps(text, ensure_ascii=False) for text in texts) + "]"
