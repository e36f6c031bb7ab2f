import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from bot.config import ExecutorSettings, Settings, default_data_dir
from bot.config_loading import key_paths, load_settings
from bot.config_words import expected
from bot.errors import ConfigError
from bot.shards import ALL_SHARDS, Shards

EXAMPLE = Path(__file__).parents[1] / "config.example.toml"
FAKE_TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.abcdefghijklmnopqrstuvwxyz0123456789AB"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("DALLE_BOT_") or name == "DISCORD_TOKEN":
            monkeypatch.delenv(name)


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path | None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert caught.value.__cause__ is None
    return str(caught.value)


def flat(settings: Settings) -> dict[str, Any]:
    """Path → value, with the names that the file uses."""
    dumped = settings.model_dump(by_alias=True)
    values = {}
    for path in key_paths():
        value: Any = dumped
        for part in path.split("."):
            value = value[part]
        values[path] = value
    return values


def flat_toml(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, dict):
            yield from flat_toml(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def test_example_holds_every_key_and_no_other() -> None:
    with_all_keys = re.sub(r"(?m)^#(?=\w+ = )", "", EXAMPLE.read_text(encoding="utf-8"))
    assert sorted(path for path, _ in flat_toml(tomllib.loads(with_all_keys))) == sorted(key_paths())


def test_key_paths_are_the_fields_of_the_settings() -> None:
    dumped = Settings().model_dump(by_alias=True)
    assert sorted(key_paths()) == sorted(path for path, _ in flat_toml(dumped))


def test_example_shows_the_defaults() -> None:
    shown = dict(flat_toml(tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))))
    defaults = flat(Settings())
    assert shown == {path: defaults[path] for path in shown}
    hidden = set(defaults) - set(shown)
    assert {path for path in hidden if defaults[path] is not None} == {"data_dir"}
    assert load_settings(EXAMPLE) == Settings()


def test_example_with_its_commented_keys_is_valid(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, re.sub(r"(?m)^#(?=\w+ = )", "", EXAMPLE.read_text(encoding="utf-8"))))
    assert settings.discord.dev_guild_id is not None
    assert settings.data_dir == Path("~/.local/share/dalle-bot").expanduser()


def test_every_key_of_the_example_has_a_comment() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#?\w+ = ", line):
            block = lines[:number][::-1]
            above = next(other for other in block if not re.match(r"#?\w+ = ", other))
            assert above.startswith("# "), f"line {number + 1}: {line}"


def test_defaults() -> None:
    settings = load_settings()
    assert settings.data_dir == default_data_dir()
    assert settings.discord.token is None
    assert settings.store_url == f"sqlite+aiosqlite:///{default_data_dir().as_posix()}/dalle-bot.sqlite3"
    assert settings.compile_cache_dir == default_data_dir() / "compile-cache"
    assert settings.pictures_dir == default_data_dir() / "pictures"


def test_derived_paths_follow_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, f"data_dir = '{tmp_path}'\n[engine]\ncompile_cache = false\n")
    settings = load_settings(path)
    assert settings.compile_cache_dir is None
    assert settings.store_url == f"sqlite+aiosqlite:///{tmp_path.as_posix()}/dalle-bot.sqlite3"
    settings = load_settings(write(tmp_path, "[store]\nurl = 'postgresql+psycopg://u:hunter2secret@db/bot'\n"))
    assert settings.store_url == "postgresql+psycopg://u:hunter2secret@db/bot"
    assert "hunter2secret" not in repr(settings)


def test_environment_overrides_one_key_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "[queue]\nmax_jobs = 5\nmax_jobs_per_user = 2\n[log]\njson = true\n")
    monkeypatch.setenv("DALLE_BOT_QUEUE__MAX_JOBS", "7")
    monkeypatch.setenv("DALLE_BOT_LOG__LEVEL", "WARNING")
    settings = load_settings(path)
    assert (settings.queue.max_jobs, settings.queue.max_jobs_per_user) == (7, 2)
    assert settings.log.level == "warning"
    assert settings.log.as_json is True


