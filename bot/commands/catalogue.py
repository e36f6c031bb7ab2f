"""`dalle-bot catalogue`."""

from typing import Annotated

import typer


def catalogue(
    code: Annotated[str, typer.Argument(help="The language's code: de, fr, pt_BR.", metavar="LANGUAGE")],
) -> None:
    """Make or update the file that translates the bot's messages: what is translated stays, what is new is empty."""
    from bot.messages import update_catalogue

    path, num_open = update_catalogue(code)
    print(f"{path} ({num_open} to translate)")
