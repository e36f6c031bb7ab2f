"""What a stand-in for Discord saw during `bench chat`, as frozen records and as JSON. Pure.

The crowd makes them in the stand-in's process, the accounts judge them in the bench's. Times are seconds of
`time.monotonic`, which all processes of a machine share.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

_PICTURES: Final = re.compile(r"dalle-bot-([0-9a-f]{12})\.(?:png|webp)")
_INTERRUPTED: Final = "This job goes on when it is back."
CONTROL: Final = re.compile(r"\d+:([a-z_]+):([0-9a-f]{12})(?::.*)?")


@dataclass(frozen=True, slots=True)
class Sent:
    """A command that a simulated user sent. options: by the option's name, without the prompt.

    sent_s: when it was dispatched over the gateway. answered_s: when the bot's answer had come, None if none came
    within Discord's 3 seconds. refusal: what the user was told instead of getting a job.
    """

    interaction_id: str
    user_id: str
    channel_id: str
    prompt: str
    options: Mapping[str, str]
    sent_s: float
    answered_s: float | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class SeenFile:
    """An attachment. digest, metadata, pixels (see pixels.py): of a result's, as far as its bytes were still kept; None
    otherwise."""

    filename: str
    description: str
    digest: str | None = None
    metadata: Mapping[str, str] | None = None
    pixels: str | None = None

    @property
    def job_id(self) -> str | None:
        """Whose finished pictures these claim to be; None for anything else, such as a preview."""
        match = _PICTURES.fullmatch(self.filename)
        return match[1] if match else None


@dataclass(frozen=True, slots=True)
class Seen:
    """A message right after it was made, edited or, if is_deleted, right before it went.

    interaction_id: of the command that it answers, None for one that the bot posted by itself. viewer_id: the only
    one who sees it. custom_ids: of its controls.
    """

    at_s: float
    message_id: str
    channel_id: str
    content: str
    interaction_id: str | None = None
    viewer_id: str | None = None
    custom_ids: tuple[str, ...] = ()
    files: tuple[SeenFile, ...] = ()
    is_deleted: bool = False

    @property
    def result(self) -> SeenFile | None:
        """The finished pictures that it shows."""
        return next((file for file in self.files if file.job_id is not None), None)

    @property
    def is_at_work(self) -> bool:
        """Whether more is to come: it still offers to cancel its job, or says that it goes on later."""
        is_running = any(match[1] == "cancel" for match in map(CONTROL.fullmatch, self.custom_ids) if match)
        return is_running or _INTERRUPTED in self.content

    @property
    def job_ids(self) -> frozenset[str]:
        """The jobs that its controls are about."""
        return frozenset(match[2] for match in map(CONTROL.fullmatch, self.custom_ids) if match)


@dataclass(frozen=True, slots=True)
class ChatRecord:
    """Everything between the first command and the end of the drain. seen: in order.

    began_s, ended_s: of the sending. drained_s: when nothing was left to wait for, or the patience was over.
    """

    sent: tuple[Sent, ...]
    seen: tuple[Seen, ...]
    began_s: float
    ended_s: float
    drained_s: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ChatRecord":
        return cls(
            sent=tuple(Sent(**sent) for sent in data["sent"]),
            seen=tuple(_seen(seen) for seen in data["seen"]),
            began_s=data["began_s"],
            ended_s=data["ended_s"],
            drained_s=data["drained_s"],
        )


def _seen(data: Mapping[str, Any]) -> Seen:
    files = tuple(SeenFile(**file) for file in data["files"])
    return Seen(**{**data, "custom_ids": tuple(data["custom_ids"]), "files": files})
