"""Which faults come before which interaction: a function of a seed and of the interaction's number alone. Pure.

The sandbox plays a plan once it is told to, by the line `faults SEED` or by `bench chat --faults`.
"""

import random
from dataclasses import dataclass
from typing import Final

from bot.sandbox.refusals import Refusal

CALLBACK: Final = ("POST", "/interactions/{interaction_id}/{interaction_token}/callback")
LOOK: Final = ("GET", "/webhooks/{webhook_id}/{webhook_token}/messages/@original")
EDIT_BY_TOKEN: Final = ("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/@original")
EDIT_BY_BOT: Final = ("PATCH", "/channels/{channel_id}/messages/{message_id}")

# What happens to the connection, one after the other, and how often next to the others.
_HAPPENINGS: Final[tuple[tuple[int, tuple[str, ...]], ...]] = (
    (4, ("connection dropped",)),
    (4, ("reconnect requested",)),
    (3, ("session interrupted",)),
    (2, ("session invalidated",)),
    (2, ("connection frozen for a while",)),
    (2, ("resume postponed", "connection dropped")),
    (2, ("resume refused", "connection dropped")),
    (1, ("resume refused", "identify refused", "reconnect requested")),
    (2, ("hang-up before the greeting", "reconnect requested")),
    (1, ("connection refused", "hang-up before the greeting", "connection dropped")),
)
_SHARE_OF_CONNECTION: Final = 0.15
_ROUTES: Final = ((6, CALLBACK), (8, EDIT_BY_TOKEN), (2, EDIT_BY_BOT), (1, LOOK))


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """share: of the interactions, how many a fault comes before."""

    seed: int
    share: float = 0.3

    def before(self, number: int) -> tuple[str | Refusal, ...]:
        """What comes before the interaction of that number: names of mishaps, and what happens to requests."""
        rng = random.Random(f"{self.seed}/{number}")  # noqa: S311 - no secret
        if rng.random() >= self.share:
            return ()
        if rng.random() < _SHARE_OF_CONNECTION:
            (happenings,) = rng.choices([names for _, names in _HAPPENINGS], [weight for weight, _ in _HAPPENINGS])
            return happenings
        ((method, template),) = rng.choices([route for _, route in _ROUTES], [weight for weight, _ in _ROUTES])
        return (_request_fault(rng, method, template),)


def _request_fault(rng: random.Random, method: str, template: str) -> Refusal:
    is_answer = (method, template) == CALLBACK
    has_files = method == "PATCH"
    seconds = rng.uniform(0.2, 2.0)
    times = rng.choice((1, 1, 1, 2, 3))
    cut = Refusal(method, template, 0, is_reset=True, min_bytes=int(has_files))
    faults = [
        Refusal(method, template, 500, times=times, message="500: Internal Server Error"),
        Refusal(method, template, 502, times=times, message="502: Bad Gateway"),
        Refusal(method, template, 503, message="503: Service Unavailable"),
        Refusal(method, template, 429, times=times, retry_after_s=round(seconds, 3)),
        Refusal(method, template, 0, is_applied=True, delay_s=seconds if is_answer else 4 * seconds),
        cut,
        Refusal(method, template, 0, is_applied=True, is_reset=True, delay_s=rng.choice((0.0, seconds))),
        Refusal(method, template, rng.choice((500, 502)), is_applied=True, message="after the fact"),
    ]
    if is_answer:
        # Longer than the bot waits for an answer to its own.
        faults.append(Refusal(method, template, 0, is_applied=True, delay_s=12.0))
    if (method, template) == EDIT_BY_BOT:
        faults.append(Refusal(method, template, 429, is_global=True, retry_after_s=round(seconds, 3)))
    return rng.choice(faults)
