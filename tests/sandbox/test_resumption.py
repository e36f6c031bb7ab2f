"""`dalle-bot sandbox --data`, killed while it draws, and started again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import COLD_START_S

PROGRAM = """
import bot.engine.open
from bot.__main__ import main
from bot.engine.fake import FakeEngine

bot.engine.open.open_engine = lambda settings, start_up: FakeEngine(delay_s={delay_s})
main()
"""


def started(folder: Path, delay_s: float, *options: str) -> "subprocess.Popen[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DALLE_BOT_", "DISCORD_"))}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path)}
    program = PROGRAM.format(delay_s=delay_s)
    command = [sys.executable, "-c", program, "sandbox", "--data", "kept", *options]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no kill -9")
@pytest.mark.timeout(COLD_START_S)
def test_the_same_message_gets_its_pictures(tmp_path: Path) -> None:
    with started(tmp_path, 10.0, "--say", "/imagine prompt:a red circle images:2") as process:
        assert process.stdout is not None
        try:
            assert any("Drawing" in line for line in process.stdout)
        finally:
            process.kill()
    with started(tmp_path, 0.0, "--say", "/queue", "--json") as process:
        out, _ = process.communicate(timeout=COLD_START_S)
    assert process.returncode == 0
    said, left, *resumed, asked, queue = json.loads(out)["transcript"]
    assert (said["kind"], said["text"], left["kind"]) == ("say", "look", "message")
    assert "Drawing" in left["text"]
    assert {event["message_id"] for event in resumed} == {left["message_id"]}
    assert {event["kind"] for event in resumed} == {"edit"}
    assert resumed[0]["text"].splitlines()[1].startswith("Resumed")
    assert "2 images for @user" in resumed[-1]["text"]
    assert len(resumed[-1]["files"]) == 1
    assert asked["text"] == "/queue"
    assert queue["text"].startswith("You have no unfinished jobs.")
    assert (tmp_path / "kept" / "dalle-bot.sqlite3").is_file()
