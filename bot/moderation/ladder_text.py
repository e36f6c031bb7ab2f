"""A ladder as administrators write it and as people read it: warning, cooldown 1h, ban 1d, ban. Pure."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from bot.errors import InvalidParameterError
from bot.language import Text
from bot.moderation.spans import parse_span, span_code, span_text
from bot.sanction_ladder import MAX_STEPS, SanctionKind, Step, check_ladder

_STEP: Final = re.compile(r"([A-Za-z]+)(?:\s+(\S.*))?")
_KINDS: Final = {str(kind): kind for kind in (SanctionKind.WARNING, SanctionKind.COOLDOWN, SanctionKind.BAN)}


def parse_ladder(text: str) -> tuple[Step, ...]:
    """Raises InvalidParameterError, which names the step that is wrong."""
    steps = tuple(_parse_step(part.strip()) for part in text.split(",") if part.strip())
    check_ladder(steps)
    return steps


def ladder_code(steps: Sequence[Step]) -> str:
    """As `parse_ladder` reads it."""
    return ", ".join(
        str(step.kind) if step.seconds is None else f"{step.kind} {span_code(timedelta(seconds=step.seconds))}"
        for step in steps
    )


def ladder_text(steps: Sequence[Step], most: int = MAX_STEPS) -> Text:
    """For people, in any language. most: how many steps are named."""
    named = tuple(map(step_text, steps[:most]))
    return Text("{steps}, strike by strike", steps=named if len(steps) <= most else (*named, "…"))


def step_text(step: Step) -> Text:
    """What it is called."""
    span = None if step.seconds is None else span_text(timedelta(seconds=step.seconds))
    match step.kind, span:
        case SanctionKind.WARNING, _:
            return Text("warning")
        case SanctionKind.COOLDOWN, _:
            return Text("cooldown ({span})", span=span)
        case _, None:
            return Text("ban for good")
        case _:
            return Text("ban ({span})", span=span)


def _parse_step(text: str) -> Step:
    match = _STEP.fullmatch(text)
    kind = _KINDS.get(match[1].lower()) if match else None
    if match is None or kind is None:
        raise InvalidParameterError(
            "Write the steps as in “warning, cooldown 1h, ban 1d, ban”, not {given:.40}.", given=text
        )
    return Step(kind, None if match[2] is None else round(parse_span(match[2]).total_seconds()))
