"""What a moderator wants to be gone: by whom, when, of what, or what looks like it. Pure; asked on worker threads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from bot.errors import InvalidParameterError, InvalidPromptError
from bot.moderation.likeness import BlockedHashes, PictureHash
from bot.moderation.prompt_rules import Rule, RuleAction, RuleSet


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepCriteria:
    """All that are given must hold. Raises InvalidParameterError if none is, for a wrong term, and if no time is left.

    user_id: who asked. term: a word, phrase or pattern as in a rule for prompts, found in any spelling. since, until:
    when it was asked for; aware. hashes: of pictures that one of the result's must be like. is_blocked: one must be
    like those that moderators have rejected.
    """

    user_id: int | None = None
    term: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    hashes: tuple[PictureHash, ...] = ()
    is_blocked: bool = False

    def __post_init__(self) -> None:
        given = (self.user_id, self.term, self.since, self.until)
        if not any(given) and not self.hashes and not self.is_blocked:
            raise InvalidParameterError(
                "Say what should be deleted: a member, a word or pattern, a time, or what its pictures are like."
            )
        if self.term is not None:
            Rule(self.term, RuleAction.REFUSE)
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise InvalidParameterError("Nothing can be later than “since” and earlier than “until” here: swap them.")

    def to_json(self) -> dict[str, Any]:
        """For the store."""
        values = asdict(self) | {"hashes": [[each.shape.hex(), each.colours] for each in self.hashes]}
        for key in ("since", "until"):
            values[key] = None if values[key] is None else values[key].isoformat()
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "SweepCriteria":
        """What `to_json` made."""
        times: dict[str, Any] = {key: values[key] and datetime.fromisoformat(values[key]) for key in ("since", "until")}
        hashes = tuple(PictureHash(bytes.fromhex(shape), colours) for shape, colours in values["hashes"])
        others = {key: values[key] for key in ("user_id", "term", "is_blocked")}
        return cls(hashes=hashes, **times, **others)


class Sweep:
    """Criteria made ready to be asked of many results. Takes some milliseconds to make.

    blocked: the hashes of pictures that the guild's moderators have rejected, where they matter.
    """

    def __init__(self, criteria: SweepCriteria, blocked: Iterable[PictureHash] = ()) -> None:
        self._rules = None if criteria.term is None else RuleSet([Rule(criteria.term, RuleAction.REFUSE)])
        self._likes = BlockedHashes(criteria.hashes) if criteria.hashes else None
        self._blocked = BlockedHashes(blocked) if criteria.is_blocked else None

    def fits_prompt(self, prompt: str, negative_prompt: str | None) -> bool:
        """Whether a result's words are meant; True where they don't matter, False where they can't be compared."""
        if self._rules is None:
            return True
        try:
            return bool(self._rules.check(prompt, negative_prompt).hits)
        except InvalidPromptError:
            return False

    @property
    def needs_pictures(self) -> bool:
        """Whether pictures have to be looked at."""
        return self._likes is not None or self._blocked is not None

    def fits_pictures(self, hashes: Sequence[PictureHash | None]) -> bool:
        """Whether one of a result's pictures is meant. hashes: of those that there are; None for a plain one."""
        return all(
            known is None or any(each is not None and known.has_like(each) for each in hashes)
            for known in (self._likes, self._blocked)
        )
