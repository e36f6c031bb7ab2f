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
UNKNOWN = {"name": "obscure", "skip_reason": "Dependency not found on PyPI: obscure (1.0)"}
NO_PIP_AUDIT = (
    "WARNING: Retrying after connection broken by 'NewConnectionError'\n"
    "ERROR: Could not find a version that satisfies the requirement pip-audit==2.10.1 (from versions: {versions})\n"
    "ERROR: No matching distribution found for pip-audit==2.10.1"
)
BLOCKED = (
    "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed\n"
    "ERROR:pip_audit._cli:Tip: your network may be blocking this service. Try another service with `-s SERVICE`\n"
    "pip-audit ended with 1"
)
OFFLINE = "urllib3.exceptions.MaxRetryError: no\nrequests.exceptions.ConnectionError: Pool\npip-audit ended with 1"
HANDLED = (
    "requests.exceptions.ConnectTimeout: Pool\nDuring handling of that\nTypeError: no version\npip-audit ended with 1"
)
QUOTED = "ValueError: CVE-1, a ReadTimeout after which a ConnectionError timed out\npip-audit ended with 1"


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
        ([package(), UNKNOWN], "", (0, 1), "\nDependency not found on PyPI: obscure (1.0)\nLook where they come from "),
        ([OWN, UNKNOWN], "", (0, 1), "NOT AUDITED: none of 2 packages is known to whoever was asked."),
        (
            [OWN, UNKNOWN],
            "",
            (0, 1),
            "\nDependency not found on PyPI: obscure (1.0)\nA mirror may have packages and no ",
        ),
        ([], "", (1, 1), "NOT AUDITED: pip-audit was shown no package."),
        (None, NO_PIP_AUDIT.format(versions="none"), (0, 1), "nobody could be asked about vulnerabilities. ERROR: No "),
        (None, NO_PIP_AUDIT.format(versions="1.0, 2.0"), (1, 1), "pip-audit failed. ERROR: No matching distribution"),
        (None, BLOCKED, (0, 1), "nobody could be asked about vulnerabilities. ERROR:pip_audit._cli:Tip: "),
        (
            None,
            OFFLINE,
            (0, 1),
            "nobody could be asked about vulnerabilities. requests.exceptions.ConnectionError: Pool",
        ),
        (None, HANDLED, (1, 1), "NOT AUDITED: pip-audit failed. TypeError: no version"),
        (None, QUOTED, (1, 1), "NOT AUDITED: pip-audit failed. ValueError: CVE-1,"),
        (
            None,
            "pip-audit ended with 124",
            (0, 1),
            "nobody could be asked about vulnerabilities. pip-audit ended with 124.",
        ),
        (None, "pip-audit ended with 1", (1, 1), "NOT AUDITED: pip-audit failed. pip-audit ended with 1."),
        (None, "KeyError: 'vulns'\npip-audit ended with 1", (1, 1), "NOT AUDITED: pip-audit failed. KeyError: 'vulns'"),
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
    (programs / "pip").write_text(f'#!/bin/sh\necho "{NO_PIP_AUDIT.format(versions="none")}" >&2\nexit 1\n')
    (programs / "pip").chmod(0o755)
    make = f'mkdir -p "$3/bin"; ln -s {sys.executable} "$3/bin/python"; ln -s {programs}/pip "$3/bin/pip"'
    (programs / "python3").write_text(f"#!/bin/sh\n{make}\n")
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
