"""Ray's own lines in this program's log. Called by opening.py once Ray is imported, on a thread."""

import logging
from typing import Final

_OF_RAY: Final = ("ray", "ray.serve")


def take_over_logs() -> None:
    """Warnings of Ray and Serve are formatted as all others, and what is secret is taken out of them. They bring
    handlers of their own, which would write beside the log."""
    for name in _OF_RAY:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
