"""`dalle-bot deploy` prints what is in the package, and nothing else."""

import json

import pytest
import yaml

from bot.deployment import compose, serve
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


def test_services_for_compose_are_printed(call: Call) -> None:
    outcome = call("deploy", "compose")
    assert (outcome.code, outcome.out, outcome.err) == (0, compose(), "")
    file = yaml.safe_load(outcome.out)
    assert set(file["services"]) == {"bot", "postgres", "prometheus", "grafana"}
    used = {volume.split(":")[0] for service in file["services"].values() for volume in service["volumes"]}
    assert {name for name in used if not name.startswith("./")} == set(file["volumes"])
    mounted = {each["source"] for service in file["services"].values() for each in service.get("configs", ())}
    assert mounted == set(file["configs"])
    assert all(port.startswith("127.0.0.1:") for each in file["services"].values() for port in each.get("ports", ()))


def test_engines_for_ray_are_printed_and_valid(call: Call) -> None:
    outcome = call("deploy", "ray")
    assert (outcome.code, outcome.out, outcome.err) == (0, serve(), "")
    schema = pytest.importorskip("ray.serve.schema")
    (application,) = schema.ServeDeploySchema.model_validate(yaml.safe_load(outcome.out)).applications
    assert application.import_path == "bot.executor.ray.serving:build"
    (deployment,) = application.deployments
    assert deployment.autoscaling_config["policy"]["policy_function"] == "bot.executor.ray.serving:desired_replicas"
