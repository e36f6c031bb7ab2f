"""What is installed: declared dependencies are the imported ones, and the demo checkpoint comes along."""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Final

import pytest

from bot import __version__
from bot.fetch.locate import DEMO_FOLDER
from tests.test_imports import imported

ROOT: Final = Path(__file__).parents[1]
PYPROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: Final = PYPROJECT["project"]
EXTRAS: Final = PROJECT["optional-dependencies"]

# Never imported by name: who needs them, then.
INDIRECT: Final = {
    "aiosqlite": "SQLAlchemy, for sqlite+aiosqlite URLs",
    "psycopg": "SQLAlchemy, for postgresql+psycopg URLs",
    "pytest-asyncio": "pytest",
    "pytest-randomly": "pytest",
    "pytest-timeout": "pytest",
    "pytest-xdist": "pytest",
}
MAX_DEMO_BYTES: Final = 12_000_000
PACKAGE_DATA: Final = PYPROJECT["tool"]["setuptools"]["package-data"]


def distribution(requirement: str) -> str:
    """The normalised name in `sqlalchemy[asyncio]>=2.0.40`."""
    return normalised(re.split(r"[\[<>=!~;\s]", requirement, maxsplit=1)[0])


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def third_party(folder: str) -> dict[str, str]:
    """Distribution → the top-level name by which the sources in `folder` import it. One that isn't installed here, of
    an extra, is called as it is imported."""
    known = packages_distributions()
    return {normalised(known.get(top, [top])[0]): top for top in tops(folder)}


def tops(folder: str) -> Iterator[str]:
    for path in (ROOT / folder).rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for name in imported(module, path.read_text(encoding="utf-8")):
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names and top not in ("bot", "tests"):
                yield top


def declared(*extras: str) -> set[str]:
    return {distribution(r) for r in (*PROJECT["dependencies"], *(r for extra in extras for r in EXTRAS[extra]))}


def test_what_the_package_imports_is_declared() -> None:
    assert set(third_party("bot")) <= declared("plot", "ray", "scale")


def test_what_the_tests_import_is_declared() -> None:
    assert set(third_party("tests")) <= declared("test")


@pytest.mark.parametrize(
    ("extra", "folders"), [("plot", ["bot"]), ("ray", ["bot"]), ("scale", ["bot"]), ("test", ["bot", "tests"])]
)
def test_what_is_declared_is_imported(extra: str, folders: list[str]) -> None:
    used = {name for folder in folders for name in third_party(folder)}
    assert declared(extra) - used - set(INDIRECT) == set()


def test_the_installed_version_is_the_programs() -> None:
    assert version("dalle-bot") == PROJECT["version"] == __version__


def test_what_is_no_program_is_installed_too() -> None:
    package = ROOT / "bot"
    installed = {path for pattern in PACKAGE_DATA["bot"] for path in package.glob(pattern) if path.is_file()}
    others = {path for path in package.rglob("*.*") if path.suffix not in (".py", ".pyc") and path.is_file()}
    assert package / "locales" / "de.po" in installed
    assert others <= installed


def test_the_demo_checkpoint_is_complete_and_small() -> None:
    files = {path.relative_to(DEMO_FOLDER).as_posix(): path.stat().st_size for path in DEMO_FOLDER.rglob("*.*")}
    for network in ("dalle_bart", "vqgan", "clip"):
        assert {f"{network}/config.json", f"{network}/flax_model.msgpack"} <= set(files)
    assert sum(files.values()) < MAX_DEMO_BYTES
