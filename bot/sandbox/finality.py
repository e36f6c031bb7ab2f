"""Decides when the answer to a line is complete. Pure; times are seconds on the event loop's clock.

Discord has no such notion: a bot may edit a message for ever. What a person goes by is taken as the rule:

- A message that says "is thinking", or that still has a button to cancel, is at work: no end in sight.
- Pictures have arrived and nothing is at work: done after a moment, in which a follow-up may come.
- Only the player sees it, or it was at work and no longer is: done after a short silence.
- Any other text could be the "queued" of a bot without a cancel button: done after a long silence.
"""

from dataclasses import dataclass, field

from bot.sandbox import components as parts
from bot.sandbox.messages import Message


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds of silence after which an answer counts as final. cancel_labels: buttons that work in progress shows."""

    moment_s: float = 0.3
    short_s: float = 1.5
    long_s: float = 20.0
    cancel_labels: tuple[str, ...] = ("Cancel",)


@dataclass(slots=True)
class Judge:
    """Watches the messages of one answer."""

    patience: Patience
    _messages: dict[str, Message] = field(default_factory=dict)
    _were_at_work: set[str] = field(default_factory=set)
    _last_s: float | None = None
    _is_over: bool = False
    _awaits_update: bool = False

    def see(self, message: Message, now_s: float) -> None:
        """A message was sent or edited."""
        self._last_s, self._awaits_update = now_s, False
        self._messages[message.id] = message
        if self._is_at_work(message):
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
        if self._last_s is None or any(self._is_at_work(message) for message in self._messages.values()):
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

    def _is_at_work(self, message: Message) -> bool:
        buttons = (c for c in parts.walk(message.components) if c["type"] == parts.BUTTON and not c.get("disabled"))
        labels = self.patience.cancel_labels
        return message.is_loading or any(parts.button_label(button) in labels for button in buttons)
