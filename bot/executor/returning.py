"""Jobs that have lost their replica and wait for another one, in that order. Made by the RemoteExecutor; event loop
only.

A job that three replicas may have died of waits for the next look, which tells whether they have.
"""

from collections import deque
from collections.abc import Iterator

from bot.executor.course import Course


class Returning:
    def __init__(self) -> None:
        self._courses: deque[Course] = deque()

    def __iter__(self) -> Iterator[Course]:
        return iter(self._courses)

    def add(self, course: Course) -> None:
        self._courses.append(course)

    def remove(self, course: Course) -> None:
        """Raises ValueError if it isn't there."""
        self._courses.remove(course)

    def take(self) -> Course | None:
        """The first one that may go to a replica, and takes it out. None if there is none."""
        course = next((course for course in self._courses if not course.is_in_doubt), None)
        if course is not None:
            self._courses.remove(course)
        return course

    def take_vain(self) -> list[Course]:
        """Those that no replica should get, and takes them out."""
        vain = [course for course in self._courses if course.is_in_vain]
        for course in vain:
            self._courses.remove(course)
        return vain
