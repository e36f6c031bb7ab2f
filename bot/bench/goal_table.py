"""A bench's figures beside their goals, as a table for people. Used by the reports. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich.table import Table

Row = tuple[str, str, Callable[[Any], str], str]
"""What a figure is called, its key, how it is written, its goal."""


def goal_table(title: str, rows: Iterable[Row], figures: Mapping[str, Any]) -> Table:
    """A figure that is None shows as a dash."""
    table = Table(title=title, min_width=60)
    table.add_column("")
    table.add_column("measured", justify="right")
    table.add_column("goal", justify="right")
    for label, key, form, goal in rows:
        value = figures[key]
        table.add_row(label, "–" if value is None else form(value), goal)
    return table
