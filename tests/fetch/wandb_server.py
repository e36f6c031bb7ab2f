"""Weights & Biases on loopback: the few GraphQL answers that finding an artifact and listing its files take, and the
store that its files' addresses point to. The shapes are those that wandb 0.31 asks for."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.fetch.loopback import serving

KEY = "0123456789abcdef0123456789abcdef01234567"
_WHO = {"id": "VXNlcjox", "entity": "team", "username": "me", "email": "me@example.org", "flags": "{}"}
_PROJECT = {"id": "UHJvamVjdDox", "internalId": "1", "name": "project", "entity": {"name": "team"}}
_COLLECTION = {"__typename": "ArtifactSequence", "name": "mega", "project": _PROJECT}
_THEN = "2026-01-01T00:00:00Z"


@dataclass
class Wandb:
    """Versions of team/project/mega, oldest first: v0, v1, …; `latest` is the last one.

    break_after: after how many bytes each answer of the store breaks. sent: bytes of files. ranges: Range headers.
    expired: the store refuses that many requests first, as it does addresses whose time is over.
    """

    versions: list[dict[str, bytes]] = field(default_factory=list)
    break_after: list[int] = field(default_factory=list)
    expired: int = 0
    sent: int = 0
    ranges: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def index(self, alias: str) -> int | None:
        """Which version an alias is."""
        if alias == "latest":
            return len(self.versions) - 1
        found = re.fullmatch(r"v(\d+)", alias)
        return int(found[1]) if found and int(found[1]) < len(self.versions) else None


@contextmanager
def serve(wandb: Wandb) -> Iterator[Wandb]:
    """Runs the stand-in until the block ends."""

    class Handler(_Handler):
        server_wandb = wandb

    with serving(Handler) as wandb.port:
        yield wandb


class _Handler(BaseHTTPRequestHandler):
    server_wandb: Wandb
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what matters is in Wandb."""

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = re.search(r"query\s+(\w+)", query["query"])
        basic = base64.b64encode(f"api:{KEY}".encode()).decode()
        allowed = self.headers.get("Authorization") == f"Basic {basic}"
        answers = {
            "Viewer": self._viewer,
            "GetDefaultEntity": self._viewer,
            "ServerFeaturesQuery": lambda variables: {"serverInfo": {"features": []}},
            "ArtifactMembershipByName": self._artifact,
            "ArtifactMembershipFiles": self._files,
        }
        if not allowed or name is None or name[1] not in answers:
            self._answer(401 if not allowed else 500, b'{"errors": [{"message": "no"}]}')
            return
        data = answers[name[1]](query.get("variables") or {})
        self._answer(200, json.dumps({"data": data}).encode())

    def _viewer(self, variables: dict[str, Any]) -> dict[str, Any]:
        return {"viewer": _WHO | {"teams": {"edges": []}}}

    def _artifact(self, variables: dict[str, Any]) -> dict[str, Any]:
        name, _, alias = variables["name"].partition(":")
        index = self.server_wandb.index(alias)
        if (variables["entity"], variables["project"]) != ("team", "project"):
            return {"project": None}
        if name != "mega" or index is None:
            return {"project": {"artifactCollectionMembership": None}}
        files = self.server_wandb.versions[index]
        artifact: dict[str, Any] = {
            "__typename": "Artifact",
            "id": f"QXJ0aWZhY3Q6{index}",
            "artifactSequence": _COLLECTION,
            "versionIndex": index,
            "artifactType": {"name": "model"},
            **dict.fromkeys(("description", "metadata", "historyStep", "commitHash"), None),
            "ttlDurationSeconds": -1,
            "ttlIsInherited": False,
            "tags": [],
            "state": "COMMITTED",
            "size": sum(map(len, files.values())),
            "digest": "0" * 32,
            "fileCount": len(files),
            "createdAt": _THEN,
            "updatedAt": _THEN,
        }
        membership = {
            "__typename": "ArtifactCollectionMembership",
            "id": f"TWVtYmVyc2hpcDo{index}",
            "versionIndex": index,
            "createdAt": _THEN,
            "aliases": [],
            "artifactCollection": _COLLECTION,
            "artifact": artifact,
        }
        return {"project": {"artifactCollectionMembership": membership}}

    def _files(self, variables: dict[str, Any]) -> dict[str, Any]:
        index = self.server_wandb.index(variables["alias"])
        assert index is not None
        wanted = variables.get("fileNames")
        nodes = [
            {
                "__typename": "File",
                "id": f"RmlsZTo{name}",
                "name": name,
                "url": f"{self.server_wandb.url}/not-this-one/{name}",
                "sizeBytes": len(content),
                "storagePath": None,
                "mimetype": None,
                "updatedAt": _THEN,
                **dict.fromkeys(("digest", "md5"), base64.b64encode(hashlib.md5(content).digest()).decode()),
                "directUrl": f"{self.server_wandb.url}/store/{index}/{name}?X-Amz-Signature=S3cr3t",
            }
            for name, content in self.server_wandb.versions[index].items()
            if not wanted or name in wanted
        ]
        files = {
            "totalCount": len(nodes),
            "pageInfo": {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False},
            "edges": [{"node": node} for node in nodes],
        }
        collection = {"__typename": "ArtifactSequence", "artifactMembership": {"files": files}}
        return {"project": {"artifactCollection": collection}}

    def do_GET(self) -> None:
        wandb, path = self.server_wandb, urlsplit(self.path).path.split("/")
        assert self.headers.get("Authorization") is None
        if path[1] != "store" or wandb.expired > 0:
            wandb.expired -= 1
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
            return
        content, asked = wandb.versions[int(path[2])][path[3]], self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if asked:
            wandb.ranges.append(asked)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = start + wandb.break_after.pop(0) if wandb.break_after else len(content)
        # Counted first: the client may look as soon as it has the last byte.
        wandb.sent += len(content[start:end])
        self.wfile.write(content[start:end])
        self.close_connection = end < len(content)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
