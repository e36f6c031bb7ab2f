"""The dashboard and the alerts: they parse, they name metrics and labels that exist, and the README explains them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml

from bot.telemetry.metrics import Metrics
from bot.telemetry.resources import alerts, dashboard
from tests.test_readme import rows, section

# What Prometheus itself adds.
OF_PROMETHEUS = {"up": {"job", "instance"}}
TARGET_LABELS = {"job", "instance"}
SEVERITIES = {"info", "warning", "critical"}


def known() -> dict[str, set[str]]:
    """Each series' name, and the labels that it may have."""
    series = {name: set(labels) for name, labels in OF_PROMETHEUS.items()}
    for metric in Metrics().registry.collect():
        for sample in metric.samples:
            series.setdefault(sample.name, set(TARGET_LABELS)).update(sample.labels)
    return series


def selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    found: list[promql_parser.VectorSelector] = []

    def visit(node: promql_parser.Expr) -> None:
        # A range is visited too, and then what it is a range of.
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(expression), visit)
    yield from found


def problems(expression: str) -> list[str]:
    """What is wrong with an expression. Raises ValueError if it can't be parsed."""
    series = known()
    wrong = []
    used = list(selectors(expression))
    for selector in used:
        name = selector.name or ""
        if name not in series:
            wrong.append(f"there is no metric {name}")
            continue
        labels = {matcher.name for matcher in selector.matchers.matchers}
        wrong += [f"{name} has no label {label}" for label in labels - series[name]]
    return wrong if used else ["it names no metric"]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [panel for panel in json.loads(dashboard())["panels"] if panel["type"] != "row"]
    return found


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(alerts())["groups"] for rule in group["rules"]]


def kept(expression: str) -> set[str]:
    """The labels by which an expression's results differ, as far as a process and its kinds go."""
    by = re.search(r"(?:sum|min|max)(?: by \(([\w, ]+)\))? ?\(", expression)
    return {"instance"} if by is None else {label.strip() for label in (by[1] or "").split(",")}


def in_prometheus(expression: str) -> str:
    """With Grafana's variables replaced."""
    return expression.replace("$__rate_interval", "5m").replace("$job", "dalle-bot").replace("$instance", ".*")


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_every_panel_asks_for_metrics_that_exist(panel: dict[str, Any]) -> None:
    assert panel["description"]
    for target in panel["targets"]:
        expression = in_prometheus(target["expr"])
        assert "$" not in expression
        assert problems(expression) == []
        for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
            assert label in kept(expression), "the legend names a label that is kept"
        # Or several processes would be one line, or lines that nobody can tell apart.
        assert 'instance=~"$instance"' in target["expr"]
        if "instance" in kept(expression):
            assert "{{instance}}" in target["legendFormat"]


def test_the_dashboard_is_one_that_grafana_can_import() -> None:
    board = json.loads(dashboard())
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers))
    places = [panel["gridPos"] for panel in board["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells)), "panels overlap"
    assert max(x for x, _ in cells) < 24
    variables = {variable["name"] for variable in board["templating"]["list"]}
    assert variables == {"datasource", "job", "instance"}


def test_the_dashboard_shows_every_metric_but_two() -> None:
    expressions = [in_prometheus(target["expr"]) for panel in panels() for target in panel["targets"]]
    shown = {selector.name for expression in expressions for selector in selectors(expression)}
    names = {metric.name for metric in Metrics().registry.collect() if metric.name.startswith("dalle_bot_")}
    missing = {name for name in names if not {name, f"{name}_total", f"{name}_bucket"} & shown}
    assert missing == {"dalle_bot_build", "dalle_bot_guilds", "dalle_bot_gateway_shards"}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_is_complete_and_asks_for_metrics_that_exist(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in SEVERITIES
    assert set(rule["annotations"]) == {"summary", "description"}
    assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))
    assert problems(rule["expr"]) == []
    # Discord counts by address, which processes of one machine share, and moderators' cases are the community's.
    if rule["alert"] not in {"DalleBotRefusedByDiscord", "DalleBotReviewsWait"}:
        assert "{{ $labels.instance }}" in rule["annotations"]["description"]
        assert not re.search(r"sum ?\((?!.*by)|sum by \(le\)", rule["expr"]), "processes are told apart"


def test_a_standby_is_no_bot_without_a_gateway() -> None:
    (rule,) = [rule for rule in rules() if rule["alert"] == "DalleBotGatewayDown"]
    parsed = promql_parser.parse(rule["expr"])
    assert isinstance(parsed, promql_parser.BinaryExpr)
    assert str(parsed.op) == "unless"
    assert {selector.name for selector in selectors(str(parsed.lhs))} == {
        "dalle_bot_gateway_shards",
        "dalle_bot_gateway_shards_connected",
    }
    assert str(parsed.rhs) == str(promql_parser.parse("dalle_bot_standby == 1"))


def test_the_readme_explains_every_alert() -> None:
    explained = {name: cells for name, cells in rows(section("Alerts")).items() if name.startswith("DalleBot")}
    assert list(explained) == [rule["alert"] for rule in rules()]
    for means, to_do in explained.values():
        assert means
        assert to_do


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("dalle_bot_queue_lenght", "there is no metric dalle_bot_queue_lenght"),
        ('rate(dalle_bot_store_errors_total{knd="full"}[5m])', "dalle_bot_store_errors_total has no label knd"),
        ("1 + 1", "it names no metric"),
    ],
)
def test_a_mistake_would_be_found(expression: str, wrong: str) -> None:
    assert problems(expression) == [wrong]
