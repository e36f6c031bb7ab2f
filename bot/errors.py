"""Every error that this project raises on purpose.

    DalleBotError
    ├── ConfigError                   a setting or command-line option is wrong (exit code 2)
    ├── CheckpointError               weights, configuration or tokenizer files can't be used
    │   ├── CheckpointNotFoundError   nothing at that name or path
    │   ├── FetchError                they could not be brought here: network, rights, disk, damaged on the way
    │   └── CheckpointMismatchError   the files disagree with the network that they should fill
    ├── RequestError                  the person who asked can mend it; the text is shown to them
    │   ├── InvalidPromptError
    │   ├── InvalidParameterError
    │   ├── QueueFullError
    │   ├── UserLimitError
    │   ├── WaitTooLongError
    │   ├── MissingPermissionError
    │   ├── NotReadyError
    │   ├── UnknownControlError
    │   └── JobEndedError
    ├── JobError                      an accepted job ended without pictures
    │   ├── JobCancelledError
    │   ├── JobFailedError            the engine could not finish it; others go on
    │   └── ExecutorClosedError       the program is stopping, or the engine never came up
    ├── ClusterNotReadyError          a Ray cluster can't be used at the start, and may be later (exit code 1)
    ├── EngineHungError               device or Ray stopped answering; only the end of the process helps (exit code 1)
    ├── StartCancelledError           the program is told to stop while it opens its engine or waits for shards
    └── StoreError                    the database refused, or the disk
        ├── StoreFaultError           the database can't be used as it is (exit code 2 where no new start mends that)
        ├── IllegalMoveError          a job can't go from the state in which it is to that one
        └── NoRoomError               what others wait for takes all the room that pictures may take

The sandbox adds three of its own (bot/sandbox/errors.py), and bot/fence.py one that is like a lost connection.

Each message is one or two sentences: what is wrong, named by its key, option or file, and what to do about it.
Messages never hold secrets.

People on Discord may see RequestError and JobError, in their language: these take a template and its values, or a Text
(bot/language.py). The others are for whoever runs the bot, in English.
"""

from bot.language import Text


class DalleBotError(Exception):
    """Base of the tree. `str(error)` is written for people, in English; `text` is the same for any language.

    message: a Text, or a template for `values`; without values it is taken as it is, braces and all.
    """

    def __init__(self, message: str | Text = "", /, **values: object) -> None:
        self.text = message if isinstance(message, Text) else Text(message, **values)
        super().__init__(str(self.text))


class ConfigError(DalleBotError):
    """A setting or command-line option is wrong; the message names it and what was expected."""


class CheckpointError(DalleBotError):
    """Weights, configuration or tokenizer files can't be used; the message names the file."""


class CheckpointNotFoundError(CheckpointError):
    """There is nothing at the given model name, folder or hub id."""


class FetchError(CheckpointError):
    """Files could not be brought to this machine: network, rights, disk, or damaged on the way."""


class CheckpointMismatchError(CheckpointError):
    """The arrays in a file are not the ones that the network needs; the message names the first difference."""


class RequestError(DalleBotError):
    """The person who asked can mend it; the message is shown to them."""


class InvalidPromptError(RequestError):
    """The prompt is empty, too long, or holds nothing that a model could read."""


class InvalidParameterError(RequestError):
    """A generation parameter lies outside its range; the message names it and the range."""


class QueueFullError(RequestError):
    """The queue is at its capacity."""


class UserLimitError(RequestError):
    """This user has as many unfinished jobs as one user may have."""


class NotAdmittedError(RequestError):
    """A rule of the guild's settings, or of the bot's configuration, is against it here, now or for this person."""


class ChangedMeanwhileError(RequestError):
    """Somebody else has changed what was to be replaced."""


class WaitTooLongError(RequestError):
    """The result would come when its message can't be edited any more."""


class MissingPermissionError(RequestError):
    """The user or the bot lacks a permission that the command needs in this channel."""


class NotReadyError(RequestError):
    """The model can't answer now: it is still loading, or too busy."""


class UnknownControlError(RequestError):
    """A button or select whose custom_id this version of the bot can't read."""

    def __init__(self) -> None:
        super().__init__(Text("This control is not from this version of the bot. Use the command again."))


class JobEndedError(RequestError):
    """It is too late for what was asked of a job, or there is no such job."""


class JobError(DalleBotError):
    """An accepted job ended without pictures."""


class JobCancelledError(JobError):
    """The job was cancelled, by its requester, a moderator or a shutdown."""


class JobFailedError(JobError):
    """The engine could not finish this job; other jobs are not affected."""


class ExecutorClosedError(JobError):
    """The executor takes no more work: the program is stopping, or the engine could not be started."""


class EngineHungError(DalleBotError):
    """The device or Ray stopped answering, and a thread waits for it inside of its code, which nothing can end. Whoever
    catches this leaves the process without waiting for that thread."""


class ClusterNotReadyError(DalleBotError):
    """The Ray cluster can't be used now: a later start may find that it can. What only somebody can mend is a
    ConfigError."""


class StartCancelledError(DalleBotError):
    """Whoever opens an engine is to stop; nobody needs to be told."""


class StoreError(DalleBotError):
    """The database refused an operation, or the disk did."""


class StoreFaultError(StoreError):
    """The database can't be used as it is; the message is both sentences.

    found: what is wrong. cure: what to do about it. is_lasting: a new start meets the same, until somebody has done
    that.
    """

    def __init__(self, found: str, cure: str, *, is_lasting: bool = False) -> None:
        super().__init__(f"{found} {cure}")
        self.found = found
        self.cure = cure
        self.is_lasting = is_lasting


class IllegalMoveError(StoreError):
    """A job can't go from the state in which it is to that one; the message names both."""


class NoRoomError(StoreError):
    """Pictures that others wait for take all the room that there may be; the message names the setting."""
