"""What pip-audit's answer means: read_audit.py [--strict] FOUND.json LOG. Called by .ci/audit; the exit code says it.

Only where nobody could be asked, which is the network's fault, nothing was found out and nobody is to blame.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

OWN: Final = "dalle-bot"  # on no index
ALARM: Final = "=" * 20
# How pip-audit's and pip's own last words begin when they reach nobody: an exception's name, or a line of their log.
_UNREACHED: Final = re.compile(
    r"(?:\w+\.)*(?:ConnectionError|ConnectTimeout|ReadTimeout|ReadTimeoutError|ProxyError|SSLError|MaxRetryError"
    r"|NewConnectionError|NameResolutionError)(?::|$)"
    r"|ERROR:pip_audit\._cli:Tip: your network may be blocking"
    r"|ERROR: Could not install packages due to an OSError: HTTPSConnectionPool"
    r"|ERROR: Could not find a version that satisfies the requirement pip-audit\S* \(from versions: none\)"
)
_ENDED: Final = re.compile(r"pip-audit ended with (\d+)")
_TIMED_OUT: Final = 124  # of `timeout`
NO_ADVISORIES: Final = (
    "A mirror may have packages and no advisories: run `.ci/audit --strict` where the public index can be reached."
)


def main() -> int:
    """0: nothing is known against what is installed, or nobody could be asked and that is accepted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strict", action="store_true", help="being unable to ask is an error")
    parser.add_argument("found", type=Path)
    parser.add_argument("log", type=Path)
    given = parser.parse_args()
    log = given.log.read_text(encoding="utf-8", errors="replace") if given.log.is_file() else ""
    if not given.found.is_file():
        return _nothing_found_out(log, is_strict=given.strict)
    return _verdict(json.loads(given.found.read_text(encoding="utf-8"))["dependencies"], is_strict=given.strict)


def _nothing_found_out(log: str, *, is_strict: bool) -> int:
    lines = log.strip().splitlines()
    ended = _ENDED.fullmatch(lines[-1]) if lines else None
    words = lines[:-1] if ended else lines
    why = words[-1] if words else f"{lines[-1]}." if ended else "no word about why"
    has_timed_out = ended is not None and int(ended[1]) == _TIMED_OUT
    # Not what stands above in a traceback, or in the text of a finding.
    own_words = [line for line in words if line.startswith("ERROR:")] + words[-1:]
    if not has_timed_out and not any(_UNREACHED.match(line) for line in own_words):
        print(f"{ALARM} NOT AUDITED: pip-audit failed. {why} {ALARM}")
        return 1
    print(f"{ALARM} NOT AUDITED: nobody could be asked about vulnerabilities. {why} {ALARM}")
    print("Run `.ci/audit --strict` where the network allows it.")
    return int(is_strict)


def _verdict(packages: list[dict[str, Any]], *, is_strict: bool) -> int:
    """packages: of pip-audit's report. Those that it could not look up have no `vulns`."""
    if not packages:
        print(f"{ALARM} NOT AUDITED: pip-audit was shown no package. {ALARM}")
        return 1
    known = [package for package in packages if "vulns" in package]
    unknown = {p["name"]: p.get("skip_reason", "no reason") for p in packages if "vulns" not in p and p["name"] != OWN}
    bad = [(package, flaw) for package in known for flaw in package["vulns"]]
    for package, flaw in bad:
        fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {flaw['id']} ({', '.join(flaw['aliases'])}), mended in {fixed}")
    if not known:
        print(f"{ALARM} NOT AUDITED: none of {len(packages)} packages is known to whoever was asked. {ALARM}")
        print(*list(unknown.values())[:1], NO_ADVISORIES, sep="\n")
        return int(is_strict)
    if unknown:
        print(f"{ALARM} NOT AUDITED: {', '.join(unknown)} {ALARM}")
        print(*unknown.values(), "Look where they come from for what is known against them.", sep="\n")
    print(f"{len(known)} of {len(packages)} packages were looked up, {len(bad)} vulnerabilities are known of them.")
    return int(bool(bad or (unknown and is_strict)))


if __name__ == "__main__":
    sys.exit(main())
