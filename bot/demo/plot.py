"""Loss curves of the training stages, from their .jsonl files to one picture."""

import json
from pathlib import Path

from bot.errors import ConfigError


def plot_losses(work: Path) -> Path:
    """Plots every metric of every stage in `work` into `losses.png` there. Raises ConfigError without matplotlib."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ConfigError("Plots need matplotlib: pip install -e '.[plot]' in the checkout.") from error
    logs = sorted(work.glob("*.jsonl"))
    figure, grid = plt.subplots(len(logs), 1, figsize=(8, 2.6 * len(logs)), squeeze=False, layout="constrained")
    for axes, log in zip(grid[:, 0], logs, strict=True):
        rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        for name in (key for key in rows[0] if key != "step"):
            axes.plot([row["step"] for row in rows], [row[name] for row in rows], label=name, linewidth=1)
        axes.set(title=log.stem, xlabel="step", yscale="log")
        axes.legend(frameon=False, ncols=4)
        axes.grid(alpha=0.3)
    target = work / "losses.png"
    figure.savefig(target, dpi=120)
    plt.close(figure)
    return target
