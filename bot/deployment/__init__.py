"""What a deployment needs beside the bot. Printed by `dalle-bot deploy`."""

from importlib.resources import files


def compose() -> str:
    """Bot, PostgreSQL, Prometheus and Grafana for Docker Compose, as YAML."""
    return _read("compose.yaml")


def serve() -> str:
    """Engines for Ray Serve, as YAML."""
    return _read("serve.yaml")


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
