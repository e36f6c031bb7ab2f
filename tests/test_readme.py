"""The README says what the program does: commands parse and run, tables match the code, the invite link is exact."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import discord
import pytest
import typer

from bot.__main__ import app
from bot.cogs.imagine import ImagineCog
from bot.cogs.permissions import PERMISSION_NAMES, invite_link
from bot.config import Settings
from bot.config_loading import key_paths
from bot.demo.grammar import COLOURS, RELATIONS, SHAPES, SIZES
from bot.fetch.source import DEFAULT_CLIP, DEFAULT_VQGAN, RELEASED
from bot.moderation.authority import COMMANDS, MENUS, PRESSES, Need
from tests.cogs.test_authority import PEOPLE
from tests.conftest import COLD_START_S

ROOT: Final = Path(__file__).parents[1]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND: Final = re.compile(r"`/([a-z -]+)`")
SETUP: Final = "python3 -m venv .venv && .venv/bin/pip install -e {} && "


def section(title: str) -> str:
    """The text under a heading, up to the next one of its level or above."""
    match = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)", README, re.MULTILINE | re.DOTALL)
    assert match, f"the README has no section {title}"
    return match[2]


def rows(text: str) -> dict[str, list[str]]:
    """Tables: first cell, without its backquotes → the other cells."""
    lines = [line.strip("|") for line in re.findall(r"^\| .*\|$", text, re.MULTILINE)]
    cells = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    return {first.strip("`"): others for first, *others in cells if first}


def anchor(title: str) -> str:
    """What a link to a heading names, by GitHub's rule."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def shell_lines() -> list[str]:
    """Every line of every block of shell commands, without its indentation."""
    blocks = re.findall(r"^ *```bash\n(.*?)^ *```", README, re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines()]


def set_up(extra: str) -> list[str]:
    """What the README's one-line set-up of the package, or of an extra, runs afterwards: its words."""
    start = SETUP.format(extra)
    (line,) = (line for line in shell_lines() if line.startswith(start))
    return shlex.split(line.removeprefix(start))


def bot_commands() -> Iterator[list[str]]:
    """The words of every dalle-bot command, in blocks and in running text."""
    inline = re.findall(r"`(dalle-bot [^`]*)`", README)
    for line in (*shell_lines(), *inline):
        for command in line.split(" && "):
            program, *words = shlex.split(command)
            if Path(program).name == "dalle-bot":
                yield list(takewhile(lambda word: word != ">", words))


