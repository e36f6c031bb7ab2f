"""The file for Ray Serve agrees with the code that it names and with the bot's settings.

It needs no Ray. What Serve itself says of the file is in tests/commands/test_deploy.py, for where Ray is installed.
"""

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.config import ExecutorSettings
from bot.config_loading import load_settings
from bot.deployment import serve

ROOT = Path(__file__).parents[2]


@pytest.fixture
def application() -> dict[str, Any]:
    (only,) = yaml.safe_load(serve())["applications"]
    loaded: dict[str, Any] = only
    return loaded


def named(path: str) -> ast.FunctionDef:
    """What `module:function` names, read from the source, as importing it would need Ray."""
    module, _, function = path.partition(":")
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8"))
    (found,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
    return found


def constant(module: str, name: str) -> str:
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8"))
    (value,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name
    ]
    return str(ast.literal_eval(value)) if value is not None else ""


def test_what_it_names_is_there_and_takes_what_it_is_given(application: dict[str, Any]) -> None:
    build = named(application["import_path"])
    assert len(build.args.args) == 1
    (deployment,) = application["deployments"]
    policy = named(deployment["autoscaling_config"]["policy"]["policy_function"])
    assert len(policy.args.args) == 1
    # Of what it is given, it reads `config`; any other number of the revision makes Serve exchange its replicas.
    asked = {node.value for node in ast.walk(build) if isinstance(node, ast.Constant)} & set(application["args"])
    assert asked == {"config"}
    assert set(application["args"]) == {"config", "revision"}


def test_the_bot_finds_what_it_deploys(application: dict[str, Any]) -> None:
    assert application["name"] == ExecutorSettings().application
    assert application["name"] == constant("bot.executor.ray.serving", "APPLICATION")
    (deployment,) = application["deployments"]
    assert deployment["name"] == constant("bot.executor.ray.serving", "DEPLOYMENT")


def test_one_replica_is_always_there_and_nothing_listens_for_http(application: dict[str, Any]) -> None:
    (deployment,) = application["deployments"]
    scaling = deployment["autoscaling_config"]
    # With none, the bot would wait for slots, and Serve for jobs.
    assert 1 <= scaling["min_replicas"] <= scaling["max_replicas"]
    assert yaml.safe_load(serve())["proxy_location"] == "Disabled"
    assert application["route_prefix"] is None


def test_whoever_waits_for_a_replica_waits_longer_than_its_last_jobs(
    application: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (deployment,) = application["deployments"]
    # A bot that stops lets what is drawn end; so does a replica, for no shorter time.
    assert deployment["graceful_shutdown_timeout_s"] >= load_settings(None).queue.drain_s
