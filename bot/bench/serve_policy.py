"""The two policies that `bench serve` compares: the product's own admission, and static batching."""

from typing import Literal

from bot.executor.scheduler import Admission, Scheduler

Policy = Literal["continuous", "static"]


class PolicyScheduler(Scheduler):
    """Admits as the product does, or, while `batch_slots` is set, only when nothing is running.

    batch_slots: how many slots the engine has. While one of them is occupied nobody is admitted; once all are free,
    which they are when the last chunk of their images is dispatched, what waits is admitted, as many images as there
    are slots, in the product's order. A job that does not fit wholly goes on with the next batch. None: the product's
    own policy. To be changed only while no job is unfinished.
    """

    batch_slots: int | None = None

    def admit(self, num_free: int) -> list[Admission]:
        """See Scheduler.admit."""
        if self.batch_slots is not None and num_free < self.batch_slots:
            return []
        return super().admit(num_free)
