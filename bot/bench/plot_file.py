"""Where `--plot FILE.png` goes, and what draws it. matplotlib is an extra, imported only here."""

from pathlib import Path
from typing import Any

from bot.errors import ConfigError


def check_plot(file: Path) -> None:
    """Raises ConfigError if `file` can't be written or matplotlib is missing. Called before minutes are measured."""
    figure_class()
    if file.suffix.lower() != ".png":
        raise ConfigError(f"--plot: {file} must end in .png.")
    if not file.parent.is_dir():
        raise ConfigError(f"--plot: there is no folder {file.parent}; make it first.")


def figure_class() -> Any:
    """matplotlib's Figure, which, unlike pyplot, has no state of the process and no display."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("--plot needs matplotlib: pip install -e '.[plot]' in the checkout.") from error
    return Figure


def save_plot(figure: Any, file: Path) -> None:
    """Writes a PNG. Raises ConfigError if it can't."""
    try:
        figure.savefig(file, dpi=120)
    except OSError as error:
        raise ConfigError(f"--plot: {file} can't be written ({error.strerror}).") from error
