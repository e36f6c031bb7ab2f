"""The scheduler behind a lock: the only object that the event loop and the engine thread both touch.

The event loop adds, cancels and closes; the engine thread waits, admits and finishes. The lock is held for dictionary
operations only, never over an engine call or a callback, so taking it does not block the loop.
"""

import threading
from collections.abc import Iterable

from bot.errors import ExecutorClosedError
from bot.executor.questions import Question, Questions
from bot.executor.scheduler import Admission, Job, Lineup, Scheduler
from bot.language import Text


class Backlog:
    """Jobs that were accepted and have not ended, and questions that wait, safe to use from both threads."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._changed = threading.Condition()
        self._cancelled: list[Job] = []
        self._questions = Questions()
        self._refuses_because: Text | None = None
        self._is_closed = False

    def add(self, job: Job, *, accepted_before: bool = False) -> int:
        """Accepts a job and returns its position. Raises QueueFullError, UserLimitError or ExecutorClosedError."""
        with self._changed:
            self._check_open()
            position = self._scheduler.add(job, accepted_before=accepted_before)
            self._changed.notify_all()
            return position

    def check_room(self, requester: str, num_jobs: int, *, guild: str | None = None) -> None:
        """As Scheduler.check_room; raises ExecutorClosedError too."""
        with self._changed:
            self._check_open()
            self._scheduler.check_room(requester, num_jobs, guild=guild)

    def check_user(self, num_own: int, num_jobs: int) -> None:
        """As Scheduler.check_user."""
        self._scheduler.check_user(num_own, num_jobs)

    def cancel(self, job: Job) -> bool:
        """Ends a job. If it has started, the engine thread learns of it at its next chunk. False if it has ended."""
        with self._changed:
            has_started = job in self._scheduler.started
            if not self._scheduler.remove(job):
                return False
            if has_started:
                self._cancelled.append(job)
                self._changed.notify_all()
            return True

    def ask(self, question: Question) -> None:
        """Lets a question wait for the engine thread. Raises NotReadyError or ExecutorClosedError."""
        with self._changed:
            self._check_open()
            self._questions.add(question)
            self._changed.notify_all()

    def withdraw(self, question: Question) -> None:
        """Nobody waits for its answer any more."""
        with self._changed:
            self._questions.remove(question)

    def lineup(self) -> Lineup:
        """Who gets the next slots, in order."""
        with self._changed:
            return self._scheduler.lineup

    def counts(self) -> tuple[int, int]:
        """How many jobs wait, and how many have started."""
        with self._changed:
            return self._scheduler.num_waiting, len(self._scheduler.started)

    def demand(self, also: Iterable[str]) -> float:
        """The weight of all guilds in which jobs wait, and of those in `also`."""
        with self._changed:
            return self._scheduler.demand(also)

    def drain(self, sentence: Text) -> tuple[Job, ...]:
        """Refuses further jobs and questions with ExecutorClosedError(sentence), and forgets and returns the jobs that
        wait. What has started goes on."""
        with self._changed:
            if self._refuses_because is None:
                self._refuses_because = sentence
            return self._scheduler.dismiss()

    def close(self, sentence: Text) -> None:
        """Forgets every job and question, and refuses further ones with ExecutorClosedError(sentence).

        The first sentence stays.
        """
        with self._changed:
            if self._refuses_because is None:
                self._refuses_because = sentence
            self._is_closed = True
            self._scheduler.clear()
            self._cancelled.clear()
            self._questions.clear()
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Engine thread: waits until there is something to do, or for `timeout_s`. False once closed."""
        with self._changed:
            self._changed.wait_for(self._needs_attention, timeout_s)
            return not self._is_closed

    def take_cancelled(self) -> list[Job]:
        """Engine thread: started jobs that were cancelled since the last call."""
        with self._changed:
            cancelled, self._cancelled = self._cancelled, []
            return cancelled

    def take_question(self) -> Question | None:
        """Engine thread: the one that has waited longest, if any."""
        with self._changed:
            return self._questions.take()

    def admit(self, num_free: int) -> list[Admission]:
        """Engine thread: the images for up to `num_free` free slots."""
        with self._changed:
            return self._scheduler.admit(num_free)

    def start(self) -> Job | None:
        """Starts the job whose turn it is, as a whole; None if none waits."""
        with self._changed:
            return self._scheduler.start() if self._scheduler.num_waiting else None

    def finish(self, job: Job) -> bool:
        """Engine thread: the job ended. False if it was cancelled meanwhile, so that nobody waits for its outcome."""
        with self._changed:
            return self._scheduler.remove(job)

    def started(self) -> tuple[Job, ...]:
        """Engine thread: the jobs that were admitted and have not ended."""
        with self._changed:
            return self._scheduler.started

    def restart(self) -> None:
        """Engine thread: every started job enters again from its first image, before any other one starts."""
        with self._changed:
            self._scheduler.restart()

    def _check_open(self) -> None:
        if self._refuses_because is not None:
            raise ExecutorClosedError(self._refuses_because)

    def _needs_attention(self) -> bool:
        return self._is_closed or bool(self._cancelled) or self._scheduler.has_images or bool(self._questions)
