"""To whom goes what a restore writes as root: the owner of the folder that it is in, as whom the bot runs. Blocks."""

import os
import shlex
from pathlib import Path


class Heir:
    """The owner of a folder. Nothing happens where this is not root, since all is the user's own then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_left = False

    def give(self, *paths: Path) -> None:
        """What is there of it and is root's: not what a folder holds, nor where a link leads. A disk that knows no
        owners fails nobody's restore."""
        if not hasattr(os, "geteuid") or os.geteuid() != 0:
            return
        try:
            owner = os.stat(self._folder)
            for path in paths:
                if os.path.lexists(path) and os.lstat(path).st_uid == 0:
                    os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
                    self._is_left |= owner.st_uid == 0
        except OSError:
            self._is_left = True

    def left(self) -> str | None:
        """A sentence about what root keeps; None if that is nothing."""
        if not self._is_left:
            return None
        return (
            f"What was restored into {self._folder} belongs to root. If the bot runs as another user, give it to that "
            f"one: `chown -R USER {shlex.quote(str(self._folder))}`."
        )