@pytest.mark.slow
def test_the_main_command_draws_in_the_sandbox(tmp_path: Path) -> None:
    """Run as it stands, but for the installation, which .ci/run and the Dockerfile exercise."""
    program, *words = set_up(".")
    assert program == ".venv/bin/dalle-bot"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DALLE_BOT_", "DISCORD_"))}
    done = subprocess.run(
        [sys.executable, "-m", "bot", *words, "--json"],
        cwd=tmp_path,
        env=environment | {"DALLE_BOT_DATA_DIR": str(tmp_path / "data"), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=COLD_START_S,
        check=True,
    )
    transcript: list[dict[str, Any]] = json.loads(done.stdout)["transcript"]
    (saved,) = transcript[-1]["files"]
    assert (tmp_path / "out" / saved).read_bytes().startswith(b"\x89PNG")


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    assert set_up("'.[test]'") == [".venv/bin/python", "-m", "pytest", "-n", "auto"]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    found = re.search(r"^test_command=\$\(grep --max-count=1 '(.*)' README\.md\)$", script, re.MULTILINE)
    assert found, "the script takes the command from the README"
    assert len(re.findall(found[1], README, re.MULTILINE)) == 1


@pytest.mark.parametrize("words", list(bot_commands()), ids=" ".join)
def test_commands_parse(words: list[str]) -> None:
    group: Any = typer.main.get_command(app)
    name, *arguments = words
    command = group.commands[name]
    command.make_context(name, arguments)


def test_every_command_is_listed() -> None:
    group: Any = typer.main.get_command(app)
    listed = {shlex.split(row)[1] for row in rows(section("Commands")) if row.startswith("dalle-bot ")}
    assert listed == set(group.commands)


def test_the_invite_link_asks_for_what_the_bot_needs() -> None:
    (link,) = re.findall(r"https://discord\.com/oauth2/authorize\S+", README)
    assert link == invite_link(1).replace("client_id=1&", "client_id=APPLICATION_ID&")
    (value,) = parse_qs(urlsplit(link).query)["permissions"]
    told = re.search(rf"`{value}` is exactly these (\w+) permissions.*?: (.*?)\.", README, re.DOTALL)
    assert told
    assert told[1] == "five"
    assert re.split(r",\s+", " ".join(told[2].split())) == list(map(str, PERMISSION_NAMES.values()))


def test_every_setting_is_listed_with_its_default() -> None:
    defaults = Settings().model_dump(by_alias=True)
    listed = rows(section("Configuration"))
    del listed["key"]
    assert list(listed) == key_paths()
    for path, (shown, _) in listed.items():
        value: Any = defaults
        for part in path.split("."):
            value = value[part]
        if path != "data_dir":
            assert shown == ("–" if value is None else f"`{json.dumps(value)}`"), path


def test_every_option_of_imagine_is_listed_with_its_range() -> None:
    parameters = {parameter.name: parameter for parameter in ImagineCog.imagine.parameters}
    # One row stands for all prompts after the first.
    for name in ("prompt3", "prompt4"):
        del parameters[name]
    listed = {option: row for option, row in rows(section("Commands")).items() if option in parameters}
    assert list(listed) == list(parameters)
    for name, parameter in parameters.items():
        bounds = [f"{bound:.10g}" for bound in (parameter.min_value, parameter.max_value) if bound is not None]
        is_text = parameter.type is discord.AppCommandOptionType.string
        assert listed[name][0].startswith(f"up to {bounds[1]}" if is_text else " to ".join(bounds)), name


def permission_table() -> str:
    """What the README says of who may do what."""
    lines = ["| who | commands and menus | controls |", "|---|---|---|"]
    for need in Need:
        commands = [f"`/{name}`" for name, needed in COMMANDS.items() if needed is need]
        menus = [f"**{name}**" for name, needed in MENUS.items() if needed is need]
        controls = [f"`{name}`" for name, needed in PRESSES.items() if needed is need]
        lines.append(f"| {need.value} | {', '.join([*commands, *menus]) or '–'} | {', '.join(controls) or '–'} |")
    return "\n".join(lines)


def test_who_may_do_what_is_what_the_table_in_the_code_says() -> None:
    table = permission_table()
    assert table in section("Who may do what"), f"the README needs this table:\n{table}"


def test_the_figures_of_who_may_do_what_are_those_of_the_test() -> None:
    text = " ".join(section("Who may do what").split())
    of_moderators = [name for name in COMMANDS if name.startswith("mod ")]
    assert (
        f"{len(COMMANDS)} commands, of which {len(of_moderators)} are `/mod`'s, {len(MENUS)} menus and {len(PRESSES)} "
        f"controls, each as {len(PEOPLE)} kinds of members."
    ) in text


def test_every_command_of_moderators_is_in_the_table_by_task() -> None:
    table = section("The commands of moderators").partition("\n### ")[0]
    listed = [name for cells in rows(table).values() for name in COMMAND.findall(cells[0])]
    assert sorted(listed) == sorted(name for name in COMMANDS if name.startswith("mod "))


def test_the_contents_list_every_chapter_in_order() -> None:
    contents = README.partition("**Contents**")[2].partition("\n## ")[0]
    chapters = [anchor(title) for title in re.findall(r"^## (.*)$", README, re.MULTILINE)]
    assert re.findall(r"^- \[[^]]*\]\(#([^)]*)\)", contents, re.MULTILINE) == chapters


def test_the_demos_words() -> None:
    words = {row: cells[0].split(", ") for row, cells in rows(section("Try it")).items()}
    assert words["colours"] == list(COLOURS)
    assert words["shapes"] == list(SHAPES)
    assert words["sizes"] == list(SIZES)
    assert words["relations of two objects"] == list(RELATIONS)


def test_the_models_names() -> None:
    listed = rows(section("Models"))
    assert {"demo", *RELEASED} <= set(listed)
    for name, hub_id in RELEASED.items():
        assert f"https://huggingface.co/{hub_id}" in listed[name][0]
    assert f"`{DEFAULT_VQGAN.repo_id}`" in README
    assert f"`{DEFAULT_CLIP.repo_id}`" in README


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", README))))
def test_local_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).is_file()


def test_links_into_the_readme_name_a_heading() -> None:
    headings = set(map(anchor, re.findall(r"^#+ (.*)$", README, re.MULTILINE)))
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= headings


def test_every_folder_and_file_of_the_package_has_its_floor() -> None:
    floors = section("Architecture")
    named = set(re.findall(r"`([a-z_]+(?:\.py|/))`", floors))
    there = {f"{path.name}/" if path.is_dir() else path.name for path in (ROOT / "bot").iterdir()}
    assert there - {"__init__.py", "__pycache__/", "py.typed"} == named
