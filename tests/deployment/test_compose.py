"""The file for Docker Compose: valid by Compose's own schema, and it agrees with the image, the settings and itself."""

import importlib.resources
import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import check_jsonschema
import jsonschema
import pytest
import yaml
from sqlalchemy import make_url

from bot.config import TelemetrySettings
from bot.config_loading import load_settings
from bot.deployment import compose
from bot.telemetry import server
from tests.command_line import Call

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
HOW, _, _ = compose().partition("\nname:")
SECRETS = {"DISCORD_TOKEN": "a-token", "POSTGRES_PASSWORD": "s3cret/", "GRAFANA_PASSWORD": "another"}


@pytest.fixture
def file() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(compose())
    return loaded


def test_it_is_what_compose_specifies(file: dict[str, Any]) -> None:
    shipped = importlib.resources.files(check_jsonschema) / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(shipped.read_text(encoding="utf-8"))
    jsonschema.validate(file, schema, jsonschema.Draft202012Validator)
    file["services"]["bot"]["restarts"] = "always"
    with pytest.raises(jsonschema.ValidationError, match="restarts"):
        jsonschema.validate(file, schema, jsonschema.Draft202012Validator)


def test_every_secret_comes_from_the_file_beside_it_and_is_asked_for(file: dict[str, Any]) -> None:
    asked = re.findall(r"\$\{(\w+)(:\?[^}]+)?\}", compose())
    assert {name for name, _ in asked} == set(SECRETS)
    assert all(otherwise for _, otherwise in asked)
    (line,) = re.findall(r"printf .* > \.env", HOW)
    assert set(re.findall(r"([A-Z_]+)=%s", line)) == set(SECRETS)
    for service in file["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET|KEY", name):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name


def test_the_bot_understands_its_environment(file: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    services = file["services"]
    for name, value in services["bot"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{(\w+)[^}]*\}", lambda found: SECRETS[found[1]], value))
    settings = load_settings(None)
    assert settings.store.url is not None
    url = make_url(settings.store.url.get_secret_value())
    postgres = services["postgres"]["environment"]
    assert (url.host, url.username, url.database) == ("postgres", postgres["POSTGRES_USER"], postgres["POSTGRES_DB"])
    assert url.host in services
    assert (settings.telemetry.enabled, settings.telemetry.host, settings.log.as_json) == (True, "0.0.0.0", True)


def test_the_bot_fits_its_image(file: dict[str, Any]) -> None:
    bot = file["services"]["bot"]
    (data_dir,) = re.findall(r"DALLE_BOT_DATA_DIR=(\S+)", DOCKERFILE)
    assert bot["volumes"] == [f"bot:{data_dir}"]
    assert f"VOLUME {data_dir}" in DOCKERFILE
    (build,) = re.findall(r"docker build .*?(?=\s{2,}|$)", HOW, re.MULTILINE)
    words = shlex.split(build)
    assert words[words.index("-t") + 1] == bot["image"]
    argument, _, extra = words[words.index("--build-arg") + 1].partition("=")
    assert f"ARG {argument}=" in DOCKERFILE
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert {extra, "cuda"} <= set(extras)
    assert make_url("postgresql+psycopg://").get_driver_name() in " ".join(extras[extra])


@pytest.mark.parametrize(
    ("extras", "has_it"), [("", False), ("cuda", False), ("postgres", True), ("cuda,postgres", True)]
)
def test_the_image_has_what_backs_up_postgresql_where_it_has_a_driver_for_it(
    tmp_path: Path, extras: str, has_it: bool
) -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2].replace("\\\n", " ")
    (line,) = re.findall(r"^RUN (case .*)", last, re.MULTILINE)
    assert last.index("ARG EXTRAS") < last.index(line)
    program = tmp_path / "apt-get"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    said = line.replace("rm -rf", ": rm -rf")
    done = subprocess.run(
        ["/bin/sh", "-c", said],
        env={"PATH": str(tmp_path), "EXTRAS": extras},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("postgresql-client" in done.stdout) is has_it


def test_the_bot_has_no_more_rights_than_in_the_readme(file: dict[str, Any]) -> None:
    bot = file["services"]["bot"]
    (line,) = re.findall(r"^docker run -d .*", README, re.MULTILINE)
    assert (bot["read_only"], bot["tmpfs"], bot["cap_drop"]) == (True, ["/tmp"], ["ALL"])
    assert "--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges" in line
    assert bot["security_opt"] == ["no-new-privileges:true"]
    assert f"--stop-timeout {bot['stop_grace_period'].removesuffix('s')} " in line
    assert not {"privileged", "cap_add", "network_mode", "ports"} & set(bot)


def test_the_bot_is_asked_how_it_is_where_it_answers(file: dict[str, Any]) -> None:
    kind, program, *_, code = file["services"]["bot"]["healthcheck"]["test"]
    ((host, port, path),) = re.findall(r"http://([\d.]+):(\d+)(/\w+)'", code)
    assert (kind, host, int(port)) == ("CMD", "127.0.0.1", TelemetrySettings().port)
    assert f'add_get("{path}"' in Path(server.__file__).read_text("utf-8")
    compile(code, "healthcheck", "exec")
    assert program == "python"
    assert "PATH=/opt/dalle-bot/bin:" in DOCKERFILE


def test_nobody_waits_for_the_health_of_what_does_not_tell(file: dict[str, Any]) -> None:
    services = file["services"]
    waited = {name: how["condition"] for each in services.values() for name, how in each.get("depends_on", {}).items()}
    assert waited == {"postgres": "service_healthy"}
    check = services["postgres"]["healthcheck"]["test"]
    environment = services["postgres"]["environment"]
    assert f"--username={environment['POSTGRES_USER']}" in check
    assert f"--dbname={environment['POSTGRES_DB']}" in check


def test_services_find_each_other(file: dict[str, Any]) -> None:
    services, configs = file["services"], file["configs"]
    scraped = yaml.safe_load(configs["prometheus"]["content"])
    assert scraped["scrape_configs"][0]["job_name"] == "dalle-bot", "by that the alerts select"
    assert scraped["scrape_configs"][0]["static_configs"] == [{"targets": [f"bot:{TelemetrySettings().port}"]}]
    (source,) = yaml.safe_load(configs["grafana-datasources"]["content"])["datasources"]
    ((host, port),) = re.findall(r"http://(\w+):(\d+)", source["url"])
    assert host in services
    assert port == "9090"


def test_what_is_printed_lies_where_it_is_read(file: dict[str, Any], call: Call) -> None:
    """Each file that a service takes from beside the compose file is one that its first lines write, and the other way
    round; Prometheus and Grafana look for them where they are put."""
    written = dict(re.findall(r"dalle-bot deploy (\w+) > (\S+)", HOW))
    assert written.pop("compose") == "compose.yaml"
    mounted = {}
    for service in file["services"].values():
        for volume in service["volumes"]:
            source, target = volume.split(":")[:2]
            if source.startswith("./"):
                mounted[source.removeprefix("./")] = PurePosixPath(target)
    assert set(written.values()) == set(mounted)
    assert all(call("deploy", what).code == 0 for what in written)
    (rules,) = yaml.safe_load(file["configs"]["prometheus"]["content"])["rule_files"]
    (beside,) = [PurePosixPath(each["target"]).parent for each in file["services"]["prometheus"]["configs"]]
    assert mounted[written["alerts"]] == beside / rules
    (provider,) = yaml.safe_load(file["configs"]["grafana-dashboards"]["content"])["providers"]
    assert str(mounted[written["grafana"]].parent) == provider["options"]["path"]
