"""Cases: what moderators are asked to decide, what they can say, and what follows from it. Pure.

A case holds a prompt before it is drawn or pictures before they are shown, or it is a report of what is shown already.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class CaseKind(StrEnum):
    """What a case is about.

    HELD_PROMPT: a job waits before it is drawn. HELD_PICTURES: it waits before its pictures are shown. REPORT: members
    report pictures that are shown.
    """

    HELD_PROMPT = "held_prompt"
    HELD_PICTURES = "held_pictures"
    REPORT = "report"


class Decision(StrEnum):
    """What became of a case. All but WITHDRAWN are a moderator's, or the guild's default once its time is over.

    WITHDRAWN: its job ended while it waited, so nobody needs to decide any more.
    """

    APPROVE = "approve"
    APPROVE_SPOILER = "approve_spoiler"
    REJECT = "reject"
    REJECT_STRIKE = "reject_strike"
    BAN = "ban"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows from a decision.

    is_shown: the pictures may be seen, after they were drawn if they weren't yet. is_spoiler: behind a click.
    is_struck: the requester gets a strike. is_banned: they are banned from the bot. blocks_likes: pictures like these
    are refused from now on.
    """

    is_shown: bool
    is_spoiler: bool = False
    is_struck: bool = False
    is_banned: bool = False
    blocks_likes: bool = False


CHOICES: Final = (
    Decision.APPROVE,
    Decision.APPROVE_SPOILER,
    Decision.REJECT,
    Decision.REJECT_STRIKE,
    Decision.BAN,
)
"""What a moderator may say, in the order of the buttons."""

DEFAULTS: Final = (Decision.APPROVE, Decision.APPROVE_SPOILER, Decision.REJECT)
"""What may come of a case that nobody decides in time: nobody is punished by a clock."""

_OUTCOMES: Final[Mapping[Decision, Outcome]] = {
    Decision.APPROVE: Outcome(is_shown=True),
    Decision.APPROVE_SPOILER: Outcome(is_shown=True, is_spoiler=True),
    Decision.REJECT: Outcome(is_shown=False, blocks_likes=True),
    Decision.REJECT_STRIKE: Outcome(is_shown=False, is_struck=True, blocks_likes=True),
    Decision.BAN: Outcome(is_shown=False, is_banned=True, blocks_likes=True),
    Decision.WITHDRAWN: Outcome(is_shown=False),
}


def outcome_of(decision: Decision) -> Outcome:
    """What follows from a decision. A held prompt has no pictures, so nothing can be like them."""
    return _OUTCOMES[decision]
