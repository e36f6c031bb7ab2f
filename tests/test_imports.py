"""The floors of the architecture: imports go to their own floor or down, and heavy libraries stay where they belong.

Imports are read from the source, so lazy ones inside functions and those for type checking count as well.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]

FLOORS: Final = {
    6: {
        "bot.__main__",
        "bot.app",
        "bot.commands",
        "bot.imagine",
        "bot.observing",
        "bot.stopping",
        "bot.sandbox",
        "bot.bench",
        "bot.doctor",
    },
    5: {
        "bot.client",
        "bot.cogs",
        "bot.views",
        "bot.message_text",
        "bot.render",
        "bot.error_handler",
        "bot.discord_requests",
        "bot.fence",
        "bot.shard_events",
        "bot.shard_owner",
    },
    4: {"bot.executor"},
    3: {"bot.backups", "bot.engine", "bot.moderation", "bot.store", "bot.pictures", "bot.collage", "bot.kept_png"},
    2: {"bot.checkpoints", "bot.demo", "bot.fetch"},
    1: {"bot.models"},
    0: {
        "bot.c_heap",
        "bot.catalogues",
        "bot.code_version",
        "bot.config",
        "bot.config_loading",
        "bot.config_values",
        "bot.config_words",
        "bot.deployment",
        "bot.errors",
        "bot.guild_settings",
        "bot.image_rule",
        "bot.language",
        "bot.lasting_file",
        "bot.log",
        "bot.log_context",
        "bot.lone_thread",
        "bot.messages",
        "bot.private_files",
        "bot.requests",
        "bot.role_limits",
        "bot.sanction_ladder",
        "bot.shards",
        "bot.small_file",
        "bot.startup",
        "bot.telemetry",
        "bot.toml_file",
        "bot.variants",
    },
}
FLOOR_OF: Final = {part: floor for floor, parts in FLOORS.items() for part in parts}

# Library → the modules and packages that may import it.
LIBRARIES: Final = {
    "jax": {part for floor in (1, 2, 3) for part in FLOORS[floor]} | {"bot.executor.worker", "bot.bench"},
    "discord": FLOORS[5] | {"bot.app", "bot.sandbox"},
    "ray": {f"bot.executor.ray.{name}" for name in ("serving", "connecting", "joining", "membership", "own_cluster")},
}
# Whoever imports one of these has JAX loaded.
SAME_AS: Final = {"jaxlib": "jax", "flax": "jax", "optax": "jax"}


def part_of(module: str) -> str:
    """bot.engine.slots → bot.engine."""
    return ".".join(module.split(".")[:2])


def imported(module: str, source: str, *, is_package: bool = False) -> Iterator[str]:
    """Absolute names of what `source` imports, each as deep as it is written: `from a import b` gives "a.b"."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def violations(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """What is wrong with the imports of `module`, a sentence each."""
    sentences = []
    if module != "bot" and part_of(module) not in FLOOR_OF:
        sentences.append(f"{module} stands on no floor: add {part_of(module)} to FLOORS and to the architecture.")
    floor = FLOOR_OF.get(part_of(module), 0)
    for name in imported(module, source, is_package=is_package):
        if FLOOR_OF.get(part_of(name), 0) > floor:
            sentences.append(f"{module} (floor {floor}) imports {name} (floor {FLOOR_OF[part_of(name)]}).")
        top = name.split(".")[0]
        allowed = LIBRARIES.get(SAME_AS.get(top, top))
        if allowed is not None and not allowed & {module, part_of(module)}:
            sentences.append(f"{module} imports {name}, which only {', '.join(sorted(allowed))} may.")
    return sentences


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / "bot").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


@pytest.mark.parametrize(("module", "path"), [pytest.param(*found, id=found[0]) for found in modules()])
def test_imports_go_down(module: str, path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert violations(module, source, is_package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "source", "culprit"),
    [
        ("bot.store.jobs", "import bot.cogs.imagine", "bot.cogs.imagine (floor 5)"),
        ("bot.store.jobs", "from bot.executor.base import Executor", "bot.executor.base.Executor (floor 4)"),
        ("bot.models.clip", "from bot import engine", "bot.engine (floor 3)"),
        ("bot.models.clip", "from ..demo import draw", "bot.demo.draw (floor 2)"),
        ("bot.models", "from .clip import x\nfrom ..app import y", "bot.app.y (floor 6)"),
        (
            "bot.errors",
            "def late():\n    from bot.config import Settings\n    import bot.models",
            "bot.models (floor 1)",
        ),
        ("bot", "from bot.app import main", "bot.app.main (floor 6)"),
        ("bot.client", "import jax.numpy as jnp", "jax.numpy"),
        ("bot.executor.local", "from flax import nnx", "flax.nnx"),
        ("bot.config", "import optax", "optax"),
        ("bot.executor.local", "import discord", "discord"),
        ("bot.doctor", "from discord.ext import commands", "discord.ext.commands"),
        ("bot.executor.base", "import ray", "ray"),
        ("bot.newcomer", "", "bot.newcomer stands on no floor"),
    ],
)
def test_an_upward_or_misplaced_import_is_found(module: str, source: str, culprit: str) -> None:
    found = violations(module, source, is_package=module in ("bot", "bot.models"))
    assert len(found) == 1
    assert culprit in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("bot.cogs.imagine", "import discord\nfrom bot.executor.base import Executor\nfrom bot import __version__"),
        ("bot.executor.worker", "import jax\nfrom bot.engine import base"),
        ("bot.executor.ray.serving", "import ray.serve"),
        ("bot.engine.engine", "from flax import nnx\nfrom . import base\nfrom .slots import Slots"),
        ("bot.engine.ranking", "from bot.collage import make_collage"),
        ("bot.bench.decode", "import jax"),
    ],
)
def test_what_is_allowed(module: str, source: str) -> None:
    assert violations(module, source) == []


def test_every_module_is_looked_at() -> None:
    names = {module for module, _ in modules()}
    assert {"bot", "bot.errors", "bot.engine", "bot.engine.base", "bot.store.migrations.env"} <= names
