"""The image runs as nobody in particular, and the README's commands take from it what it doesn't need."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCRIPT = (ROOT / ".ci" / "container").read_text(encoding="utf-8")


def instructions(stage: str) -> list[list[str]]:
    lines = stage.replace("\\\n", " ").splitlines()
    return [line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#")]


def test_the_last_stage_ends_as_a_user_with_a_number_above_zero() -> None:
    last = instructions(DOCKERFILE.rpartition("\nFROM ")[2])
    (user,) = [words[1] for words in last if words[0] == "USER"]
    assert int(user) > 0
    place = [words[0] for words in last].index("USER")
    assert {words[0] for words in last[place:]} <= {"USER", "WORKDIR", "VOLUME", "ENTRYPOINT", "CMD"}


def test_no_secret_is_built_in() -> None:
    named = [words[1] for words in instructions(DOCKERFILE) if words[0] in ("ENV", "ARG", "COPY", "ADD")]
    assert len(named) > 4
    assert not [text for text in named if re.search(r"token|password|secret|config\.toml|\.env", text, re.IGNORECASE)]


def test_the_command_takes_every_right_away() -> None:
    (line,) = re.findall(r"^docker run -d .*", README, re.MULTILINE)
    words = shlex.split(line)
    for option in ("--read-only", "--tmpfs /tmp", "--cap-drop ALL", "--security-opt no-new-privileges"):
        assert f" {option} " in f" {' '.join(words)} "
    assert not {"--privileged", "--cap-add", "--network"} & set(words)
    assert f"`docker run {' '.join(words[words.index('--read-only') : words.index('-e')])}`" in SCRIPT
