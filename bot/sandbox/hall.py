"""`dalle-bot sandbox --empty`: the stand-in without a bot; bots come to it as processes of their own, one or several,
with `dalle-bot run --sandbox`. Called by the command line.
"""

import asyncio
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from bot.config import TOKEN_VARIABLE, Settings
from bot.errors import ConfigError
from bot.sandbox.album import make_folder
from bot.sandbox.errors import NoClientError
from bot.sandbox.performance import Performance
from bot.sandbox.play import CONNECT_TIMEOUT_S
from bot.sandbox.pointing import discord_at
from bot.sandbox.sandbox import Sandbox
from bot.sandbox.transcript import Event


async def keep_open(
    *,
    on_event: Callable[[Event], None],
    on_open: Callable[[Sandbox], None],
    on_bot: Callable[[], None],
    out: Path | None = None,
    page: Path | None = None,
    data_dir: Path | None = None,
) -> None:
    """Waits for a bot, for as long as it takes, and then plays the lines of standard input; returns at its end.

    on_open: told where bots are to come. on_bot: told when one is there. The other arguments and the errors are those
    of `stay_up`.
    """
    if out is not None:
        await asyncio.to_thread(make_folder, out)
    async with Sandbox.start(process=True, out=out, data=data_dir) as sandbox:
        on_open(sandbox)
        async with Performance.begin(sandbox, on_event, page) as performance:
            while True:
                with suppress(NoClientError):
                    await sandbox.wait_until_connected(CONNECT_TIMEOUT_S)
                    break
            on_bot()
            await performance.look()
            if not await performance.play_typed():
                await asyncio.Event().wait()


def run_line(sandbox: Sandbox) -> str:
    """What starts a bot in the sandbox, as a line for a shell. Its token is good for this sandbox alone."""
    program = [sys.executable, "-m", "bot"] if sys.argv[0].endswith(".py") else [sys.argv[0]]
    return (
        f"{TOKEN_VARIABLE}={shlex.quote(sandbox.token)} {shlex.join([*program, 'run', '--sandbox', sandbox.address])}"
    )


@contextmanager
def visited(settings: Settings, address: str) -> Iterator[Settings]:
    """Inside, clients in this process talk to the sandbox at `address`; with these settings of a trial, but for the
    servers that they name and the folder of a real bot. Raises ConfigError for an address that isn't on this machine.
    """
    where = urlsplit(address)
    if where.scheme != "http" or where.hostname != "127.0.0.1" or where.path.strip("/"):
        raise ConfigError(f"--sandbox is {address}: expected what `dalle-bot sandbox --empty` prints, on this machine.")
    elsewhere = {"dev_guild_id": None, "allowed_guilds": None}
    here = {"data_dir": settings.data_dir / "sandbox", "discord": settings.discord.model_copy(update=elsewhere)}
    with discord_at(address.rstrip("/")):
        yield settings.model_copy(update=here)
