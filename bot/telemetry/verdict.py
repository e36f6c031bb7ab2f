"""Whether the bot is well, and whether it can take work: what a probe is answered. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. found: a few words for people, without anything secret."""

    name: str
    is_ok: bool
    found: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Good if every check is."""

    checks: Sequence[Check]

    @property
    def is_ok(self) -> bool:
        return all(check.is_ok for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """`{"ok": false, "checks": {"store": {"ok": false, "found": "…"}}}`"""
        checks = {check.name: {"ok": check.is_ok, "found": check.found} for check in self.checks}
        return {"ok": self.is_ok, "checks": checks}
