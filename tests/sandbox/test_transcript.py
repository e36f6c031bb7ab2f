import io
import json

from rich.console import Console

from bot.sandbox.transcript import Event, EventKind, print_event, to_json

EVENTS = (
    Event(0.0, EventKind.SAY, "/imagine prompt:[red] circle"),
    Event(0.25, EventKind.ACK, "first\n[Again]", ("a [1].png",), is_ephemeral=True, message_id="7"),
    Event(60.0, EventKind.TIMEOUT, "No final answer within 60 s."),
)


def test_json_and_back() -> None:
    data = json.loads(json.dumps(to_json(EVENTS)))
    assert data[1] == {
        "t_s": 0.25,
        "kind": "ack",
        "text": "first\n[Again]",
        "files": ["a [1].png"],
        "ephemeral": True,
        "message_id": "7",
    }
    assert tuple(Event.from_json(event) for event in data) == EVENTS


def test_print() -> None:
    console = Console(file=io.StringIO(), width=40)
    for event in EVENTS:
        print_event(console, event)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "> /imagine prompt:[red] circle",
        "   0.25 s  ack      first",
        "                    [Again] (only you see this)",
        "                    file a [1].png",
        "  60.00 s  timeout  No final answer within 60 s.",
    ]
