"""An artifact of Weights & Biases, through the library `wandb` (optional extra), as the Remote of bot.fetch.remote.

Called by bot.fetch.locate on the thread that starts the engine or fetches. The library says which version an alias
is, and each file's size, md5 and address; the bytes are read here, so that a broken download goes on where it ended.
WANDB_BASE_URL, WANDB_API_KEY and `wandb login` are the library's. Files go to `data_dir/weights/<readable name>`.
"""

import hashlib
import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import httpx2

from bot.errors import CheckpointNotFoundError, DalleBotError, FetchError
from bot.fetch.digest import from_base64
from bot.fetch.lock import VERSION, Held, HeldFile
from bot.fetch.parts import Part, choose_files
from bot.fetch.remote import BrokenOffError, Place, after, readable, sent_from
from bot.fetch.source import WandbSource

_TIMEOUT_S: Final = 20.0
_EXTRA: Final = "pip install -e '.[wandb]'"


class WandbArtifact:
    """An artifact as a Remote (bot.fetch.remote). weights_dir: where its folder goes."""

    def __init__(self, source: WandbSource, part: Part, weights_dir: Path, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._source = source
        self._part = part
        self._weights_dir = weights_dir
        self._timeout_s = timeout_s

    @property
    def title(self) -> str:
        return f"the W&B artifact {self._name}"

    @property
    def advice(self) -> str:
        return "Check the network, and WANDB_BASE_URL if it is set."

    @property
    def is_persistent(self) -> bool:
        return True

    def resolve(self) -> Held:
        with self._explained():
            artifact = self._api.artifact(self._name)
            version, files = str(artifact.version), {file.name: file for file in artifact.files()}
        if not VERSION.fullmatch(version):
            raise FetchError(f"W&B calls the newest version of {self._name} {version!r:.40}, which can't be one.")
        names = choose_files(files, self._part, self.title[:1].upper() + self.title[1:])
        # `files` gives md5 in base64; references to other stores have none.
        return Held(version, {name: HeldFile(files[name].size, from_base64("md5", files[name].md5)) for name in names})

    def folder(self, held: Held) -> Path:
        collection = f"{self._source.entity}/{self._source.project}/{self._source.name}"
        # Two names may read the same.
        mark = hashlib.sha256(collection.encode()).hexdigest()[:8]
        return self._weights_dir / f"wandb-{readable(collection)}-{mark}-{held.version}"

    def place(self, held: Held, name: str) -> Place:
        file = self.folder(held) / name
        return Place(file, file.with_name(f"{name}.part"), file.with_name(f"{name}.guard"))

    def read(self, held: Held, name: str, start: int) -> Iterator[bytes]:
        with self._explained():
            # The addresses are signed for a short time, so each attempt asks for its own.
            pinned = f"{self._name.rpartition(':')[0]}:{held.version}"
            found = [file for file in self._api.artifact(pinned).files(names=[name]) if file.name == name]
            if not found:
                raise CheckpointNotFoundError(f"{name} is no longer in the W&B artifact {pinned}.")
            headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
            with httpx2.stream(
                "GET", found[0].direct_url, headers=headers, timeout=self._timeout_s, follow_redirects=True
            ) as response:
                response.raise_for_status()
                begin = sent_from(response.status_code, response.headers, held.files[name].size, start)
                yield from after(response.iter_bytes(), start - begin)

    def finish(self, held: Held, name: str) -> None:
        """Nothing is left to do: `place` is in the folder."""

    def discard(self, held: Held, name: str) -> None:
        (self.folder(held) / name).unlink(missing_ok=True)

    @property
    def _name(self) -> str:
        return str(self._source).removeprefix("wandb:")

    @cached_property
    def _api(self) -> Any:
        if importlib.util.find_spec("wandb") is None:
            raise FetchError(
                f"{self._part.option} names a W&B artifact, and the library wandb is not installed: in the checkout, "
                f"{_EXTRA} brings it."
            )
        wandb = importlib.import_module("wandb")
        # Otherwise it talks on the terminal, and asks there for a key that is missing.
        wandb.setup(wandb.Settings(silent=True, login_timeout=0.01))
        return wandb.Api(timeout=round(self._timeout_s))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what the library raises into our errors. Its texts may hold signed addresses, hence no chain."""
        try:
            yield
        except (DalleBotError, BrokenOffError):
            raise
        except httpx2.HTTPStatusError as error:
            status = error.response.status_code
            # 400 and 403 are also what is said of an address whose time is over.
            if status in (400, 403, 408, 429) or status >= 500:
                raise BrokenOffError(f"its store answers {status}") from None
            raise FetchError(f"{self.title}: its store refuses the file with answer {status}.") from None
        except httpx2.HTTPError as error:
            raise BrokenOffError(f"the connection to its store broke ({type(error).__name__})") from None
        except Exception as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> Exception:
        """The library's own exceptions, by name: importing them would need the library."""
        kind = type(error).__name__
        if any(isinstance(cause, TimeoutError) for cause in _causes(error)):
            return BrokenOffError("W&B does not answer")
        if kind in ("AuthenticationError", "UsageError", "TimeoutError", "PermissionError"):
            return FetchError(
                f"W&B wants a key that may read {self._name}: set WANDB_API_KEY, or log in with `wandb login`."
            )
        # It says no more of an artifact, project or team that is not there; a malformed answer is a subclass.
        if type(getattr(error, "exc", error)) is ValueError:
            return CheckpointNotFoundError(
                f"There is no W&B artifact {self._name}, or it is not yours to see: check {self._part.option} and "
                "WANDB_API_KEY."
            )
        return BrokenOffError(f"the library wandb failed with {kind}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What an exception came from, without itself, and whether it was meant to be shown or not."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
