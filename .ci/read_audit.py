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
# What requests, urllib3, pip and pip-audit call it when they reach nobody; and the end of a `timeout`.
_UNREACHED: Final = re.compile(
    r"ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|NewConnectionError|NameResolutionError"
    r"|Max retries exceeded|Could not connect|Could not fetch URL|Temporary failure in name resolution|timed out"
    r"|from versions: none|pip-audit ended with 124"
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
    why = (log.strip().splitlines() or ["no word about why"])[-1]
    if _UNREACHED.search(log) is None:
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
    unknown = [package["name"] for package in packages if "vulns" not in package and package["name"] != OWN]
    bad = [(package, flaw) for package in known for flaw in package["vulns"]]
    for package, flaw in bad:
        fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {flaw['id']} ({', '.join(flaw['aliases'])}), mended in {fixed}")
    if not known:
        # Whoever answered so has no advisories: a mirror of the packages alone.
        print(f"{ALARM} NOT AUDITED: none of {len(packages)} packages is known to whoever was asked. {ALARM}")
        return int(is_strict)
    if unknown:
        print(f"{ALARM} NOT AUDITED: {', '.join(unknown)} {ALARM}")
    print(f"{len(known)} of {len(packages)} packages were looked up, {len(bad)} vulnerabilities are known of them.")
    return int(bool(bad or (unknown and is_strict)))


if __name__ == "__main__":
    sys.exit(main())
