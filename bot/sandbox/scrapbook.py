"""What one player has said and seen, in order, for the page that shows their conversation. Sandbox's event loop."""

from dataclasses import dataclass
from typing import Any, Final

from bot.sandbox.guild import Member
from bot.sandbox.messages import Message

MAX_ENTRIES: Final = 500
MAX_STATES: Final = 20


@dataclass(frozen=True, slots=True)
class Said:
    """A line, and who played it in which channel."""

    member: Member
    channel_name: str
    line: str


@dataclass(frozen=True, slots=True)
class Remark:
    """What is no message: suggestions, what Discord says of a failure, the sandbox's notes."""

    text: str
    is_failure: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A modal that opened."""

    modal: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """A message. states: as it was at each change that was seen, the oldest first; at least one."""

    states: tuple[Message, ...]
    is_direct: bool = False
    is_deleted: bool = False


Entry = Said | Remark | Form | Shown


class Scrapbook:
    """The newest MAX_ENTRIES entries, each message in the place where it was first seen."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    def add(self, entry: Said | Remark | Form) -> None:
        self._append(entry)

    def see(self, message: Message, *, is_direct: bool = False, is_deleted: bool = False) -> None:
        """A message was sent, edited or deleted."""
        for place in reversed(range(len(self._entries))):
            entry = self._entries[place]
            if isinstance(entry, Shown) and entry.states[0].id == message.id:
                states = entry.states if is_deleted else (*entry.states, message)[-MAX_STATES:]
                self._entries[place] = Shown(states, is_direct, is_deleted)
                return
        self._append(Shown((message,), is_direct, is_deleted))

    def _append(self, entry: Entry) -> None:
        self._entries.append(entry)
        del self._entries[:-MAX_ENTRIES]
