"""A folder of a bucket, through fsspec: `gs://` (gcsfs), `s3://` (s3fs) and whatever else it knows.

Called by bot.fetch.locate on the thread that starts the engine or fetches; fsspec's own thread does the asking. Files
go to `data_dir/weights/<readable name>-<fingerprint of the listing>`, so a changed bucket never mixes with what is
here. What can be checked: the md5 or crc32c that Google announces, and S3's etag where it is an md5: not for objects
uploaded in several parts, nor encrypted with a key of KMS or the customer's. Elsewhere only sizes are.
"""

import hashlib
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final

import fsspec
from fsspec.registry import known_implementations

from bot.errors import CheckpointError, CheckpointNotFoundError, ConfigError, DalleBotError, FetchError
from bot.fetch.digest import from_base64
from bot.fetch.lock import Held, HeldFile
from bot.fetch.parts import Part, choose_files
from bot.fetch.remote import BrokenOffError, Place, readable
from bot.fetch.source import BucketSource

_BLOCK_BYTES: Final = 32 * 1024 * 1024
_EXTRA: Final = "pip install -e '.[buckets]'"
_EXTRA_SCHEMES: Final = frozenset({"gs", "gcs", "s3", "s3a"})
_MD5: Final = re.compile(r'"?([0-9a-f]{32})"?')
_KEYS: Final = {
    "s3": "give AWS credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or set "
    "FSSPEC_S3_ANON=true for a public bucket",
    "gs": "log in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
}


class Bucket:
    """A folder of a store as a Remote (bot.fetch.remote). weights_dir: where such folders are kept.

    Raises FetchError if the library for this kind of store is not installed.
    """

    def __init__(self, source: BucketSource, part: Part, weights_dir: Path, *, block_bytes: int = _BLOCK_BYTES) -> None:
        self._url = source.url
        self._part = part
        self._weights_dir = weights_dir
        self._block_bytes = block_bytes

    @property
    def title(self) -> str:
        return self._url

    @property
    def advice(self) -> str:
        kind = {"gcs": "gs", "s3a": "s3"}.get(self._scheme, self._scheme)
        return f"Check the network and your rights: {_KEYS.get(kind, f'{self._scheme}:// may want credentials')}."

    @property
    def is_persistent(self) -> bool:
        return True

    def resolve(self) -> Held:
        store, path = self._opened
        with self._explained():
            store.invalidate_cache()
            listing = store.ls(path, detail=True)
        infos = {PurePosixPath(info["name"]).name: info for info in listing if info["type"] == "file"}
        names = choose_files(infos, self._part, self._url)
        files = {name: self._announced(infos[name]) for name in names}
        said = json.dumps([[name, file.size, file.digest, _marks(infos[name])] for name, file in files.items()])
        return Held(hashlib.sha256(said.encode()).hexdigest()[:12], files)

    def folder(self, held: Held) -> Path:
        return self._weights_dir / f"{readable(self._url)}-{held.version}"

    def place(self, held: Held, name: str) -> Place:
        file = self.folder(held) / name
        return Place(file, file.with_name(f"{name}.part"), file.with_name(f"{name}.guard"))

    def read(self, held: Held, name: str, start: int) -> Iterator[bytes]:
        store, folder = self._opened
        size = held.files[name].size
        with self._explained():
            if self.resolve().version != held.version:
                raise CheckpointError(
                    f"{self._url} has changed since it was fetched first: `dalle-bot fetch` with --update takes what "
                    "is there now."
                )
            while start < size:
                asked = min(self._block_bytes, size - start)
                block = store.cat_file(f"{folder}/{name}", start=start, end=start + asked)
                # A proxy's page, say, which must not become a part of the file.
                if len(block) != asked:
                    raise BrokenOffError(f"the store sent {len(block)} bytes where {asked} were asked for")
                yield block
                start += len(block)

    def finish(self, held: Held, name: str) -> None:
        """Nothing is left to do: `place` is in the folder."""

    def discard(self, held: Held, name: str) -> None:
        (self.folder(held) / name).unlink(missing_ok=True)

    @property
    def _scheme(self) -> str:
        return self._url.partition("://")[0]

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """fsspec's file system, and the folder's path in it."""
        try:
            with self._explained():
                store, path = fsspec.core.url_to_fs(self._url)
                return store, str(path).rstrip("/")
        except ImportError:
            known = known_implementations.get(self._scheme, {})
            if self._scheme in _EXTRA_SCHEMES:
                remedy = f"in the checkout, {_EXTRA} brings those for gs:// and s3://"
            else:
                # Such as "Install adlfs to access Azure Datalake Gen2 and Azure Blob Storage"
                remedy = f"fsspec says: {known.get('err', 'look up which one it needs')}"
            raise FetchError(
                f"{self._part.option} names {self._url}, and the library for {self._scheme}:// is not installed: "
                f"{remedy}."
            ) from None

    def _announced(self, info: Mapping[str, Any]) -> HeldFile:
        return HeldFile(int(info["size"]), self._digest(info))

    def _digest(self, info: Mapping[str, Any]) -> str | None:
        if (md5 := from_base64("md5", info.get("md5Hash"))) is not None:
            return md5
        # Google has no md5 of objects that were composed of parts.
        if importlib.util.find_spec("google_crc32c") and (crc := from_base64("crc32c", info.get("crc32c"))):
            return crc
        etag = _MD5.fullmatch(str(info.get("ETag", "")))
        if etag is None or self._scheme not in ("s3", "s3a"):
            return None
        store, _ = self._opened
        bucket, key, _ = store.split_path(info["name"])
        with self._explained():
            head = store.call_s3("head_object", Bucket=bucket, Key=key)
        if str(head.get("ServerSideEncryption", "")).startswith("aws:kms") or head.get("SSECustomerAlgorithm"):
            return None
        return f"md5:{etag[1]}"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what a store's library raises into our errors. Each has a tree of its own, so the net is wide."""
        try:
            yield
        except (DalleBotError, BrokenOffError, ImportError):
            raise
        except (FileNotFoundError, NotADirectoryError):
            raise CheckpointNotFoundError(
                f"There is no folder {self._url}, which {self._part.option} names, or it is not yours to see. "
                f"{self.advice}"
            ) from None
        except Exception as error:
            # Their texts may hold signed addresses, tokens and key ids, so neither they nor their chain are shown.
            kind = type(error).__name__
            if _is_refusal(error):
                raise FetchError(f"{self._url} may not be read ({kind}). {self.advice}") from None
            if kind == "ProfileNotFound":
                raise ConfigError(
                    f"AWS_PROFILE, with which {self._url} is to be read, names no profile of yours: check it."
                ) from None
            if kind == "ParamValidationError" or isinstance(error, TypeError | ValueError):
                raise ConfigError(
                    f"{self._part.option} is {self._url}, which the library for {self._scheme}:// does not take "
                    f"({kind}): check how it is written, and the library's variables."
                ) from None
            raise BrokenOffError(f"the store's library failed with {kind}") from None


def _is_refusal(error: Exception) -> bool:
    """Whether credentials are missing or not good enough, in the words of the libraries that we know."""
    return (
        isinstance(error, PermissionError)
        or type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError")
        or getattr(error, "code", None) in (401, 403)
        or str(error).startswith("Forbidden")
    )


def _marks(info: Mapping[str, Any]) -> list[str]:
    """What changes with an object's content or its writing, whatever the store calls it."""
    return [str(info[key]) for key in ("etag", "ETag", "generation", "VersionId") if info.get(key)]
