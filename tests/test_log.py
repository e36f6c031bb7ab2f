import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from bot.log import (
    _ALARMIST,
    _TALKATIVE,
    REDACTED,
    RedactingHandler,
    configure_logging,
    redact,
    redact_for_terminal,
    secrets_in,
)

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.abcdefghijklmnopqrstuvwxyz0123456789AB"
INTERACTION_TOKEN = "aW50ZXJhY3Rpb246MTIzNDU2Nzg5MDEyMzQ1Njc4OnNvbWV0aGluZw"


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in (None, "bot", *_TALKATIVE, *_ALARMIST)]
    levels = [logger.level for logger in loggers]
    yield
    logging.captureWarnings(False)
    root = loggers[0]
    for handler in [h for h in root.handlers if isinstance(h, RedactingHandler)]:
        root.removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Authorization: Bot {TOKEN}", f"Authorization: Bot {REDACTED}"),
        (f"'{TOKEN}'", f"'{REDACTED}'"),
        (f"token {INTERACTION_TOKEN} expired", f"token {REDACTED} expired"),
        ("PATCH /webhooks/12/abcdefghij/messages/@original", f"PATCH /webhooks/12/{REDACTED}/messages/@original"),
        ("POST /interactions/12/abcdefghij/callback", f"POST /interactions/12/{REDACTED}/callback"),
        ("postgresql+asyncpg://bot:hunter2@db/x", f"postgresql+asyncpg://bot:{REDACTED}@db/x"),
        ("token hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345.", f"token {REDACTED}."),
        ("hf_oauth_eyJhbGciOi.JFZER-SA_x123", REDACTED),
        ("{'authorization': 'Bearer abcdefgh12345678'}", f"{{'authorization': 'Bearer {REDACTED}'}}"),
        ("key AKIAIOSFODNN7EXAMPLE is unknown", f"key {REDACTED} is unknown"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCY", f"AWS_SECRET_ACCESS_KEY={REDACTED}"),
        ("'aws_session_token': 'IQoJb3JpZ2luX2Vj'", f"'aws_session_token': '{REDACTED}'"),
        ("api_key: 0123456789abcdef0123456789abcdef01234567", f"api_key: {REDACTED}"),
        ("wandb_v1_abcdefGHIJKL0123456789", REDACTED),
        ("{'type': 2, 'token': 'abcdefgh-12345678'}", f"{{'type': 2, 'token': '{REDACTED}'}}"),
        ('{"access_token": "abcdefgh12345678"}', f'{{"access_token": "{REDACTED}"}}'),
        ("{'bos_token': '<s>', 'token': 7}", "{'bos_token': '<s>', 'token': 7}"),
        ("ya29.a0AfH6SMBx-abcdefgh_ijk", REDACTED),
        (
            "GET http://s3/b/k?X-Amz-Credential=me%2Fx&X-Amz-Date=1&X-Amz-Signature=0badc0de HTTP/1.1",
            f"GET http://s3/b/k?X-Amz-Credential={REDACTED}&X-Amz-Date=1&X-Amz-Signature={REDACTED} HTTP/1.1",
        ),
        (
            "http://cdn/f?Policy=eyJ&Signature=ab~c&Key-Pair-Id=K1",
            f"http://cdn/f?Policy={REDACTED}&Signature={REDACTED}&Key-Pair-Id={REDACTED}",
        ),
        ("commit 0123456789abcdef0123456789abcdef01234567", "commit 0123456789abcdef0123456789abcdef01234567"),
        ("bot.fetch.hub.hf_hub_download_to_cache_dir", "bot.fetch.hub.hf_hub_download_to_cache_dir"),
        ("set HF_TOKEN: for a private model", "set HF_TOKEN: for a private model"),
        ("mail me@example.org about http://host:80/", "mail me@example.org about http://host:80/"),
        ("bot.checkpoints.json_file.read took 1.25 s", "bot.checkpoints.json_file.read took 1.25 s"),
    ],
)
def test_redact(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_secrets_without_a_shape_are_taken_from_the_environment() -> None:
    environ = {"WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567", "HF_TOKEN": " ", "PATH": "/usr/bin"}
    secrets = secrets_in(environ)
    assert secrets == [environ["WANDB_API_KEY"]]
    assert redact(f"login with {secrets[0]}", secrets) == f"login with {REDACTED}"


@pytest.mark.parametrize("name", ["DISCORD_TOKEN", "AWS_SESSION_TOKEN", "RAY_AUTH_TOKEN"])
def test_a_variable_of_a_library_is_a_secret(name: str) -> None:
    assert secrets_in({name: " canary-word ", "PATH": "/usr/bin"}) == ["canary-word"]


def test_rays_token_is_known_by_its_name() -> None:
    assert redact("RAY_AUTH_TOKEN=0123456789abcdef") == f"RAY_AUTH_TOKEN={REDACTED}"


@pytest.mark.parametrize("as_json", [False, True])
def test_no_token_comes_through_anywhere(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", as_json, secrets=["an unusual secret"])
    log = logging.getLogger("somebody.else")
    log.warning("message %s" % TOKEN)  # noqa: UP031 - a token inside the message itself
    log.warning("argument %s and %r", TOKEN, {"token": TOKEN})
    log.warning("extra", extra={"header": TOKEN})
    log.warning("listed: an unusual secret")
    try:
        try:
            raise ValueError(f"inner {TOKEN}")
        except ValueError as inner:
            raise RuntimeError(f"outer {TOKEN}") from inner
    except RuntimeError:
        log.exception("raised", stack_info=True)
    written = capsys.readouterr().err
    assert TOKEN not in written
    assert "unusual" not in written
    assert "inner" in written
    assert written.count(REDACTED) >= 6
    if as_json:
        assert len([json.loads(line) for line in written.splitlines()]) == 5


@pytest.mark.parametrize("as_json", [False, True])
def test_a_secret_is_found_however_it_is_written(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    secret = "pass\"w\\örd's"
    configure_logging("info", as_json, secrets=[secret, "short"])
    logging.getLogger("bot").info("%s %r", secret, secret)
    logging.getLogger("bot").info("extra", extra={"url": [secret]})
    written = capsys.readouterr().err
    assert "pass" not in written
    assert written.count(REDACTED) == (3 if as_json else 2)
    assert redact_for_terminal(f"it is {secret}") == f"it is {REDACTED}"


def test_a_broken_log_call_shows_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", False)
    handler = next(h for h in logging.getLogger().handlers if isinstance(h, RedactingHandler))
    handler.handle(logging.LogRecord("bot", logging.INFO, __file__, 1, "%d", (TOKEN,), None))
    written = capsys.readouterr().err
    assert TOKEN not in written
    assert "test_log.py" in written


def test_text_lines_are_readable(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", False)
    logging.getLogger("bot.store").info("ready: %s", "ünïcode")
    assert capsys.readouterr().err.endswith("Z INFO    bot.store: ready: ünïcode\n")


def test_json_lines_hold_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", True)
    logging.getLogger("bot.store").warning("two\nlines", extra={"job_id": "abc", "level": "mine"})
    line = json.loads(capsys.readouterr().err)
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "WARNING", "logger": "bot.store", "message": "two\nlines", "job_id": "abc"}


@pytest.mark.parametrize(
    ("level", "ours", "libraries", "talkative"),
    [
        ("debug", logging.DEBUG, logging.INFO, logging.WARNING),
        ("info", logging.INFO, logging.INFO, logging.WARNING),
        ("error", logging.ERROR, logging.ERROR, logging.ERROR),
    ],
)
def test_levels(level: str, ours: int, libraries: int, talkative: int) -> None:
    configure_logging(level, False)
    names = ("bot.engine", "discord.gateway", "httpx")
    assert [logging.getLogger(name).getEffectiveLevel() for name in names] == [ours, libraries, talkative]


def test_configuring_twice_writes_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", True)
    configure_logging("info", False)
    logging.getLogger("bot").info("once")
    assert capsys.readouterr().err.count("once") == 1


def test_warnings_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", False)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"old {TOKEN}", stacklevel=1)
    written = capsys.readouterr().err
    assert "WARNING py.warnings:" in written
    assert TOKEN not in written