def test_empty_variables_set_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALLE_BOT_QUEUE__MAX_JOBS", "")
    monkeypatch.setenv("DISCORD_TOKEN", "")
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("in_file", "short", "long", "expected"),
    [
        ("file", None, None, "file"),
        ("file", " short\n", None, "short"),
        ("file", "short", "long", "long"),
        ("  ", None, None, None),
    ],
)
def test_where_the_token_comes_from(
    in_file: str,
    short: str | None,
    long: str | None,
    expected: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if short:
        monkeypatch.setenv("DISCORD_TOKEN", short)
    if long:
        monkeypatch.setenv("DALLE_BOT_DISCORD__TOKEN", long)
    settings = load_settings(write(tmp_path, f"[discord]\ntoken = '{in_file}'\n"))
    assert settings.discord.token == (SecretStr(expected) if expected else None)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().queue.max_jobs = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[queue]\nmax_jobs = 0\n", "queue.max_jobs is 0; expected a whole number from 1 to 100000."),
        ("[queue]\nmax_jobs = 'many'\n", "queue.max_jobs is 'many'; expected a whole number from 1 to 100000."),
        ("[log]\njson = 'perhaps'\n", "log.json is 'perhaps'; expected true or false."),
        ("[log]\nlevel = 'loud'\n", "log.level is 'loud'; expected 'debug', 'info', 'warning' or 'error'."),
        ("[model]\ndtype = 'int4'\n", "model.dtype is 'int4'; expected 'auto', 'float32', 'bfloat16' or 'float16'."),
        ("[model]\nname = ''\n", "model.name is ''; expected text in quotes, not empty."),
        (
            "[imagine]\nmax_images = 4\n",
            "imagine.default_images is 9; expected at most imagine.max_images, which is 4.",
        ),
        (
            "[store]\nmax_picture_bytes = 10\n",
            "store.max_picture_bytes is 10; expected a whole number of at least 1048576.",
        ),
        ("[sharding]\nids = '0-3'\n", "sharding.ids needs sharding.count, the number of all shards"),
        ("[sharding]\ncount = 3\nids = '0-3'\n", "sharding.ids is 0-3; expected less than the count, 3."),
        ("[sharding]\ncount = 3\nids = 'a'\n", "sharding.ids is 'a'; expected shards such as \"0-3\" or [0, 1, 2, 3]."),
        (
            "[sharding]\ncount = 3\nids = [0, 0]\n",
            "sharding.ids has a wrong value (not shown); expected each shard",
        ),
        ("[sharding]\ncount = 3\nids = '0-1'\n", "sharding.ids leaves shards to other processes, for which store.url"),
        ("queue = 3\n", "queue has a wrong value (not shown); expected"),
        ("[queue]\nmax_job = 3\n", "there is no setting queue.max_job; did you mean queue.max_jobs?"),
        ("max_jobs = 3\n", "there is no setting max_jobs; did you mean queue.max_jobs?"),
        ("[queu]\nmax_jobs = 3\n", "there is no setting queu; did you mean queue?"),
        (
            "[queue]\nzzz = 3\n",
            "there is no setting queue.zzz; [queue] has max_jobs, max_jobs_per_user, max_jobs_per_guild,",
        ),
        ("zzz = 3\n", "there is no setting zzz; there are data_dir, discord, sharding,"),
        ("_env_file = '.env'\n", "there is no setting _env_file;"),
        ("[queue]\nmax_jobs = true\n", "queue.max_jobs is true; expected a whole number from 1 to 100000."),
        ("[queue]\ndrain_s = true\n", "queue.drain_s is true; expected a number from 0 to 86400."),
        (
            "[engine]\nmemory_fraction = nan\n",
            "engine.memory_fraction is nan; expected a number above 0 and at most 1.",
        ),
        (f"[engine]\nnum_slots = 0x{'F' * 5000}\n", "engine.num_slots is too large; expected a whole number from 1 to"),
        (f"[log]\nlevel = '{'a' * 500}'\n", "log.level is too long; expected 'debug', 'info',"),
        (
            "[discord]\nallowed_guilds = [true]\n",
            "discord.allowed_guilds has a wrong value (not shown); expected a list",
        ),
        (
            "[discord]\nallowed_guilds = [5, 0]\n",
            "discord.allowed_guilds has a wrong value (not shown); expected a list",
        ),
    ],
)
def test_wrong_keys_and_values_are_named(text: str, sentence: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    assert refusal(path).startswith(f"{path}: {sentence}")


@pytest.mark.parametrize("given", ["0-1", "[0, 1]", "1,0"])
def test_shards_come_from_file_or_environment(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "[sharding]\ncount = 3\n[store]\nurl = 'postgresql+psycopg://u@db/bot'\n")
    assert load_settings(path).shards == ALL_SHARDS
    monkeypatch.setenv("DALLE_BOT_SHARDING__IDS", given)
    settings = load_settings(path)
    assert settings.shards == Shards(3, (0, 1))
    monkeypatch.setenv("DALLE_BOT_SHARDING__IDS", "2")
    assert load_settings(path).shards == Shards(3, (2,))


def test_all_shards_in_one_process_need_no_postgresql(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "[sharding]\ncount = 2\nids = '0-1'\n"))
    assert settings.shards.are_all


