"""The table of faults names tests that are there, and that `-m fault` runs."""

import re
from pathlib import Path

import pytest

import tests.faults

TESTS = Path(tests.__file__).parent


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\S+\.py$", tests.faults.__doc__ or "", re.MULTILINE))))
def test_the_table_names_tests_of_faults(name: str) -> None:
    assert "pytest.mark.fault" in (TESTS / name).read_text(encoding="utf-8")


def test_no_module_of_faults_is_left_out() -> None:
    here = [path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__)]
    assert [path.name for path in here if f"faults/{path.name}" not in (tests.faults.__doc__ or "")] == []
