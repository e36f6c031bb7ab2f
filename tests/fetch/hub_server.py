"""A small Hugging Face hub on loopback, in a thread, that can be told to misbehave.

Files of weights are kept as the hub keeps large ones: `resolve` redirects to a store on another host (127.0.0.1 is the
hub, localhost the store), which must never be sent the token.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fetch.loopback import serving

Files = dict[str, bytes]


def is_large(name: str) -> bool:
    return name.endswith((".msgpack", ".safetensors", ".bin"))


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Repo:
    """Commits by their hash, and which one each branch is at."""

    commits: dict[str, Files] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, files: Files, branch: str = "main") -> str:
        commit = hashlib.sha1(json.dumps([len(self.commits), sorted(files)]).encode()).hexdigest()
        self.commits[commit] = files
        self.branches[branch] = commit
        return commit


@dataclass
class Hub:
    """What the hub holds and how it misbehaves; change it while it runs.

    break_after: for a file's name, after how many bytes of each answer the connection breaks, one for each answer.
    send_instead: content that is sent although the right one is announced. statuses: answers to requests whose path
    starts with the key, before anything else. wait_s: before each answer. ignore_ranges: always send everything.
    token: what Authorization must hold. sent: bytes sent of each file. ranges: Range headers received for each file.
    store_headers: headers that the store on the other host was sent.
    """

    repos: dict[str, Repo] = field(default_factory=dict)
    break_after: dict[str, list[int]] = field(default_factory=dict)
    send_instead: Files = field(default_factory=dict)
    statuses: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    wait_s: float = 0.0
    slow_bytes: bool = False
    ignore_ranges: bool = False
    announce: bool = True
    token: str | None = None
    requests: list[str] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    ranges: dict[str, list[str]] = field(default_factory=dict)
    store_headers: list[dict[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def repo(self, repo_id: str, files: Files) -> str:
        """Adds a repository with one commit on main; returns the commit."""
        return self.repos.setdefault(repo_id, Repo()).commit(files)

    def info(self, repo_id: str, commit: str) -> dict[str, Any]:
        siblings = []
        for name, content in self.repos[repo_id].commits[commit].items():
            sibling: dict[str, Any] = {"rfilename": name}
            if self.announce:
                sibling |= {"size": len(content), "blobId": git_sha1(content)}
                if is_large(name):
                    sibling["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 130}
            siblings.append(sibling)
        return {"id": repo_id, "modelId": repo_id, "sha": commit, "siblings": siblings, "tags": [], "private": False}


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Runs a hub until the block ends."""

    class Handler(_Handler):
        server_hub = hub

    with serving(Handler) as hub.port:
        yield hub


class _Handler(BaseHTTPRequestHandler):
    server_hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the hub keeps its own list."""

    def do_GET(self) -> None:
        hub, url = self.server_hub, urlsplit(self.path)
        path = unquote(url.path)
        hub.requests.append(path)
        time.sleep(hub.wait_s)
        for start, answers in hub.statuses.items():
            if path.startswith(start) and answers:
                status, headers = answers.pop(0) if len(answers) > 1 else answers[0]
                if status:
                    self._answer(status, b'{"error": "told to"}', headers)
                    return
        if path.startswith("/store/"):
            hub.store_headers.append(dict(self.headers.items()))
            name, digest = path.split("/")[2:]
            contents = [c for repo in hub.repos.values() for f in repo.commits.values() for c in f.values()]
            self._content(name, next(content for content in contents if sha256(content) == digest))
            return
        if hub.token is not None and self.headers.get("Authorization") != f"Bearer {hub.token}":
            code = "RepoNotFound" if self.headers.get("Authorization") is None else "Invalid"
            self._answer(401, b"{}", {"X-Error-Code": code})
            return
        if path.startswith("/api/models/"):
            self._info(path.removeprefix("/api/models/"), "blobs" in parse_qs(url.query))
        else:
            self._resolve(path[1:])

    def _info(self, rest: str, wants_files: bool) -> None:
        hub = self.server_hub
        repo_id, _, revision = rest.partition("/revision/")
        if repo_id not in hub.repos:
            self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return
        repo = hub.repos[repo_id]
        commit = repo.branches.get(revision or "main", revision)
        if commit not in repo.commits:
            self._answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return
        assert wants_files
        self._answer(200, json.dumps(hub.info(repo_id, commit)).encode(), {"Content-Type": "application/json"})

    def _resolve(self, path: str) -> None:
        repo_id, _, rest = path.partition("/resolve/")
        commit, _, name = rest.partition("/")
        repo = self.server_hub.repos.get(repo_id, Repo())
        content = repo.commits.get(commit, {}).get(name)
        if content is None:
            self._answer(404, b"{}", {"X-Error-Code": "EntryNotFound"})
        elif is_large(name):
            store = f"http://localhost:{self.server_hub.port}/store/{name}/{sha256(content)}"
            self._answer(302, b"", {"Location": store})
        else:
            self._content(name, content)

    def _content(self, name: str, content: bytes) -> None:
        hub = self.server_hub
        content = hub.send_instead.get(name, content)
        start, asked = 0, self.headers.get("Range")
        if asked is not None:
            hub.ranges.setdefault(name, []).append(asked)
        if asked is not None and not hub.ignore_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        breaks = hub.break_after.get(name)
        end = start + breaks.pop(0) if breaks else len(content)
        pieces = content[start:end]
        step = 20_000 if hub.slow_bytes else len(pieces) or 1
        for at in range(0, len(pieces), step):
            # Counted first: the client may look as soon as it has the last byte.
            hub.sent[name] += len(pieces[at : at + step])
            self.wfile.write(pieces[at : at + step])
            if hub.slow_bytes:
                time.sleep(0.02)
        if end < len(content):
            self.wfile.flush()
            self.close_connection = True

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
