"""The command line: exit codes, what goes to which stream, and that help needs no JAX."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bot.app
import bot.engine.open
from bot.checkpoints.arrays import Arrays, read_arrays, write_msgpack
from bot.code_version import code_version
from bot.collage import read_metadata
from bot.config import STORE_FILE, Settings
from bot.engine.fake import FakeEngine
from bot.errors import CheckpointMismatchError, ClusterNotReadyError, ConfigError, DalleBotError
from bot.fetch.locate import DEMO_FOLDER
from bot.sandbox import Event, EventKind
from bot.startup import StartUp
from tests.command_line import Call, Outcome, call, clean_surroundings, opened

__all__ = ["call", "clean_surroundings", "opened"]


def test_the_version(call: Call) -> None:
    assert call("--version") == Outcome(0, f"{code_version()}\n", "")


def test_help_names_every_command_and_needs_no_heavy_library() -> None:
    program = (
        "import sys; from bot.__main__ import app; app(['--help'], standalone_mode=False);"
        "print(sorted({'jax', 'flax', 'discord', 'sqlalchemy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    for command in ("imagine", "run", "sandbox", "train-demo"):
        assert f" {command} " in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["imagine", ""], "The prompt is empty"),
        (["imagine", " \t\n "], "The prompt is empty"),
        (["imagine", "x" * 1001], "at most 1000 are allowed"),
        (["imagine", "🎈🎈"], "no letters or digits"),
        (["imagine", "a\x07b"], "control character (U+0007)"),
        (["imagine", "a circle", "--images", "0"], "images must be between 1 and 9, not 0"),
        (["imagine", "a circle", "--images", "10"], "images must be between 1 and 9, not 10"),
        (["imagine", "a circle", "--seed", "-1"], "seed must be between 0 and"),
        (["imagine", "a circle", "--condition-scale", "-1"], "condition_scale must be between 0 and 50, not -1"),
        (["imagine", "a circle", "--condition-scale", "nan"], "condition_scale must be between 0 and 50, not nan"),
        (["imagine", "a circle", "--top-k", "-1"], "top_k must be between 0 and 65536, not -1"),
        (["imagine", "a circle", "--top-p", "0"], "top_p must be between 0.01 and 1, not 0"),
        (["imagine", "a circle", "--temperature", "0"], "temperature must be between 0.05 and 5, not 0"),
        (["imagine", "a circle", "--out", "collage.jpg"], "--out: collage.jpg must end in .png"),
        (["imagine", "a circle", "--config", "nowhere.toml"], "no configuration file nowhere.toml"),
        (
            ["imagine", "a circle", "--model", "nonsense"],
            "There is no model 'nonsense', which model.name names: use demo",
        ),
        (["imagine", "a circle", "--model", "./nowhere"], "There is no model './nowhere'"),
        (["run"], "DISCORD_TOKEN is not set"),
        (["sandbox", "--json"], "--json needs at least one --say"),
        (["sandbox", "--say", "as anna in German"], "Discord has no language 'German'"),
        (["catalogue", "klingon"], "There is no language 'klingon'"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(call: Call, args: list[str], complaint: str) -> None:
    outcome = call(*args)
    assert (outcome.code, outcome.out) == (2, "")
    (sentence,) = outcome.err.split("\n\n")[-1].strip().splitlines()
    assert sentence.startswith("dalle-bot: ")
    assert complaint in sentence


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["imagine", "a circle", "--imags", "3"], "No such option: --imags"),
        (["imagine", "a circle", "--images", "many"], "Invalid value for '--images': Input should be a valid integer"),
        (["imagine"], "Missing argument"),
        (["paint"], "No such command 'paint'"),
    ],
)
def test_what_the_parser_refuses(call: Call, args: list[str], complaint: str) -> None:
    outcome = call(*args)
    assert (outcome.code, outcome.out) == (2, "")
    assert complaint in outcome.err


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[queue]\nmax_jbs = 3", "config.toml: there is no setting queue.max_jbs; did you mean queue.max_jobs?"),
        ("[queue]\nmax_jobs = 0", "config.toml: queue.max_jobs is 0; expected a whole number from 1 to 100000."),
        ("[queue\nmax_jobs = 3", "config.toml is not valid TOML"),
    ],
)
@pytest.mark.parametrize("command", [["run"], ["imagine", "a circle"], ["sandbox", "--say", "wait 0"]])
def test_a_wrong_setting_is_named(call: Call, command: list[str], text: str, complaint: str) -> None:
    Path("config.toml").write_text(text, encoding="utf-8")
    outcome = call(*command)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"dalle-bot: {complaint}" in outcome.err


def test_a_token_is_not_told(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.abcdefghijklmnopqrstuvwxyz0123456789AB"

    def fail(settings: Settings, engine_factory: object, start_up: object) -> None:
        logging.getLogger("bot").error("a careless line with %s", token)

    monkeypatch.setenv("DISCORD_TOKEN", token)
    monkeypatch.setattr(bot.app, "run", fail)
    outcome = call("run")
    assert "a careless line with [redacted]" in outcome.err
    assert token not in outcome.err


@pytest.mark.parametrize(
    ("url", "code", "sentence"),
    [
        ("mysql://bot@host/bot", 2, "store.url names mysql"),
        ("sqlite+aiosqlite:///damaged", 2, "The database damaged is damaged. Run `dalle-bot restore FILE`"),
        ("sqlite+aiosqlite:///empty", 2, "The database empty is a file of 0 bytes"),
        ("postgresql+psycopg://bot@127.0.0.1:9/bot", 1, "The database bot on 127.0.0.1 can't be reached. Start"),
    ],
)
def test_a_supervisor_starts_a_bot_anew_where_that_may_help(
    call: Call, monkeypatch: pytest.MonkeyPatch, url: str, code: int, sentence: str
) -> None:
    Path("damaged").write_bytes(b"no database" * 500)
    Path("empty").touch()
    monkeypatch.setenv("DISCORD_TOKEN", "some.token.here")
    monkeypatch.setenv("DALLE_BOT_STORE__URL", url)
    outcome = call("run")
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.startswith(f"dalle-bot: {sentence}")
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(("kind", "code"), [(ClusterNotReadyError, 1), (ConfigError, 2)])
def test_a_cluster_that_comes_up_later_is_worth_another_start(
    call: Call, monkeypatch: pytest.MonkeyPatch, kind: type[DalleBotError], code: int
) -> None:
    def fail(*_: object) -> None:
        raise kind("executor.address: no.")

    monkeypatch.setattr(bot.app, "run", fail)
    assert call("run") == Outcome(code, "", "dalle-bot: executor.address: no.\n")


def test_the_words_of_a_database_are_for_the_log_at_debug(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("damaged").write_bytes(b"no database" * 500)
    monkeypatch.setenv("DISCORD_TOKEN", "some.token.here")
    monkeypatch.setenv("DALLE_BOT_STORE__URL", "sqlite+aiosqlite:///damaged")
    assert "file is not a database" not in call("run").err
    monkeypatch.setenv("DALLE_BOT_LOG__LEVEL", "debug")
    assert "The database damaged says: file is not a database" in call("run").err


def served_settings(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Those that the bot would be run with."""
    seen: list[Settings] = []
    monkeypatch.setattr(bot.app, "run", lambda settings, *_: seen.append(settings))
    return seen


