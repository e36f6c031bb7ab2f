"""The sandbox as a process of its own: `python -m bot.sandbox --port 0`.

Prints its address and tokens as one JSON line, or what is wrong with its --data, and serves until its standard input is
closed, so that it ends with whoever started it, however that ended.
"""

import argparse
import asyncio
import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from bot.errors import ConfigError
from bot.sandbox.finality import Patience
from bot.sandbox.hosting import Handshake, serve


def main() -> None:
    """Parses the arguments and serves."""
    parser = argparse.ArgumentParser(prog="python -m bot.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 for any free one")
    parser.add_argument("--out", type=Path, help="folder for the attachments that players see")
    parser.add_argument("--data", type=Path, help="folder that all is kept in, for the next one")
    defaults = Patience()
    parser.add_argument("--moment", type=float, default=defaults.moment_s, help="seconds of silence after pictures")
    parser.add_argument("--short", type=float, default=defaults.short_s, help="seconds of silence after other answers")
    parser.add_argument("--long", type=float, default=defaults.long_s, help="seconds of silence after open answers")
    arguments = parser.parse_args()
    patience = Patience(arguments.moment, arguments.short, arguments.long)
    try:
        asyncio.run(_serve(arguments.port, arguments.out, patience, arguments.data))
    except ConfigError as error:
        _tell({"error": str(error)})
        sys.exit(2)
    except OSError as error:
        sys.exit(f"The sandbox can't listen on port {arguments.port}: {error.strerror}. Choose another --port.")


def _tell(words: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


async def _serve(port: int, out: Path | None, patience: Patience, data: Path | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop_at_end_of_input() -> None:
        # Not through Python's own buffer, whose lock would be missed by a program that ends meanwhile.
        while os.read(sys.stdin.fileno(), 1024):
            pass
        with suppress(RuntimeError):  # the loop is closed already: it could not begin
            loop.call_soon_threadsafe(stop.set)

    def announce(handshake: Handshake, _: object) -> None:
        _tell(handshake.to_json())

    # A daemon: nothing else ends a thread that reads.
    threading.Thread(target=stop_at_end_of_input, name="end of input", daemon=True).start()
    await serve(port, out, patience, stop, announce, data)


if __name__ == "__main__":
    main()
