"""`dalle-bot deploy` prints what is in the package, and nothing else."""

import json

import yaml

from bot.telemetry.resources import alerts, dashboard
from tests.command_line import Call


def test_the_dashboard_is_printed(call: Call) -> None:
    outcome = call("deploy", "grafana")
    assert (outcome.code, outcome.out, outcome.err) == (0, dashboard(), "")
    assert json.loads(outcome.out)["title"] == "dalle-bot"


def test_the_alerts_are_printed(call: Call) -> None:
    outcome = call("deploy", "alerts")
    assert (outcome.code, outcome.out, outcome.err) == (0, alerts(), "")
    assert yaml.safe_load(outcome.out)["groups"]
