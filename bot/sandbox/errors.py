"""The sandbox's own errors, and the ones it answers requests with, as Discord does."""

from typing import Any

from bot.errors import ConfigError, DalleBotError


class SandboxError(DalleBotError):
    """The sandbox could not be started, reached, or brought into the state that was waited for."""


class NoClientError(SandboxError):
    """Nobody has come to the sandbox yet, or not all the way: it may still happen."""


class LineError(ConfigError):
    """A line for the player can't be played: its grammar, its command or its target is wrong."""


class StoppedError(DalleBotError):
    """SIGINT or SIGTERM, `number`, has ended the play."""

    def __init__(self, number: int) -> None:
        super().__init__("The sandbox was told to stop.")
        self.number = number


class ApiError(Exception):
    """An HTTP error answer. code: Discord's JSON error code; details: its nested `errors` object."""

    def __init__(self, status: int, code: int, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details

    def to_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"message": self.message, "code": self.code}
        if self.details is not None:
            body["errors"] = self.details
        return body


def not_found() -> ApiError:
    """No such route."""
    return ApiError(404, 0, "404: Not Found")


def method_not_allowed() -> ApiError:
    return ApiError(405, 0, "405: Method Not Allowed")


def unauthorized() -> ApiError:
    return ApiError(401, 0, "401: Unauthorized")


def unknown(what: str) -> ApiError:
    """404 for an object that doesn't exist. what: Discord's word for it, "Message" for example."""
    codes = {
        "Application": 10002,
        "Channel": 10003,
        "Guild": 10004,
        "Member": 10007,
        "Message": 10008,
        "User": 10013,
        "Webhook": 10015,
        "interaction": 10062,
    }
    return ApiError(404, codes[what], f"Unknown {what}")


def missing_access() -> ApiError:
    """The bot may not see the channel."""
    return ApiError(403, 50001, "Missing Access")


def missing_permissions() -> ApiError:
    """The bot sees the channel and may not do this in it."""
    return ApiError(403, 50013, "Missing Permissions")


def closed_direct_messages() -> ApiError:
    """The recipient's privacy settings don't let the bot write."""
    return ApiError(403, 50007, "Cannot send messages to this user")


def foreign_message() -> ApiError:
    return ApiError(403, 50005, "Cannot edit a message authored by another user")


def empty_message() -> ApiError:
    return ApiError(400, 50006, "Cannot send an empty message")


def expired_token() -> ApiError:
    """An interaction's token, 15 minutes after the interaction."""
    return ApiError(401, 50027, "Invalid Webhook Token")


def already_acknowledged() -> ApiError:
    return ApiError(400, 40060, "Interaction has already been acknowledged.")


def too_many_follow_ups() -> ApiError:
    """Where members bring an app that they installed for themselves, it has five for each interaction."""
    return ApiError(400, 40094, "This interaction has reached the maximum number of follow-up messages.")


def too_large() -> ApiError:
    """A file or a whole request above its limit."""
    return ApiError(413, 40005, "Request entity too large")


def bad_json() -> ApiError:
    return ApiError(400, 50109, "The request body contains invalid JSON.")


def invalid_form(path: str, code: str, message: str) -> ApiError:
    """400 for one field. path: dotted, with indexes ("embeds.0.title"); code: Discord's, "BASE_TYPE_REQUIRED" say."""
    details: dict[str, Any] = {"_errors": [{"code": code, "message": message}]}
    for key in reversed(path.split(".")) if path else ():
        details = {key: details}
    return ApiError(400, 50035, "Invalid Form Body", details)
