"""What an engine has done since it is there. Counted on the event loop of its executor."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class WorkDone:
    """num_tokens: image tokens that were drawn. steps_s: the sum of what a step took in each of `num_chunks`."""

    num_chunks: int = 0
    num_tokens: int = 0
    steps_s: float = 0.0

    def plus(self, num_tokens: int, step_s: float) -> "WorkDone":
        """After one more chunk."""
        return WorkDone(self.num_chunks + 1, self.num_tokens + num_tokens, self.steps_s + step_s)

    def minus(self, before: "WorkDone") -> "WorkDone":
        """What was done since then."""
        return WorkDone(
            self.num_chunks - before.num_chunks, self.num_tokens - before.num_tokens, self.steps_s - before.steps_s
        )


NOTHING_DONE: Final = WorkDone()