def test_every_problem_gets_a_line_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = "[queue]\nmax_jobs = 0\nmax_job = 3\n[engine]\nnum_slots = -1\n[discord]\nallowed_guilds = [0, -1]\n"
    path = write(tmp_path, f"zzz = 1\n{tables}[imagine]\nmax_images = 4\n")
    for name in ("LOG__LEVEL", "LOG__ZZZ", "TELEMETRY__PORT__ZZZ"):
        monkeypatch.setenv(f"DALLE_BOT_{name}", "x")
    assert [re.split(" is | has | sets ", line)[0] for line in refusal(path).splitlines()] == [
        f"{path}: there",
        f"{path}: there",
        "The environment variable DALLE_BOT_LOG__ZZZ",
        "The environment variable DALLE_BOT_TELEMETRY__PORT__ZZZ",
        f"{path}: discord.allowed_guilds",
        f"{path}: engine.num_slots",
        f"{path}: queue.max_jobs",
        f"{path}: imagine.default_images",
        "The environment variable DALLE_BOT_LOG__LEVEL: log.level",
    ]


@pytest.mark.parametrize("key", key_paths())
def test_what_a_key_may_be_is_said_in_our_words(key: str, tmp_path: Path) -> None:
    section, _, last = key.rpartition(".")
    path = write(tmp_path, f"{f'[{section}]' if section else ''}\n{last} = 2026-01-01\n")
    assert refusal(path).endswith(f"; expected {expected(key)}.")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DALLE_BOT_QUEUE__MAX_JOBS", "x", "The environment variable DALLE_BOT_QUEUE__MAX_JOBS: queue.max_jobs is 'x'"),
        ("DALLE_BOT_QUEUE__MAX_JOB", "1", "DALLE_BOT_QUEUE__MAX_JOB sets nothing; did you mean DALLE_BOT_QUEUE__MAX_J"),
        ("DALLE_BOT_QUEUE_MAX_JOBS", "1", "DALLE_BOT_QUEUE_MAX_JOBS sets nothing; did you mean DALLE_BOT_QUEUE__MAX_J"),
        ("DALLE_BOT_ZZZ__ZZZ", "1", "DALLE_BOT_ZZZ__ZZZ sets nothing: no setting has that name."),
        (
            "DALLE_BOT_QUEUE",
            "{",
            "The environment variable DALLE_BOT_QUEUE: queue has a wrong value (not shown); expected a ",
        ),
        ("DALLE_BOT_QUEUE", '{"zz": 1}', "The environment variable DALLE_BOT_QUEUE: there is no setting queue.zz; "),
        ("DALLE_BOT_QUEUE", '{"max_jobs": 0}', "The environment variable DALLE_BOT_QUEUE: queue.max_jobs is 0; "),
    ],
)
def test_wrong_variables_are_named(name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert sentence in refusal(None)


def test_variables_that_are_not_ours_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALLE_BOT_PORT_80_TCP_ADDR", "10.0.0.1")
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    "text",
    [
        f"[discord]\ntoken = ['{FAKE_TOKEN}']\n",
        f"[discord]\ntokn = '{FAKE_TOKEN}'\n",
        f"[discord]\ndev_guild_id = '{FAKE_TOKEN}'\n",
        f"discord = '{FAKE_TOKEN}'\n",
        f"[model]\nname = ['{FAKE_TOKEN}']\n",
        f"[discord]\ntoken = {FAKE_TOKEN}\n",
    ],
)
def test_refusals_never_show_a_token(text: str, tmp_path: Path) -> None:
    assert FAKE_TOKEN[:12] not in refusal(write(tmp_path, text))


