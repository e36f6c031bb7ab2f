"""What an audit says and how it ends: nobody may take one for good that looked nothing up."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CI = Path(__file__).parents[1] / ".ci"
FLAW = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["1.1"]}
OWN = {"name": "dalle-bot", "skip_reason": "not there"}
UNKNOWN = {"name": "obscure", "skip_reason": "not there"}
UNREACHED = "urllib3.exceptions.NewConnectionError: refused\nERROR: nobody answers"


def package(*flaws: dict[str, Any]) -> dict[str, Any]:
    return {"name": "aiohttp", "version": "1.0", "vulns": list(flaws)}


def read(tmp_path: Path, packages: list[dict[str, Any]] | None, log: str, *options: str) -> tuple[int, str]:
    """Exit code and output for what pip-audit has left. packages: None for no report."""
    found, said = tmp_path / "found.json", tmp_path / "log"
    if packages is not None:
        found.write_text(json.dumps({"dependencies": packages}))
    said.write_text(log)
    done = subprocess.run(
        [sys.executable, CI / "read_audit.py", *options, found, said], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("packages", "log", "codes", "sentence"),
    [
        ([package(), OWN], "", (0, 0), "1 of 2 packages were looked up, 0 vulnerabilities are known of them."),
        ([package(FLAW)], "", (1, 1), "aiohttp 1.0: PYSEC-1 (CVE-1), mended in 1.1"),
        ([package(), UNKNOWN], "", (0, 1), "NOT AUDITED: obscure"),
        ([OWN, UNKNOWN], "", (0, 1), "NOT AUDITED: none of 2 packages is known to whoever was asked."),
        ([], "", (1, 1), "NOT AUDITED: pip-audit was shown no package."),
        (None, UNREACHED, (0, 1), "NOT AUDITED: nobody could be asked about vulnerabilities. ERROR: nobody answers"),
        (None, "pip-audit ended with 124", (0, 1), "NOT AUDITED: nobody could be asked"),
        (None, "KeyError: 'vulns'\npip-audit ended with 1", (1, 1), "NOT AUDITED: pip-audit failed."),
        (None, "", (1, 1), "NOT AUDITED: pip-audit failed. no word about why"),
    ],
)
def test_what_was_not_looked_up_is_said_and_strictly_an_error(
    packages: list[dict[str, Any]] | None, log: str, codes: tuple[int, int], sentence: str, tmp_path: Path
) -> None:
    code, said = read(tmp_path, packages, log)
    strict_code, strictly_said = read(tmp_path, packages, log, "--strict")
    assert (code, strict_code) == codes
    assert sentence in said
    assert sentence in strictly_said


@pytest.fixture
def offline(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine on which pip reaches nobody."""
    programs = tmp_path / "programs"
    programs.mkdir()
    pip = "echo 'ERROR: No matching distribution found (from versions: none)' >&2; exit 1"
    make = f'mkdir -p "$3/bin"; ln -s {sys.executable} "$3/bin/python"; printf "#!/bin/sh\\n{pip}\\n" > "$3/bin/pip"'
    (programs / "python3").write_text(f'#!/bin/sh\n{make}\nchmod +x "$3/bin/pip"\n')
    (programs / "python3").chmod(0o755)
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("options", "variables", "code"),
    [((), {}, 0), (("--strict",), {}, 1), ((), {"DALLE_BOT_STRICT_AUDIT": "1"}, 1)],
)
def test_an_audit_without_a_network(
    options: tuple[str, ...], variables: dict[str, str], code: int, offline: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [CI / "audit", *options, tmp_path], env=offline | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert "NOT AUDITED: nobody could be asked about vulnerabilities. " in done.stdout
