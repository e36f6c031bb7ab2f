"""S3 and Google Cloud Storage on loopback: as much of either as listing a folder and reading ranges of objects takes.

S3: ListObjectsV2, HeadObject, GetObject. Google: the JSON API's `o` with a prefix, `o/<name>`, and `alt=media`.
"""

import base64
import hashlib
import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.fetch.loopback import serving

BUCKET = "bucket"


@dataclass
class Store:
    """Objects of the one bucket by their keys, and how the store misbehaves.

    s3_headers: added to the answers on S3 objects. md5, crc32c: what Google announces. fail: statuses to answer reads
    of objects with, one each. etags: instead of the md5, for S3. ranges: asked for, by key.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    s3_headers: dict[str, str] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    announce: tuple[str, ...] = ("md5Hash", "crc32c")
    send_instead: dict[str, bytes] = field(default_factory=dict)
    fail: list[int] = field(default_factory=list)
    forbid: bool = False
    ranges: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def etag(self, key: str) -> str:
        return self.etags.get(key, hashlib.md5(self.objects[key]).hexdigest())


@contextmanager
def serve(store: Store) -> Iterator[Store]:
    """Runs a store until the block ends."""

    class Handler(_Handler):
        server_store = store

    with serving(Handler) as store.port:
        yield store


class _Handler(BaseHTTPRequestHandler):
    server_store: Store
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what matters is in Store.ranges."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        store, url = self.server_store, urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        path = unquote(url.path).lstrip("/")
        if store.forbid:
            self._answer(403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>", {})
        elif "/o/" in path:
            self._google_object(path.partition("/o/")[2], query)
        elif path.endswith("/o"):
            self._google_list(query)
        elif "storage/v1/" in path:
            self._answer(404, b"{}", {})
        elif path == BUCKET and "list-type" in query:
            self._s3_list(query)
        else:
            self._s3_object(path.removeprefix(f"{BUCKET}/"))

    def _s3_list(self, query: dict[str, str]) -> None:
        store, prefix = self.server_store, query.get("prefix", "")
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size><ETag>&quot;{store.etag(key)}&quot;</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified><StorageClass>STANDARD</StorageClass></Contents>"
            for key, content in sorted(store.objects.items())
            if key.startswith(prefix)
        )
        count = sum(key.startswith(prefix) for key in store.objects)
        body = (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{count}</KeyCount>"
            f"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"
        )
        self._answer(200, body.encode(), {"Content-Type": "application/xml"})

    def _s3_object(self, key: str) -> None:
        store = self.server_store
        if key not in store.objects:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>", {})
            return
        headers = {"ETag": f'"{store.etag(key)}"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", **store.s3_headers}
        self._content(key, headers)

    def _google_info(self, key: str) -> dict[str, Any]:
        content = self.server_store.objects[key]
        info = {
            "kind": "storage#object",
            "name": key,
            "bucket": BUCKET,
            "size": str(len(content)),
            "etag": hashlib.sha1(content).hexdigest(),
            "generation": "1",
            "updated": "2026-01-01T00:00:00.000Z",
            "timeCreated": "2026-01-01T00:00:00.000Z",
        }
        if "md5Hash" in self.server_store.announce:
            info["md5Hash"] = base64.b64encode(hashlib.md5(content).digest()).decode()
        if "crc32c" in self.server_store.announce:
            checksum = importlib.import_module("google_crc32c").Checksum(content)
            info["crc32c"] = base64.b64encode(checksum.digest()).decode()
        return info

    def _google_list(self, query: dict[str, str]) -> None:
        prefix = query.get("prefix", "")
        items = [self._google_info(key) for key in sorted(self.server_store.objects) if key.startswith(prefix)]
        self._answer(200, json.dumps({"kind": "storage#objects", "items": items}).encode(), _JSON)

    def _google_object(self, key: str, query: dict[str, str]) -> None:
        if key not in self.server_store.objects:
            self._answer(404, b'{"error": {"code": 404, "message": "none"}}', _JSON)
        elif query.get("alt") == "media":
            self._content(key, {})
        else:
            self._answer(200, json.dumps(self._google_info(key)).encode(), _JSON)

    def _content(self, key: str, headers: dict[str, str]) -> None:
        store = self.server_store
        content, asked = store.send_instead.get(key, store.objects[key]), self.headers.get("Range")
        if self.command == "HEAD":
            self._answer(200, content, headers)
            return
        store.ranges.append((key, asked or ""))
        if store.fail:
            self._answer(store.fail.pop(0), b"", {})
            return
        if asked is None:
            self._answer(200, content, headers)
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        end = min(int(last or len(content) - 1), len(content) - 1)
        headers |= {"Content-Range": f"bytes {first}-{end}/{len(content)}"}
        self._answer(206, content[int(first) : end + 1], headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


_JSON = {"Content-Type": "application/json"}
