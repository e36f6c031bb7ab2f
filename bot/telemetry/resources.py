"""The dashboard and the alerts that come with the package. Read by `dalle-bot deploy`."""

from importlib.resources import files


def dashboard() -> str:
    """For Grafana, as JSON."""
    return _read("dashboard.json")


def alerts() -> str:
    """Rules for Prometheus, as YAML."""
    return _read("alerts.yml")


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
