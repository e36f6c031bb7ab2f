"""`dalle-bot doctor`."""

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bot.commands.options import Config, Json, Model, read_settings

if TYPE_CHECKING:
    from bot.doctor.finding import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}


def doctor(
    model: Model = None,
    config: Config = None,
    api: Annotated[
        str | None,
        typer.Option(help="Where Discord's REST API is, if not at Discord; for development.", metavar="URL"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check what the bot needs, and say what to do where something is wrong. Needs no running bot."""
    settings = read_settings(config, model)
    # What is found is this command's output, and the log need not say it too; at debug it has the database's own words.
    if settings.log.level != "debug":
        logging.getLogger("bot").setLevel(logging.CRITICAL)
    from bot.doctor.discord_api import DISCORD_API
    from bot.doctor.examination import examine
    from bot.doctor.finding import Status

    console = Console(soft_wrap=True)

    async def run() -> "list[Finding]":
        findings = []
        async for finding in examine(settings, api=api or DISCORD_API):
            findings.append(finding)
            if not as_json:
                _show(console, finding)
        return findings

    findings = asyncio.run(run())
    num_failed = sum(finding.status is Status.FAILED for finding in findings)
    if as_json:
        print(json.dumps({"ok": not num_failed, "checks": [finding.to_json() for finding in findings]}))
    else:
        console.print("Nothing is wrong." if not num_failed else f"{num_failed} of {len(findings)} checks failed.")
    if num_failed:
        raise typer.Exit(1)


def _show(console: Console, finding: "Finding") -> None:
    console.print(f"{finding.status:<8}", style=_COLOURS[finding.status], end="")
    console.print(f"{finding.name:<12}{finding.found}", markup=False, highlight=False)
    if finding.fix is not None:
        console.print(f"{'':<20}→ {finding.fix}", markup=False, highlight=False)
