"""Which jobs may be what ends the bot's process, and how that is found out. Pure; the client keeps it in the store.

An end counts unless the bot was closed in peace. What was being drawn then is suspect at once; what waited is so at the
second end, since a prompt may be fatal before the store hears that its drawing has begun. A suspect is drawn alone, and
its name is stored before that begins. If the process ends then, that job is to blame and no other: the second time it
is given up. So a fatal job costs the bot three or four ends and no other job its pictures.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from pydantic import TypeAdapter, ValidationError

SUSPECT_FROM: Final = 2
WAITED: Final = 1
DRAWN: Final = 2
MAX_ENDS_ALONE: Final = 2


@dataclass(frozen=True, slots=True)
class Suspects:
    """What is known at one moment.

    is_open: a run has begun, and nobody has closed it. alone: the job that it was drawing by itself when it last told.
    weights: job id → how often, and how much, it was there when a run ended. ends_alone: job id → how often a run ended
    while it was drawn alone.
    """

    is_open: bool = False
    alone: str | None = None
    weights: Mapping[str, int] = field(default_factory=dict)
    ends_alone: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` made. Raises ValueError."""
        try:
            return TypeAdapter(cls).validate_json(text)
        except ValidationError as error:
            raise ValueError(f"not what is known of suspects: {error.error_count()} errors") from None

    def to_json(self) -> str:
        return TypeAdapter(type(self)).dump_json(self).decode()

    def at_start(self, *, drawn: Iterable[str], waited: Iterable[str]) -> Self:
        """What a new run knows. drawn, waited: the unfinished jobs that were being drawn, and that were yet to be."""
        found = dict.fromkeys(waited, WAITED) | dict.fromkeys(drawn, DRAWN)
        weights, ends_alone = dict(self.weights), dict(self.ends_alone)
        if self.is_open and self.alone in found:
            ends_alone[self.alone] = ends_alone.get(self.alone, 0) + 1
        elif self.is_open:
            weights |= {job_id: weights.get(job_id, 0) + weight for job_id, weight in found.items()}
        return replace(
            self,
            is_open=True,
            alone=None,
            weights={job_id: weight for job_id, weight in weights.items() if job_id in found},
            ends_alone={job_id: ends for job_id, ends in ends_alone.items() if job_id in found},
        )

    def drawing(self, job_id: str | None) -> Self:
        """From now on this job alone is drawn; None: any."""
        return replace(self, alone=job_id)

    def closed(self) -> Self:
        """The run has ended in peace."""
        return replace(self, is_open=False, alone=None)

    def is_suspect(self, job_id: str) -> bool:
        """Whether it is to be drawn alone."""
        return self.weights.get(job_id, 0) >= SUSPECT_FROM

    def is_fatal(self, job_id: str) -> bool:
        """Whether it is to be given up."""
        return self.ends_alone.get(job_id, 0) >= MAX_ENDS_ALONE
