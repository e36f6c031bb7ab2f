"""`dalle-bot deploy …`: prints what else a deployment needs."""

import typer

deploy = typer.Typer(help="Print what else a deployment needs.", no_args_is_help=True)


@deploy.command()
def grafana() -> None:
    """Print the dashboard for Grafana (Dashboards, New, Import)."""
    from bot.telemetry.resources import dashboard

    print(dashboard(), end="")


@deploy.command()
def alerts() -> None:
    """Print the alerts for Prometheus, a file for its rule_files."""
    from bot.telemetry.resources import alerts as rules

    print(rules(), end="")


@deploy.command()
def compose() -> None:
    """Print a file for Docker Compose: bot, PostgreSQL, Prometheus and Grafana."""
    from bot.deployment import compose as services

    print(services(), end="")


@deploy.command()
def ray() -> None:
    """Print a configuration for Ray Serve: engines on a cluster."""
    from bot.deployment import serve

    print(serve(), end="")
