"""`dalle-bot sandbox` in a process of its own, with a fake engine, told to end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TIMEOUT_S = 30.0
PROGRAM = """
import bot.engine.open
from bot.__main__ import main
from bot.engine.fake import FakeEngine

bot.engine.open.open_engine = lambda settings, start_up: FakeEngine()
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without telling it")
@pytest.mark.parametrize(
    ("number", "start", "waiting"),
    [
        (signal.SIGTERM, "", "wait 60\nas bob\nas carol\n"),
        (signal.SIGINT, "", ""),
        (signal.SIGTERM, "signal.signal(signal.SIGINT, signal.SIG_IGN)", ""),
    ],
    ids=["SIGTERM with lines that wait", "SIGINT", "SIGTERM where SIGINT is ignored"],
)
def test_nothing_is_left_behind(tmp_path: Path, number: signal.Signals, start: str, waiting: str) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DALLE_BOT_", "DISCORD_"))}
    environment |= {"TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", f"import signal\n{start}\n{PROGRAM}", "sandbox"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"as alice\n{waiting}")
            process.stdin.flush()
            assert any("now playing as alice" in line for line in process.stdout)
            assert list(temporary.glob("dalle-bot-sandbox-*"))
            process.send_signal(number)
            # The input stays open meanwhile: what waits for it must not keep the program from ending.
            process.wait(TIMEOUT_S)
            errors = process.communicate(timeout=TIMEOUT_S)[1]
        finally:
            process.kill()
    assert (process.returncode, errors) == (128 + number, "")
    assert not list(temporary.iterdir())
