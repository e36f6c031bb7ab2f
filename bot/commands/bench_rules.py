"""`dalle-bot bench rules`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from bot.commands.options import Json

Words = Annotated[
    list[Path] | None,
    typer.Option(help="A list with a word a line, such as /usr/share/dict/american-english-large.", metavar="FILE"),
]


def rules(words: Words = None, as_json: Json = False) -> None:
    """Disguise the starter list's terms, look for false alarms in lists of words, time 10,000 rules. Exit code 1 where
    a goal is missed."""
    from bot.bench.rules import measure_rules

    report = measure_rules(words or [])
    print(json.dumps(report.to_json()) if as_json else report)
    if report.missed:
        raise typer.Exit(1)
