"""`dalle-bot fetch`: what it prints. What it fetches, and what goes wrong there, is tested in tests/fetch."""

import json
import shutil
from pathlib import Path

from bot.fetch.locate import DEMO_FOLDER
from tests.command_line import Call

NETWORKS = ("dalle_bart", "vqgan", "clip")


def test_a_complete_model(call: Call) -> None:
    outcome = call("fetch", "demo")
    assert outcome.code == 0
    first, *lines = outcome.out.splitlines()
    assert first == "demo is complete:"
    for network, line in zip(NETWORKS, lines, strict=True):
        assert line.startswith(f"  {network}: ")
        assert line.endswith(f" MB, 0 B of it downloaded now, from {DEMO_FOLDER / network}")


def test_json(call: Call) -> None:
    outcome = call("fetch", "--json")
    report = json.loads(outcome.out)
    assert (outcome.code, outcome.err, report["model"]) == (0, "", "demo")
    assert [part["name"] for part in report["parts"]] == list(NETWORKS)
    weights = (DEMO_FOLDER / "clip" / "flax_model.msgpack").stat().st_size
    assert report["parts"][2]["bytes"] > weights
    assert "flax_model.msgpack" in report["parts"][2]["files"]


def test_files_that_are_not_this_model_s_are_refused_after_fetching(call: Call, tmp_path: Path) -> None:
    model = shutil.copytree(DEMO_FOLDER, tmp_path / "model")
    shutil.copy(model / "vqgan" / "flax_model.msgpack", model / "dalle_bart" / "flax_model.msgpack")
    outcome = call("fetch", str(model))
    assert (outcome.code, outcome.out) == (2, "")
    assert str(model / "dalle_bart" / "flax_model.msgpack") in outcome.err


def test_a_revision_of_what_has_none(call: Call) -> None:
    outcome = call("fetch", "demo", "--revision", "main")
    assert (outcome.code, outcome.out) == (2, "")
    assert "model.revision is 'main'" in outcome.err
