"""Which pictures a work folder's training began with, so that it goes on with no others. Called by train.py."""

import json
from pathlib import Path

from bot.demo.pictures import Pictures
from bot.errors import ConfigError

_FILE = "data.json"


def expect_same_data(work: Path, data: Path | None, pictures: Pictures) -> None:
    """Notes the pictures' digest in `work`, or compares it with the one there.

    data: the folder that they come from; None for the demo's own. Raises ConfigError, about `--data`, if they are not
    those that the training began with.
    """
    file = work / _FILE
    facts = {"data": None if data is None else str(data.resolve()), "digest": pictures.digest}
    try:
        known = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        file.write_text(json.dumps(facts) + "\n", encoding="utf-8")
        return
    except ValueError:
        known = None
    if not isinstance(known, dict) or not {"data", "digest"} <= set(known):
        raise ConfigError(f"{file} is damaged; remove it if {work} was trained with the same --data, or empty {work}.")
    if known["digest"] == facts["digest"]:
        return
    began = "the demo's own pictures" if known["data"] is None else f"--data {known['data']}"
    if known["data"] == facts["data"]:
        raise ConfigError(
            f"--data: {work} began with {began}, which have changed since; name another folder for --work."
        )
    raise ConfigError(f"--data: {work} began with {began}; go on with these, or name another folder for --work.")
