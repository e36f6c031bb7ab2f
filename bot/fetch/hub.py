"""The Hugging Face hub: which commit a revision is, what its files must be, and their bytes.

Called by bot.fetch.locate on the thread that starts the engine or fetches. Files lie in the hub's own cache (HF_HOME),
in its documented layout, so that what other programs fetched need not come again: `blobs/<etag>` holds the content,
`snapshots/<commit>/<name>` points there. The library's own download is not used: since version 2 it begins from zero
after every failure, and it checks neither digests nor the room on the disk. Its session, endpoint, token, folders and
errors are. HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE are read by the library when it is first imported.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx2
from huggingface_hub import constants, get_session, get_token, hf_raise_for_status
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from bot.errors import CheckpointError, CheckpointNotFoundError, ConfigError, FetchError
from bot.fetch.digest import is_digest
from bot.fetch.lock import LOCK_FILE, Held, HeldFile
from bot.fetch.parts import Part, choose_files
from bot.fetch.remote import BrokenOffError, Place, after, sent_from
from bot.fetch.source import HubSource, revision_option

MAX_ANSWER_BYTES: Final = 32 << 20  # of all names, sizes and digests of a model

_MAY_PASS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_EXPIRED: Final = frozenset({400, 401, 403})
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


class Hub:
    """A hub model as a Remote (bot.fetch.remote). endpoint, cache: None are those of HF_ENDPOINT and HF_HOME.

    timeout_s: without a byte, before a transfer counts as broken off; None is HF_HUB_DOWNLOAD_TIMEOUT, or 10.
    """

    def __init__(
        self,
        source: HubSource,
        part: Part,
        *,
        endpoint: str | None = None,
        cache: Path | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self._source = source
        self._part = part
        self._endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._folder = (cache or Path(constants.HF_HUB_CACHE)) / f"models--{source.repo_id.replace('/', '--')}"
        self._timeout_s = timeout_s or constants.HF_HUB_DOWNLOAD_TIMEOUT

    @property
    def title(self) -> str:
        return f"the hub model {self._source}"

    @property
    def advice(self) -> str:
        return f"Check the network, and HF_ENDPOINT if it is set; the hub asked is {self._host}."

    @property
    def is_persistent(self) -> bool:
        return False

    def resolve(self) -> Held:
        url = f"{self._endpoint}/api/models/{self._source.repo_id}"
        if self._source.revision is not None:
            url += f"/revision/{quote(self._source.revision, safe='')}"
        headers = _authorization()
        with (
            self._explained(),
            get_session().stream(
                "GET", url, params={"blobs": "true"}, headers=headers, timeout=self._timeout_s
            ) as response,
        ):
            hf_raise_for_status(response)
            info = json.loads(_bounded(response.iter_bytes()))
            commit, siblings = str(info["sha"]), {str(sibling["rfilename"]): sibling for sibling in info["siblings"]}
            if not _COMMIT.fullmatch(commit):
                raise ValueError(commit)
        names = choose_files(siblings, self._part, self._capital)
        with self._explained():
            return Held(commit, {name: _announced(siblings[name]) for name in names})

    def folder(self, held: Held) -> Path:
        return self._folder / "snapshots" / held.version

    def place(self, held: Held, name: str) -> Place:
        # The hub calls a blob what its etag is: the hash that it announces, without our prefix.
        etag = (held.files[name].digest or "").partition(":")[2]
        blob = self._folder / "blobs" / etag
        # Both names are those that the library uses, so that its downloads and ours know of each other.
        guard = self._folder.parent / ".locks" / self._folder.name / f"{etag}.lock"
        return Place(blob, blob.with_name(f"{etag}.incomplete"), guard)

    def read(self, held: Held, name: str, start: int) -> Iterator[bytes]:
        url = f"{self._endpoint}/{self._source.repo_id}/resolve/{held.version}/{quote(name)}"
        # A compressed answer could not be taken up at a byte of the file.
        headers = {**_authorization(), "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with (
            self._explained(name),
            get_session().stream("GET", url, headers=headers, timeout=self._timeout_s) as response,
        ):
            hf_raise_for_status(response)
            begin = sent_from(response.status_code, response.headers, held.files[name].size, start)
            yield from after(response.iter_bytes(), start - begin)

    def finish(self, held: Held, name: str) -> None:
        blob, pointer = self.place(held, name).file, self.folder(held) / name
        pointer.parent.mkdir(parents=True, exist_ok=True)
        pointer.unlink(missing_ok=True)
        try:
            pointer.symlink_to(os.path.relpath(blob, pointer.parent))
        except OSError:
            # Windows, without the right to make links: the library moves the file then, and so do we.
            blob.replace(pointer)
        self._remember_revision(held)

    def discard(self, held: Held, name: str) -> None:
        pointer = self.folder(held) / name
        pointer.resolve().unlink(missing_ok=True)
        pointer.unlink(missing_ok=True)

    def _remember_revision(self, held: Held) -> None:
        """Writes refs/<revision> as the library does; `hf cache prune` removes commits that none points to."""
        revision = self._source.revision or constants.DEFAULT_REVISION
        if revision == held.version:
            return
        ref = self._folder / "refs" / revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(held.version, "utf-8")

    @property
    def _host(self) -> str:
        # HF_ENDPOINT may hold a password.
        return urlsplit(self._endpoint).netloc.rpartition("@")[2] or "HF_ENDPOINT, which is not a URL"

    @contextmanager
    def _explained(self, name: str | None = None) -> Iterator[None]:
        """Turns what the client raises into our errors. name: the file that was asked for, if it was one."""
        try:
            yield
        except OfflineModeIsEnabled as error:
            if name is None:
                raise FetchError(
                    f"HF_HUB_OFFLINE forbids to ask {self._host} which version of {self._source} is there. --update "
                    f"must ask, and so must the first start, which notes the answer in {LOCK_FILE} in data_dir: unset "
                    "it once."
                ) from error
            raise FetchError(
                f"{self._capital} is not all here, and HF_HUB_OFFLINE forbids to fetch it: unset it once."
            ) from error
        except HfHubHTTPError as error:
            # Its text holds the address that answered, which may be a signed one.
            raise self._refused(error, name) from None
        except httpx2.TimeoutException as error:
            raise BrokenOffError(f"{self._host} sent nothing for {self._timeout_s:g} s") from error
        except httpx2.ConnectError as error:
            raise BrokenOffError(f"no connection to {self._host}") from error
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise ConfigError("HF_ENDPOINT is no web address: write it like https://host.") from error
        except httpx2.RequestError as error:
            raise BrokenOffError(f"the connection to {self._host} broke ({type(error).__name__})") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise FetchError(
                f"{self._host} does not answer as a hub does about {self._source} (commit, names, sizes and digests): "
                "check HF_ENDPOINT."
            ) from error

    def _refused(self, error: HfHubHTTPError, name: str | None) -> Exception:
        status = error.response.status_code
        source, option = self._source, self._part.option
        answered = urlsplit(str(error.response.url)).netloc.rpartition("@")[2]
        if status in _MAY_PASS:
            return BrokenOffError(f"{answered} answers {status}")
        if name is not None and answered != self._host:
            # The hub sends for large files to a store, by addresses that are signed for a short time.
            where = f"{answered}, where {self._host} sends for {name},"
            if status in _EXPIRED:
                return BrokenOffError(f"{where} answers {status}")
            return CheckpointError(f"{where} refuses it with answer {status}: try again later, or check HF_ENDPOINT.")
        if isinstance(error, GatedRepoError) or status == 403:
            return FetchError(
                f"{self._host} gives {source} only to some (answer {status}): accept its terms on its page there, and "
                "set HF_TOKEN to a token of that account that may read it."
            )
        if isinstance(error, RevisionNotFoundError):
            return CheckpointNotFoundError(
                f"{self._capital} has no such revision: check {revision_option(option)} or what follows the @."
            )
        if status == 401 and _authorization():
            return FetchError(
                f"{self._host} refuses the token when asked for {source} (answer 401): renew HF_TOKEN, or log in again "
                "with `hf auth login`."
            )
        if status == 401 or isinstance(error, RepositoryNotFoundError) or (status == 404 and name is None):
            return CheckpointNotFoundError(
                f"There is no model {source.repo_id} on {self._host}, or it is private (answer {status}): check "
                f"{option}; for a private one set HF_TOKEN."
            )
        if status == 404:
            return CheckpointNotFoundError(
                f"{name} is no longer in {source} on {self._host}: `dalle-bot fetch` with --update takes what is "
                "there now."
            )
        return CheckpointError(f"{self._host} refuses {name or source} with answer {status}: check HF_ENDPOINT.")

    @property
    def _capital(self) -> str:
        return f"The hub model {self._source}"


def _announced(sibling: Mapping[str, Any]) -> HeldFile:
    """Large files (LFS) are announced with their sha256, the others with the name of their blob in git."""
    lfs = sibling.get("lfs")
    digest = f"git-sha1:{sibling['blobId']}" if lfs is None else f"sha256:{lfs['sha256']}"
    if not is_digest(digest):
        raise ValueError(digest)
    return HeldFile(int(sibling["size"]), digest)


def _bounded(pieces: Iterable[bytes]) -> bytes:
    """All of an answer, unpacked. Raises ValueError beyond MAX_ANSWER_BYTES."""
    answer = bytearray()
    for piece in pieces:
        answer += piece
        if len(answer) > MAX_ANSWER_BYTES:
            raise ValueError("an answer without end")
    return bytes(answer)


def _authorization() -> dict[str, str]:
    """The header with the token of HF_TOKEN or of `hf auth login`; empty if there is none.

    Raises ConfigError, without the token, if it can't be sent.
    """
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    if token is None:
        return {}
    if not (token.isascii() and token.isprintable()):
        raise ConfigError("HF_TOKEN holds characters that no token has: copy it again.")
    return {"Authorization": f"Bearer {token}"}
