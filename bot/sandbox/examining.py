"""How to examine a bot in the sandbox, as a line for a shell. Called by the command line."""

import shlex
import sys
from collections.abc import Sequence

from bot.config import ENV_PREFIX, TOKEN_VARIABLE, Settings
from bot.sandbox.play import Online
from bot.shards import format_ids


def doctor_line(given: Settings, online: Online, options: Sequence[str]) -> str:
    """Examines the sandbox's own database, whatever the settings say. Its token is good for this sandbox alone.

    given: the settings that the sandbox was started with. options: with which the doctor reads the same ones."""
    here = online.settings
    variables = {TOKEN_VARIABLE: online.sandbox.token, f"{ENV_PREFIX}DATA_DIR": str(here.data_dir)}
    if given.store.url is not None:
        variables[f"{ENV_PREFIX}STORE__URL"] = here.store_url
    if given.sharding.ids is not None and given.sharding.count is not None:
        variables[f"{ENV_PREFIX}SHARDING__IDS"] = format_ids(range(given.sharding.count))
    program = [sys.executable, "-m", "bot"] if sys.argv[0].endswith(".py") else [sys.argv[0]]
    assigned = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    words = [*program, "doctor", "--api", f"{online.sandbox.address}/api/v10", *options]
    return " ".join([*assigned, shlex.join(words)])