def test_broken_toml_names_file_and_line(tmp_path: Path) -> None:
    path = write(tmp_path, "[queue]\nmax_jobs 3\n")
    message = refusal(path)
    assert str(path) in message
    assert "line 2" in message


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    missing = tmp_path / "absent.toml"
    assert refusal(missing) == f"There is no configuration file {missing}: copy config.example.toml there."
    latin = tmp_path / "latin.toml"
    latin.write_bytes("# für\n".encode("latin-1"))
    assert "is not UTF-8 text" in refusal(latin)
    with pytest.raises(ConfigError, match="can't be read"):
        load_settings(tmp_path)


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_variable_does_not_open_every_server(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("DALLE_BOT_DISCORD__ALLOWED_GUILDS", value)
    with pytest.raises(
        ConfigError, match="DALLE_BOT_DISCORD__ALLOWED_GUILDS is empty; expected a list of ids of servers such as"
    ):
        load_settings()


@pytest.mark.parametrize(("value", "guilds"), [("[]", ()), ("[5, 7]", (5, 7))])
def test_allowed_guilds_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, value: str, guilds: tuple[int, ...]
) -> None:
    monkeypatch.setenv("DALLE_BOT_DISCORD__ALLOWED_GUILDS", value)
    assert load_settings().discord.allowed_guilds == guilds


@pytest.mark.parametrize("value", ["5, 7", "[5, 'x']", '["Sandbox"]', "[0]", "{}"])
def test_a_list_of_guilds_that_cannot_be_read_starts_nothing(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("DALLE_BOT_DISCORD__ALLOWED_GUILDS", value)
    with pytest.raises(
        ConfigError,
        match=r"^The environment variable \S+: discord.allowed_guilds (is|has) .* expected a list of ids of servers",
    ):
        load_settings()


@pytest.mark.parametrize(
    "address", ["somewhere", ":6379", "head:", "head:ray", "head:0", "head:65536", "http://a:1", "::1:6379"]
)
def test_a_cluster_s_address_has_a_host_and_a_port(tmp_path: Path, address: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[executor]\naddress = "{address}"\n')
    assert f"executor.address is '{address}'; expected \"auto\" for the cluster of this machine, or" in refusal(file)


@pytest.mark.parametrize("address", ["auto", "head:6379", "10.0.0.1:6379", "[::1]:6379"])
def test_a_cluster_s_address_is_taken_as_it_is(address: str) -> None:
    assert Settings(executor=ExecutorSettings(address=address)).executor.address == address


def test_ray_s_own_client_is_no_address(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[executor]\naddress = "ray://head:10001"\n')
    assert "executor.address is 'ray://head:10001'; expected the head's host:port" in refusal(file)
