"""A stand-in for Discord on loopback, for trying and testing the unmodified client.

`Sandbox` is its face; `Event` is what a player sees, `Exchange` a REST request with its answer, `Patience` how long
a player waits, `Refusal` what requests can be answered with. Everything else is internal.
"""

from bot.sandbox.errors import LineError, SandboxError
from bot.sandbox.finality import Patience
from bot.sandbox.recorder import Exchange
from bot.sandbox.refusals import Refusal
from bot.sandbox.sandbox import Sandbox
from bot.sandbox.transcript import Event, EventKind, print_event, to_json

__all__ = [
    "Event",
    "EventKind",
    "Exchange",
    "LineError",
    "Patience",
    "Refusal",
    "Sandbox",
    "SandboxError",
    "print_event",
    "to_json",
]
