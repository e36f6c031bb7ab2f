"""Decides when the answer to a line is complete. Pure; times are seconds on the event loop's clock.

Discord has no such notion: a bot may edit a message for ever. What a person goes by is taken as the rule:

- A message is at work while it says "is thinking", has a button to cancel, or has a line that begins with a word like
  "Queued" or "Drawing": no end in sight. So it is while its bot is away and has said that the job goes on. What waits
  for another person is not at work.
- Pictures have arrived and nothing is at work: done after a moment, in which a follow-up may come.
- Only the player sees it, or it was at work and no longer is: done after a short silence.
- Anything else may still be changed by a bot that doesn't say so: done after a longer silence.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from bot.sandbox import components as parts
from bot.sandbox.messages import Message, shown_text

_CANCEL_LABELS: Final = ("Cancel", "Stop")
_CANCEL_ID: Final = re.compile(r"\bcancel\b")  # in whatever language its label is
_AT_WORK: Final = re.compile(r"^(queued|resumed|waiting|loading|drawing|generating)\b", re.IGNORECASE | re.MULTILINE)
_GOES_ON: Final = re.compile(r"\b(This job goes on when|Dieser Auftrag geht weiter, wenn)\b")
_WAITS_FOR_SOMEBODY: Final = re.compile(r"\b(waiting for review|wartet auf Prüfung)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds of silence after which an answer counts as final."""

    moment_s: float = 0.3
    short_s: float = 1.0
    long_s: float = 5.0


@dataclass(slots=True)
class Judge:
    """Watches the messages of one answer."""

    patience: Patience
    _messages: dict[str, Message] = field(default_factory=dict)
    _were_at_work: set[str] = field(default_factory=set)
    _last_s: float | None = None
    _is_over: bool = False
    _awaits_update: bool = False

    def see_before(self, message: Message) -> None:
        """What was clicked on, as it was then."""
        if is_at_work(message):
            self._were_at_work.add(message.id)

    def see(self, message: Message, now_s: float) -> None:
        """A message was sent or edited."""
        self._last_s, self._awaits_update = now_s, False
        self._messages[message.id] = message
        if is_at_work(message):
            self._were_at_work.add(message.id)

    def see_deleted(self, message: Message, now_s: float) -> None:
        self._last_s = now_s
        self._messages.pop(message.id, None)

    def see_deferred_update(self, now_s: float) -> None:
        """The click was acknowledged without anything to see; an edit usually follows."""
        self._last_s, self._awaits_update = now_s, True

    def see_end(self) -> None:
        """A modal opened, or Discord reported a failure: nothing further is awaited."""
        self._is_over = True

    def final_at_s(self) -> float | None:
        """When the answer becomes final if nothing more happens; None while something is at work or awaited."""
        if self._is_over:
            return 0.0
        if self._last_s is None or any(is_at_work(message) for message in self._messages.values()):
            return None
        waits = [self._silence_s(message) for message in self._messages.values()]
        if self._awaits_update:
            waits.append(self.patience.long_s)
        return self._last_s + max(waits, default=self.patience.short_s)

    def _silence_s(self, message: Message) -> float:
        if message.attachments:
            return self.patience.moment_s
        is_short = message.viewer_id is not None or message.id in self._were_at_work
        return self.patience.short_s if is_short else self.patience.long_s


def is_at_work(message: Message) -> bool:
    """Whether the bot has promised to change it."""
    if _WAITS_FOR_SOMEBODY.search(shown_text(message)):
        return False
    buttons = (c for c in parts.walk(message.components) if c["type"] == parts.BUTTON and not c.get("disabled"))
    can_cancel = any(
        parts.button_label(button) in _CANCEL_LABELS or _CANCEL_ID.search(button.get("custom_id") or "")
        for button in buttons
    )
    return message.is_loading or can_cancel or any(words.search(shown_text(message)) for words in (_AT_WORK, _GOES_ON))