TO_SANDBOX = ("run", "--sandbox", "http://127.0.0.1:5")
OWN, TRIAL = "postgresql+psycopg://bot:a-real-word@db/bot", "postgresql+psycopg://bot:a-trial-word@db/trial"


def test_a_trial_leaves_the_real_bots_database_alone(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = served_settings(monkeypatch)
    monkeypatch.setenv("DALLE_BOT_STORE__URL", OWN)
    assert call(*TO_SANDBOX).code == 0
    monkeypatch.setenv("DALLE_BOT_SANDBOX_STORE_URL", TRIAL)
    assert call(*TO_SANDBOX).code == 0
    assert call("run").code == 0
    data = seen[0].data_dir
    assert [each.store_url for each in seen] == [f"sqlite+aiosqlite:///{data / STORE_FILE}", TRIAL, OWN]
    assert data.name == "sandbox"


def test_nor_can_it_be_given_to_a_trial(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = served_settings(monkeypatch)
    Path("config.toml").write_text(f"[store]\nurl = '{OWN}'\n", encoding="utf-8")
    monkeypatch.setenv("DALLE_BOT_SANDBOX_STORE_URL", OWN)
    outcome = call(*TO_SANDBOX)
    assert outcome.code == 2
    assert "DALLE_BOT_SANDBOX_STORE_URL names the database of the bot itself: make an empty one" in outcome.err
    assert "a-real-word" not in outcome.err
    assert seen == []


def test_a_trial_of_several_processes_needs_a_database_for_them(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = served_settings(monkeypatch)
    monkeypatch.setenv("DALLE_BOT_SHARDING__COUNT", "2")
    monkeypatch.setenv("DALLE_BOT_SHARDING__IDS", "0")
    outcome = call(*TO_SANDBOX)
    assert outcome.code == 2
    assert "for which DALLE_BOT_SANDBOX_STORE_URL must name PostgreSQL." in outcome.err
    monkeypatch.setenv("DALLE_BOT_SANDBOX_STORE_URL", TRIAL)
    assert call(*TO_SANDBOX).code == 0
    assert [each.store_url for each in seen] == [TRIAL]


def test_ctrl_c(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(settings: Settings, engine_factory: object, start_up: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bot.app, "run", interrupt)
    assert call("run") == Outcome(130, "", "")


@pytest.mark.usefixtures("opened")
def test_imagine_prints_one_json_object_and_nothing_else(call: Call, tmp_path: Path) -> None:
    outcome = call("imagine", "a red  circle", "--images", "2", "--seed", "5", "--images-dir", "single", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    data = json.loads(outcome.out)
    assert outcome.out.count("\n") == 1
    assert (data["prompt"], data["seed"], data["collage"]) == ("a red circle", 5, "collage.png")
    assert [image["rank"] for image in data["images"]] == [1, 2]
    assert [image["file"] for image in data["images"]] == ["single/1.png", "single/2.png"]
    assert data["images"][0]["score"] >= data["images"][1]["score"]
    assert read_metadata((tmp_path / "collage.png").read_bytes())["seed"] == "5"


@pytest.mark.usefixtures("opened")
def test_imagine_for_reading(call: Call) -> None:
    outcome = call("imagine", " ".join(["word"] * 70), "--seed", "5", "--out", "new/folder/one.png")
    assert outcome.code == 0
    assert outcome.out.startswith("new/folder/one.png  (seed 5; scores, best first: 1: ")
    assert "64" in outcome.err, "the notice that the prompt was shortened"
    assert Path("new/folder/one.png").is_file()


def test_options_override_settings_and_reach_the_engine(call: Call, opened: list[Settings]) -> None:
    Path("config.toml").write_text("[imagine]\ndefault_images = 3\n[model]\nname = 'mini'", encoding="utf-8")
    Path("other.toml").write_text("[imagine]\ndefault_images = 4", encoding="utf-8")
    drawn = [
        len(json.loads(call("imagine", "a circle", "--json", *options).out)["images"])
        for options in ([], ["--images", "2"], ["--config", "other.toml"], ["--model", "mega"])
    ]
    assert drawn == [3, 2, 4, 3]
    assert [settings.model.name for settings in opened] == ["mini", "mini", "demo", "mega"]


@pytest.mark.usefixtures("opened")
def test_the_same_seed_draws_the_same(call: Call) -> None:
    first, second, other = (
        [image["score"] for image in json.loads(call("imagine", "a circle", "--json", *seed).out)["images"]]
        for seed in (["--seed", "1"], ["--seed", "1"], ["--seed", "2"])
    )
    assert first == second
    assert first != other


@pytest.mark.usefixtures("opened")
def test_sandbox_prints_one_json_object_and_nothing_else(call: Call) -> None:
    Path("config.toml").write_text("[log]\nlevel = 'error'", encoding="utf-8")
    outcome = call("sandbox", "--say", "/imagine prompt:a red circle images:2", "--out", "saved", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.count("\n") == 1
    transcript: list[dict[str, Any]] = json.loads(outcome.out)["transcript"]
    assert [event["kind"] for event in transcript[:2]] == ["say", "ack"]
    assert set(transcript[0]) >= {"t_s", "kind", "text", "files"}
    (name,) = transcript[-1]["files"]
    assert read_metadata((Path("saved") / name).read_bytes())["prompt"] == "a red circle"


@pytest.mark.usefixtures("opened")
def test_the_sandbox_logs_what_the_settings_say(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "/imagine prompt:a red circle images:2"
    assert "came: command" not in call("sandbox", "--say", line, "--json").err
    monkeypatch.setenv("DALLE_BOT_LOG__LEVEL", "debug")
    log = call("sandbox", "--say", line, "--json").err
    assert re.search(r"DEBUG +bot\.telemetry\.discord_traffic: interaction \d+ came: command", log)
    assert re.search(r"POST /api/v10/interactions/\d+/\[redacted\]/callback: 200 after \d\.\d{3} s", log)
    assert [state for state in ("queued", "running", "delivering", "delivered") if f" is {state}" not in log] == []


@pytest.mark.usefixtures("opened")
def test_a_line_that_can_not_be_played_is_wrong_usage(call: Call) -> None:
    outcome = call("sandbox", "--say", "dance")
    assert outcome.code == 2
    assert "dalle-bot: Can't play the line 'dance'" in outcome.err


@pytest.mark.parametrize(
    ("out", "complaint"),
    [("taken", "taken is a file; name a folder."), ("taken/below", "the folder taken/below can't be made (")],
)
def test_the_sandbox_checks_its_folder_before_anything_starts(
    call: Call, opened: list[Settings], out: str, complaint: str
) -> None:
    Path("taken").touch()
    outcome = call("sandbox", "--say", "/imagine prompt:a circle", "--out", out)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"dalle-bot: --out: {complaint}" in outcome.err
    assert not opened


@pytest.mark.parametrize(("kind", "code"), [("failure", 1), ("timeout", 1), ("note", 0)])
def test_the_sandbox_tells_failure_by_its_exit_code(
    call: Call, monkeypatch: pytest.MonkeyPatch, kind: str, code: int
) -> None:
    async def play(lines: list[str], **options: Any) -> list[Event]:
        event = Event(3.0, EventKind(kind), "The application did not respond")
        options["on_event"](event)
        return [event]

    monkeypatch.setattr("bot.sandbox.play.play", play)
    outcome = call("sandbox", "--say", "/imagine prompt:a circle")
    assert outcome.code == code
    assert "The application did not respond" in outcome.out


@pytest.mark.usefixtures("opened")
def test_a_later_bad_line_leaves_the_transcript(call: Call) -> None:
    outcome = call("sandbox", "--say", "as alice", "--say", "/imagine promt:a circle", "--json")
    assert outcome.code == 2
    transcript = json.loads(outcome.out)["transcript"]
    assert [event["kind"] for event in transcript] == ["say", "note", "say", "note"]
    assert "/imagine has no option 'promt'" in transcript[-1]["text"]
    assert outcome.err.splitlines()[-1] == f"dalle-bot: {transcript[-1]['text']}"


def test_the_sandbox_fails_with_the_reason_that_kept_the_engine_from_starting(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_engine(settings: Settings, start_up: StartUp) -> FakeEngine:
        raise CheckpointMismatchError("model.bin: not a model.")

    monkeypatch.setattr(bot.engine.open, "open_engine", open_engine)
    outcome = call("sandbox", "--say", "/imagine prompt:a circle", "--json")
    assert outcome.code == 2
    assert outcome.err.splitlines() == ["dalle-bot: model.bin: not a model."]
    assert [event["kind"] for event in json.loads(outcome.out)["transcript"]][:2] == ["say", "ack"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model folder to spoil: the demo's, with files of its own."""
    return shutil.copytree(DEMO_FOLDER, tmp_path / "model")


def refusal(call: Call, model: Path) -> str:
    """What `imagine` says of a model that it can't use."""
    outcome = call("imagine", "a red circle", "--model", str(model))
    assert (outcome.code, outcome.out) == (2, "")
    return outcome.err.strip()


@pytest.mark.parametrize("network", ["dalle_bart", "vqgan", "clip"])
def test_a_truncated_file_is_named(call: Call, model: Path, network: str) -> None:
    file = model / network / "flax_model.msgpack"
    os.truncate(file, file.stat().st_size * 2 // 3)
    assert f"{file}: not a complete flax msgpack file" in refusal(call, model)


@pytest.mark.parametrize("network", ["dalle_bart", "vqgan", "clip"])
def test_misshapen_arrays_are_named_with_both_shapes(call: Call, model: Path, network: str) -> None:
    file = model / network / "flax_model.msgpack"
    arrays = read_arrays(file)
    # A scalar has no shape to spoil.
    first, second, *_ = (name for name in sorted(arrays) if arrays[name].ndim)
    spoilt: Arrays = arrays | {name: arrays[name][:-1] for name in (first, second)}
    write_msgpack(file, spoilt)
    lines = refusal(call, model).splitlines()
    assert f"{file}: 2 arrays are wrong." in lines[0]
    assert lines[1:3] == [
        f"  {name} has shape {list(spoilt[name].shape)}, expected {list(arrays[name].shape)}"
        for name in (first, second)
    ]


def test_missing_arrays_are_named(call: Call, model: Path) -> None:
    """The configuration asks for one layer more than the file has."""
    file = model / "dalle_bart" / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    number = config["decoder_layers"]
    file.write_text(json.dumps(config | {"decoder_layers": number + 1}), encoding="utf-8")
    first, named, *_ = refusal(call, model).splitlines()
    assert re.search(r"flax_model\.msgpack: \d+ arrays are wrong\.$", first)
    assert re.search(rf"^  model/decoder/layers/FlaxBartDecoderLayer_{number}/\S+ \[\d+.*\] is missing$", named)


def test_networks_that_do_not_belong_together(call: Call, model: Path) -> None:
    config = json.loads((model / "vqgan" / "config.json").read_text(encoding="utf-8"))
    arrays = read_arrays(model / "vqgan" / "flax_model.msgpack")
    (codebook,) = (name for name, array in arrays.items() if array.shape[0] == config["n_embed"])
    write_msgpack(model / "vqgan" / "flax_model.msgpack", arrays | {codebook: np.tile(arrays[codebook], (2, 1))})
    more_codes = config | {"n_embed": 2 * config["n_embed"]}
    (model / "vqgan" / "config.json").write_text(json.dumps(more_codes), encoding="utf-8")
    sentence = refusal(call, model)
    assert f"{2 * config['n_embed']} codes (n_embed)" in sentence
    assert "Do these files belong together?" in sentence


def test_a_missing_file_is_wrong_usage(call: Call, model: Path) -> None:
    (model / "clip" / "flax_model.msgpack").unlink()
    outcome = call("imagine", "a red circle", "--model", str(model))
    assert (outcome.code, outcome.out) == (2, "")
    assert str(model / "clip") in outcome.err


def test_a_catalogue_is_written_and_what_is_left_is_counted(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.messages.update_catalogue", lambda code: (Path(f"locales/{code}.po"), 3))
    outcome = call("catalogue", "fr")
    assert (outcome.code, outcome.out) == (0, "locales/fr.po (3 to translate)\n")


@pytest.mark.fault
def test_a_device_that_hangs_does_not_keep_the_process(tmp_path: Path) -> None:
    """A thread that never ends stands for the one inside the driver."""
    program = tmp_path / "program.py"
    program.write_text(
        "import threading\n"
        "import bot.__main__ as program\n"
        "from bot.errors import EngineHungError\n"
        "def app(**_):\n"
        "    threading.Thread(target=threading.Event().wait).start()\n"
        "    raise EngineHungError('The device did not answer for 1 s.')\n"
        "program.app = app\n"
        "program.main()\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "dalle-bot: The device did not answer for 1 s.\n")
