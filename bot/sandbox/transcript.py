"""What a player saw: the events of a line, as JSON and in print. Pure but for the console; any thread."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.text import Text


class EventKind(StrEnum):
    """SAY: the line itself. ACK: the first answer. MESSAGE: a further one. NOTE: the sandbox's own remark.

    FAILURE: what Discord shows when the application broke a rule. TIMEOUT: no final answer in time."""

    SAY = "say"
    ACK = "ack"
    EDIT = "edit"
    MESSAGE = "message"
    DELETE = "delete"
    MODAL = "modal"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Event:
    """t_s: seconds since the line was played. text: what is shown, as plain lines.

    files: names of the message's attachments, as saved below the out folder where there is one.
    message_id: of the message that it is about, "" if none.
    """

    t_s: float
    kind: EventKind
    text: str
    files: tuple[str, ...] = ()
    is_ephemeral: bool = False
    message_id: str = ""

    def to_json(self) -> dict[str, Any]:
        data = asdict(self) | {"kind": str(self.kind), "files": list(self.files)}
        data["ephemeral"] = data.pop("is_ephemeral")
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Event":
        return cls(
            t_s=data["t_s"],
            kind=EventKind(data["kind"]),
            text=data["text"],
            files=tuple(data["files"]),
            is_ephemeral=data["ephemeral"],
            message_id=data["message_id"],
        )


_STYLES = {
    EventKind.SAY: "bold",
    EventKind.ACK: "green",
    EventKind.EDIT: "cyan",
    EventKind.MESSAGE: "green",
    EventKind.MODAL: "magenta",
    EventKind.DELETE: "yellow",
    EventKind.FAILURE: "bold red",
    EventKind.TIMEOUT: "bold red",
    EventKind.NOTE: "dim",
}


def to_json(events: Iterable[Event]) -> list[dict[str, Any]]:
    """The transcript of `sandbox --json`."""
    return [event.to_json() for event in events]


def print_event(console: Console, event: Event) -> None:
    """Prints one event: time, kind, text (further lines indented) and files."""
    if event.kind is EventKind.SAY:
        console.print(Text(f"> {event.text}", style=_STYLES[event.kind]))
        return
    head = Text(f"{event.t_s:7.2f} s  ", style="dim")
    head.append(f"{event.kind:<8}", style=_STYLES[event.kind])
    margin = " " * (len(head) + 1)
    body = event.text.replace("\n", "\n" + margin)
    only_you = Text(" (only you see this)", style="dim") if event.is_ephemeral else Text()
    console.print(head + Text(" " + body) + only_you, soft_wrap=True)
    for name in event.files:
        console.print(Text(f"{margin}file {name}", style="blue"), soft_wrap=True)
