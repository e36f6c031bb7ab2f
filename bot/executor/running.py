"""A started job, as the engine thread sees it. Used by the modules of that thread alone."""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from bot.engine.base import Prefix, SlotAssignment
from bot.engine.slots import Occupant
from bot.errors import DalleBotError
from bot.executor.scheduler import Job
from bot.language import Text
from bot.requests import GeneratedImage, Sampling

# How XLA begins what it says of a device that has no memory left, whatever the class of the exception.
_OUT_OF_MEMORY: Final = "RESOURCE_EXHAUSTED"


@dataclass(eq=False, slots=True)
class Run:
    """A job from its prefill until it ends, or until the engine's state is lost. Compared by identity.

    prefix: kept until the last image is in, for the jobs that run in waves. row: which of its prompts.
    label_vectors: float32 [len(request.labels), projection_dim]. started_s: on the engine thread's clock, also
    if its state was lost meanwhile. was_told: Started was posted.
    positions: per image, tokens that are certain; dispatched: tokens once every dispatched chunk is done.
    has_ended: whatever the device still gives of it is not wanted.
    """

    job: Job
    prefix: Prefix | None
    row: int
    notices: tuple[Text, ...]
    sampling: Sampling
    label_vectors: npt.NDArray[np.float32] | None
    started_s: float
    was_told: bool
    positions: list[int]
    dispatched: list[int]
    images: list[GeneratedImage] = field(default_factory=list)
    has_ended: bool = False

    def take(self, image: GeneratedImage) -> None:
        """Keeps a finished image, with its label scores."""
        if self.label_vectors is not None:
            image = replace(image, label_scores=self.label_vectors @ image.clip_vector)
        self.images.append(image)

    @property
    def ranked(self) -> tuple[GeneratedImage, ...]:
        """The finished images, best score first; of equal ones, the lower index."""
        return tuple(sorted(self.images, key=lambda image: (-image.score, image.index)))


def assignment(occupant: Occupant[Run]) -> SlotAssignment:
    """How the engine is told who sits where."""
    run = occupant.owner
    request = run.job.request
    return SlotAssignment(
        slot=occupant.slot,
        row=run.row,
        index=occupant.image,
        seed=request.seed,
        sampling=run.sampling,
        image_tokens=request.image_tokens,
    )


def reason(error: Exception) -> Text:
    """A sentence for people: our own errors are written for them, any other may hold anything."""
    if isinstance(error, DalleBotError):
        return error.text
    if _OUT_OF_MEMORY in str(error):
        return Text("The device ran out of memory: ask for fewer pictures at once, or try again later.")
    return Text("The engine failed in an unexpected way: try again; the bot's log holds the reason.")
