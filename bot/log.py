"""Logging to stderr, as text or JSON lines, with every secret taken out.

The command line calls `configure_logging` once, before anything else starts. Records may come from any thread.
Secrets are removed from the finished line, so it doesn't matter whether they arrived in the message, its arguments,
an exception's text, a stack or an extra field, nor through which logger. Each line says what its task is bound to
(bot/log_context.py).
"""

import json as jsonlib
import logging
import re
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

from bot.log_context import bound_ids

REDACTED: Final = "[redacted]"

# A bot token is three base64url words: the user's id, a timestamp, an HMAC (27 characters once, 38 now).
_BOT_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{23,28}\.[A-Za-z0-9_-]{6,7}\.[A-Za-z0-9_-]{27,}")
# Interaction tokens let anybody answer in the bot's name for 15 minutes; discord.py logs the URLs that hold them.
_INTERACTION_TOKEN: Final = re.compile(r"aW50ZXJhY3Rpb24[A-Za-z0-9_-]{20,}")
_TOKEN_IN_PATH: Final = re.compile(r"(/(?:webhooks|interactions)/\d+/)[A-Za-z0-9._-]{8,}")
_PASSWORD_IN_URL: Final = re.compile(r"(://[^\s:/@\"']*:)[^\s/@\"']+(?=@)")
# Those who keep weights: Hugging Face, AWS, Google and W&B. Keys without a shape are known by their name or by
# `secrets_in`: an AWS secret is forty characters like any others, and an old W&B key looks like a commit.
_STORE_TOKEN: Final = re.compile(
    r"\bhf_(?:oauth_[A-Za-z0-9._-]{16,}|[A-Za-z0-9]{20,})|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bya29\.[A-Za-z0-9._-]{16,}"
    r"|\bwandb_v\d+_[A-Za-z0-9_-]{16,}"
)
_NAMED_SECRET: Final = re.compile(
    r"((?:HF_TOKEN|HUB_TOKEN|AUTH_TOKEN|API_KEY|SECRET_ACCESS_KEY|SESSION_TOKEN)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&}]{8,}",
    re.IGNORECASE,
)
# As discord.py and aiohttp show a payload: 'token': '…'.
_TOKEN_FIELD: Final = re.compile(r"([\"'](?:access_|refresh_)?token[\"']\s*:\s*[\"'])[^\"'\s]{8,}", re.IGNORECASE)
_BEARER: Final = re.compile(r"(\bBearer\s+)[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE)
_SIGNED_QUERY: Final = re.compile(
    r"([?&](?:X-(?:Amz|Goog)-)?(?:Signature|Credential|Security-Token|Policy|Key-Pair-Id|sig)=)[^&\s\"']+",
    re.IGNORECASE,
)

SECRET_VARIABLES: Final = (
    "DISCORD_TOKEN",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "WANDB_API_KEY",
    "RAY_AUTH_TOKEN",
)

# Libraries that report every request or table at INFO.
_TALKATIVE: Final = (
    *("httpx", "httpcore", "httpx2", "httpcore2", "huggingface_hub", "filelock"),
    *("fsspec", "s3fs", "botocore", "aiobotocore", "google", "urllib3", "wandb"),
    *("alembic", "transformers", "PIL", "jax"),
)
# Warns at each request to a public bucket that there are no credentials.
_ALARMIST: Final = ("gcsfs",)

_STANDARD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Returns `text` with `secrets`, and all that looks like a token, a signature or a password in a URL, replaced."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    text = _BOT_TOKEN.sub(REDACTED, text)
    text = _INTERACTION_TOKEN.sub(REDACTED, text)
    text = _STORE_TOKEN.sub(REDACTED, text)
    for pattern in (_TOKEN_IN_PATH, _TOKEN_FIELD, _NAMED_SECRET, _BEARER, _SIGNED_QUERY):
        text = pattern.sub(rf"\1{REDACTED}", text)
    return _PASSWORD_IN_URL.sub(rf"\1{REDACTED}", text)


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """The values of the variables that hold secrets, for `configure_logging`."""
    return [value for name in SECRET_VARIABLES if (value := environ.get(name, "").strip())]


class TextFormatter(logging.Formatter):
    """`2026-03-01T12:00:00Z INFO    bot.store: sentence [job 0a1b2c]`, in UTC; a traceback follows on its own lines.

    In brackets are those ids that the sentence doesn't name itself.
    """

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """The first line."""
        line = super().formatMessage(record)
        ids = [f"{name.removesuffix('_id')} {value}" for name, value in bound_ids().items() if str(value) not in line]
        return f"{line} [{', '.join(ids)}]" if ids else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, exception if there is one, then the extra fields, then what
    the task is bound to."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        for name, value in vars(record).items():
            # Ray, for one, gives every record a field of its own.
            if name not in _STANDARD_FIELDS and not name.startswith("_"):
                line.setdefault(name, value)
        for name, value in bound_ids().items():
            line.setdefault(name, value)
        return jsonlib.dumps(line, default=str)


class RedactingHandler(logging.StreamHandler[Any]):
    """Writes finished lines to stderr, each passed through `redact`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__(sys.stderr)
        # A very short secret would tear holes into ordinary words.
        long = [secret for secret in secrets if len(secret) >= 8]
        # Python's own notation and JSON write quotes, backslashes and other letters in ways of their own.
        written = [form for secret in long for form in (secret, repr(secret)[1:-1])]
        self._secrets = tuple(dict.fromkeys([*written, *(jsonlib.dumps(form)[1:-1] for form in written)]))

    def format(self, record: logging.LogRecord) -> str:
        return self.redact(super().format(record))

    def redact(self, text: str) -> str:
        """`text` without this handler's secrets."""
        return redact(text, self._secrets)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Replaces logging's report, which would print the message and its arguments as they are."""
        try:
            self.stream.write(f"A log line from {record.pathname}:{record.lineno} could not be written.\n")
        except (OSError, ValueError):
            pass  # stderr itself is closed or full; there is nowhere left to say so


def configure_logging(level: str, json: bool, *, secrets: Iterable[str] = ()) -> None:
    """Sends the whole process's log to stderr. Calling it again replaces what it did before.

    level: "debug", "info", "warning" or "error". It is the level of `bot`; libraries stay at info or above, because
    at debug discord.py logs every gateway message. json: JSON lines instead of text. secrets: strings that must not
    appear, such as the bot's token; what looks like a token is removed even if it isn't listed.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    handler = RedactingHandler(secrets)
    handler.setFormatter(JsonFormatter() if json else TextFormatter())
    root = logging.getLogger()
    for previous in [h for h in root.handlers if isinstance(h, RedactingHandler)]:
        root.removeHandler(previous)
    root.addHandler(handler)
    root.setLevel(max(threshold, logging.INFO))
    logging.getLogger("bot").setLevel(threshold)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    for name in _ALARMIST:
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.captureWarnings(True)


def redact_for_terminal(text: str) -> str:
    """What the command line may print: without the secrets that the log was told of."""
    handlers = (handler for handler in logging.getLogger().handlers if isinstance(handler, RedactingHandler))
    handler = next(handlers, None)
    return redact(text) if handler is None else handler.redact(text)


def log_crashes() -> None:
    """What nobody catches, on whatever thread, goes through the log: Python would print it as it is."""
    log = logging.getLogger(__name__)

    def on_thread(crash: threading.ExceptHookArgs) -> None:
        name = "a thread" if crash.thread is None else crash.thread.name
        log.critical("%s ended with what it did not expect", name, exc_info=crash.exc_value)

    def on_main_thread(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            log.critical("the program ended with what it did not expect", exc_info=(kind, error, trace))

    sys.excepthook = on_main_thread
    threading.excepthook = on_thread
    sys.unraisablehook = lambda found: log.error(
        "%s", found.err_msg or "an exception that nobody can catch", exc_info=found.exc_value
    )
