"""The order of the checks, and that the README explains each."""

from bot.doctor.examination import CHECKS
from tests.test_readme import rows, section


def test_the_readme_says_when_each_check_fails() -> None:
    # The section's text goes on to the end of the chapter.
    first, *explained = rows(section("The doctor"))
    assert first == "check"
    assert explained[: len(CHECKS)] == list(CHECKS)
