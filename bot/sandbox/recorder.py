"""The REST requests that the sandbox has answered, for tests to look at."""

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Final

MAX_EXCHANGES: Final = 2000


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer.

    path: as it was asked for, below the API's root; path_template: the route that took it ("/channels/{channel_id}"),
    None where there is none. payload: the decoded body (of a multipart body its `payload_json`), None without one.
    files: name of the form field, file name and size in bytes of each upload. answer: decoded, None for 204.
    is_mishap: a Refusal was the answer, whatever was asked for.
    """

    method: str
    path: str
    path_template: str | None
    query: dict[str, str]
    content_type: str
    payload: Any
    files: tuple[tuple[str, str, int], ...]
    status: int
    answer: Any
    is_mishap: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Exchange":
        return cls(**data | {"files": tuple((field, name, size) for field, name, size in data["files"])})


class Recorder:
    """The last MAX_EXCHANGES exchanges, oldest first. `snapshot` may be called from any thread."""

    def __init__(self) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=MAX_EXCHANGES)

    def note(self, exchange: Exchange) -> None:
        self._exchanges.append(exchange)

    def snapshot(self) -> tuple[Exchange, ...]:
        return tuple(self._exchanges.copy())
