"""What the gateway does wrong on purpose, the next times that clients come. Event loop of the sandbox only."""

from collections.abc import Callable
from typing import Final

MAX_STARTS_A_DAY: Final = 1000
PAUSE_BETWEEN_IDENTIFIES_S: Final = 5.0


class GatewayFaults:
    """Each number is how many of the next ones go wrong. now: seconds.

    refused_connections: get no web socket. hang_ups: connections that are closed before they were greeted.
    postponed_resumes: are told to come back with the same session. refused_resumes, refused_identifies: are told that
    there is no session. is_pace_kept: Discord's own limit holds, one identify in 5 seconds; without, tests needn't
    wait.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.refused_connections = 0
        self.hang_ups = 0
        self.postponed_resumes = 0
        self.refused_resumes = 0
        self.refused_identifies = 0
        self.is_pace_kept = False
        self.num_identifies = 0
        self._identified_s = float("-inf")

    @property
    def starts_left(self) -> int:
        """Of the sessions that the bot may begin in a day."""
        return max(0, MAX_STARTS_A_DAY - self.num_identifies)

    def refuses_connection(self) -> bool:
        self.refused_connections, is_so = _one_less(self.refused_connections)
        return is_so

    def hangs_up(self) -> bool:
        self.hang_ups, is_so = _one_less(self.hang_ups)
        return is_so

    def postpones_resume(self) -> bool:
        self.postponed_resumes, is_so = _one_less(self.postponed_resumes)
        return is_so

    def refuses_resume(self) -> bool:
        self.refused_resumes, is_so = _one_less(self.refused_resumes)
        return is_so

    def refuses_identify(self) -> bool:
        """Counts an identify."""
        self.num_identifies += 1
        is_early = self._now() < self._identified_s + PAUSE_BETWEEN_IDENTIFIES_S
        self.refused_identifies, is_refused = _one_less(self.refused_identifies)
        if is_refused or (self.is_pace_kept and is_early):
            return True
        self._identified_s = self._now()
        return False


def _one_less(number: int) -> tuple[int, bool]:
    return max(0, number - 1), number > 0
