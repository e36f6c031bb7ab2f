"""The hub's client against a hub on loopback that misbehaves in every way we know."""

import logging
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.errors import OfflineModeIsEnabled

from bot.errors import CheckpointError, CheckpointNotFoundError, ConfigError, FetchError
from bot.fetch.hub import Hub
from bot.fetch.lock import Held
from bot.fetch.parts import CLIP, DALLE_BART
from bot.fetch.remote import BrokenOffError
from bot.fetch.source import HubSource
from bot.fetch.transfer import bring, missing_files, verify
from bot.startup import StartUp
from tests.fetch import hub_server
from tests.fetch.conftest import QUICK, WEIGHTS_BYTES, Stages, network_files

WEIGHTS = "flax_model.msgpack"
TOKEN = "hf_" + "S3cr3tS3cr3t" * 3
FILES = network_files("dalle_bart")


@pytest.fixture
def commit(hub: hub_server.Hub) -> str:
    return hub.repo("owner/name", dict(FILES))


def client(revision: str | None = None) -> Hub:
    return Hub(HubSource("owner/name", revision), DALLE_BART)


def fetch(remote: Hub, held: Held | None = None) -> Path:
    held = held or remote.resolve()
    for name in missing_files(remote, held):
        bring(
            remote,
            held,
            name,
            again="`dalle-bot fetch x`",
            patience=QUICK,
            start_up=StartUp(Stages()),
            advance=lambda more: None,
        )
    return remote.folder(held)


@pytest.mark.parametrize("revision", [None, "main"])
def test_commit_sizes_and_digests_are_those_announced(revision: str | None, commit: str, hub: hub_server.Hub) -> None:
    held = client(revision).resolve()
    assert held.version == commit
    assert list(held.files) == ["config.json", "tokenizer.json", WEIGHTS]
    assert held.files[WEIGHTS].digest == f"sha256:{hub_server.sha256(FILES[WEIGHTS])}"
    assert held.files["config.json"].digest == f"git-sha1:{hub_server.git_sha1(FILES['config.json'])}"
    assert [file.size for file in held.files.values()] == [len(FILES[name]) for name in held.files]


def test_the_library_finds_what_was_fetched(commit: str, hub: hub_server.Hub, cache: Path) -> None:
    folder = fetch(client())
    assert {path.name for path in folder.iterdir()} == {"config.json", "tokenizer.json", WEIGHTS}
    for name in ("config.json", WEIGHTS):
        for revision in (commit, "main"):
            found = try_to_load_from_cache("owner/name", name, cache_dir=cache, revision=revision)
            assert isinstance(found, str)
            assert Path(found).read_bytes() == FILES[name]
    assert hub.sent["pytorch_model.bin"] == 0


def test_where_links_can_not_be_made_files_are_moved(
    commit: str, hub: hub_server.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: object) -> None:
        raise OSError("the client holds no right to make links")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folder = fetch(client())
    assert not (folder / WEIGHTS).is_symlink()
    assert (folder / WEIGHTS).read_bytes() == FILES[WEIGHTS]
    assert missing_files(client(), client().resolve()) == []


def test_a_newer_commit_with_the_same_weights_fetches_them_once(commit: str, hub: hub_server.Hub) -> None:
    fetch(client())
    newer = hub.repos["owner/name"].commit(FILES | {"tokenizer.json": b"{}", "new": b""})
    folder = fetch(client())
    assert folder.name == newer != commit
    assert (folder / WEIGHTS).read_bytes() == FILES[WEIGHTS]
    assert hub.sent[WEIGHTS] == WEIGHTS_BYTES


def test_a_broken_connection_is_taken_up_at_its_byte(commit: str, hub: hub_server.Hub) -> None:
    hub.break_after[WEIGHTS] = [100_000, 50_000]
    folder = fetch(client())
    assert (folder / WEIGHTS).read_bytes() == FILES[WEIGHTS]
    assert hub.ranges[WEIGHTS] == ["bytes=100000-", "bytes=150000-"]
    assert hub.sent[WEIGHTS] == WEIGHTS_BYTES


def test_so_it_is_after_the_process_gave_up(commit: str, hub: hub_server.Hub) -> None:
    hub.break_after[WEIGHTS] = [100_000, 0, 0, 0]
    with pytest.raises(
        FetchError, match=r"of the hub model owner/name broke off after 100 kB of 300 kB: the connection"
    ):
        fetch(client())
    hub.break_after.clear()
    fetch(client())
    assert hub.ranges[WEIGHTS][-1] == "bytes=100000-"
    assert hub.sent[WEIGHTS] == WEIGHTS_BYTES


def test_a_server_that_knows_no_ranges(commit: str, hub: hub_server.Hub) -> None:
    hub.break_after[WEIGHTS], hub.ignore_ranges = [100_000], True
    assert (fetch(client()) / WEIGHTS).read_bytes() == FILES[WEIGHTS]
    assert hub.sent[WEIGHTS] == WEIGHTS_BYTES + 100_000


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_wrong_content_is_removed_and_both_digests_named(name: str, commit: str, hub: hub_server.Hub) -> None:
    wrong = FILES[name][::-1]
    hub.send_instead[name] = wrong
    digest = hub_server.sha256 if name == WEIGHTS else hub_server.git_sha1
    sentence = (
        rf"{name} of .* is damaged: its .* is {digest(wrong)}, announced was {digest(FILES[name])}\. It was removed"
    )
    with pytest.raises(FetchError, match=sentence):
        fetch(client())
    held = client().resolve()
    place = client().place(held, name)
    assert not place.file.exists()
    assert not place.part.exists()
    hub.send_instead.clear()
    assert (fetch(client()) / name).read_bytes() == FILES[name]


def test_a_damaged_file_in_the_cache_is_removed_with_its_content(commit: str, hub: hub_server.Hub) -> None:
    folder, held = fetch(client()), client().resolve()
    (folder / WEIGHTS).write_bytes(b"\0" * WEIGHTS_BYTES)
    assert missing_files(client(), held) == []
    with pytest.raises(FetchError, match="is damaged"):
        verify(client(), held, WEIGHTS, again="x", advance=lambda more: None)
    assert missing_files(client(), held) == [WEIGHTS]
    assert (fetch(client()) / WEIGHTS).read_bytes() == FILES[WEIGHTS]


def test_the_token_goes_to_the_hub_and_nowhere_else(
    commit: str, hub: hub_server.Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hub.token = TOKEN
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    fetch(client())
    assert len(hub.store_headers) == 1
    assert not any(TOKEN in value for value in hub.store_headers[0].values())
    assert TOKEN not in caplog.text


def test_the_stored_token_is_used(commit: str, hub: hub_server.Hub) -> None:
    hub.token = TOKEN
    Path(constants.HF_TOKEN_PATH).write_text(TOKEN)
    assert client().resolve().version == commit


def test_without_or_with_a_wrong_token(commit: str, hub: hub_server.Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = TOKEN
    with pytest.raises(
        CheckpointNotFoundError, match=r"There is no model owner/name on 127.0.0.1:\d+, or it is private"
    ):
        client().resolve()
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(FetchError, match=r"refuses the token .* \(answer 401\): renew HF_TOKEN, or log in") as caught:
        client().resolve()
    assert "hf_wrong" not in str(caught.value)


def test_a_token_that_can_not_be_sent_is_not_shown(
    commit: str, hub: hub_server.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_S3cr3t…")
    with pytest.raises(ConfigError, match="HF_TOKEN holds characters that no token has: copy it again") as caught:
        client().resolve()
    assert "S3cr3t" not in repr((caught.value, caught.value.__cause__, caught.value.__context__))


def told(status: int, code: str = "") -> list[tuple[int, dict[str, str]]]:
    return [(status, {"X-Error-Code": code} if code else {})]


@pytest.mark.parametrize(
    ("answers", "error", "sentence"),
    [
        (told(404, "RepoNotFound"), CheckpointNotFoundError, "There is no model owner/name .* check model.name;"),
        (told(404, "RevisionNotFound"), CheckpointNotFoundError, "no such revision: check model.revision"),
        (told(403, "GatedRepo"), FetchError, r"only to some \(answer 403\): accept its terms .* set HF_TOKEN"),
        (told(401, "GatedRepo"), FetchError, r"only to some \(answer 401\): accept its terms"),
        (told(403), FetchError, r"only to some \(answer 403\)"),
        (told(401), CheckpointNotFoundError, r"There is no model owner/name .* \(answer 401\)"),
        (told(418), CheckpointError, "refuses owner/name with answer 418: check HF_ENDPOINT"),
        (told(200), FetchError, "does not answer as a hub does about owner/name .*: check HF_ENDPOINT"),
        (told(429), BrokenOffError, "answers 429"),
        (told(503), BrokenOffError, "answers 503"),
    ],
)  # fmt: skip
def test_answers_to_the_question_for_a_model(
    answers: list[tuple[int, dict[str, str]]], error: type[Exception], sentence: str, commit: str, hub: hub_server.Hub
) -> None:
    hub.statuses["/api/models/owner/name"] = answers
    with pytest.raises(error, match=sentence):
        client().resolve()


def test_what_is_not_there(hub: hub_server.Hub) -> None:
    with pytest.raises(CheckpointNotFoundError, match="There is no model owner/name"):
        client().resolve()
    hub.repo("owner/name", FILES)
    with pytest.raises(CheckpointNotFoundError, match="The hub model owner/name@v9 has no such revision"):
        client("v9").resolve()
    hub.repo("owner/name", {"config.json": b"{}", "pytorch_model.bin": b""})
    with pytest.raises(
        CheckpointNotFoundError, match=r"^The hub model owner/name has pytorch_model.bin but no flax_mod"
    ):
        client().resolve()
    with pytest.raises(CheckpointNotFoundError, match=r"but no flax_model.msgpack or model.safetensors"):
        Hub(HubSource("owner/name"), CLIP).resolve()


@pytest.mark.parametrize(
    ("answers", "error", "sentence"),
    [
        (
            told(404, "EntryNotFound"),
            CheckpointNotFoundError,
            f"{WEIGHTS} is no longer in owner/name .* --update takes",
        ),
        (told(403), FetchError, r"only to some \(answer 403\)"),
        (told(500), FetchError, r"broke off after 0 B of 300 kB: 127.0.0.1:\d+ answers 500\. What has come is kept"),
    ],
)
def test_answers_to_the_question_for_a_file(
    answers: list[tuple[int, dict[str, str]]], error: type[Exception], sentence: str, commit: str, hub: hub_server.Hub
) -> None:
    hub.statuses[f"/owner/name/resolve/{commit}/{WEIGHTS}"] = answers
    with pytest.raises(error, match=sentence):
        fetch(client())


def test_a_signed_address_that_expired_is_asked_for_again(commit: str, hub: hub_server.Hub) -> None:
    hub.statuses["/store/"] = [*told(403), *told(401), *told(0)]
    assert (fetch(client()) / WEIGHTS).read_bytes() == FILES[WEIGHTS]
    assert hub.requests.count(f"/owner/name/resolve/{commit}/{WEIGHTS}") == 3


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (403, r"broke off after 0 B .*: localhost:\d+, where 127.0.0.1:\d+ sends for flax_model.*, answers 403"),
        (404, r"^localhost:\d+, where 127.0.0.1:\d+ sends for flax_model.msgpack, refuses it with answer 404"),
    ],
)
def test_what_the_store_refuses_is_not_blamed_on_the_hub(
    status: int, sentence: str, commit: str, hub: hub_server.Hub
) -> None:
    hub.statuses["/store/"] = told(status)
    with pytest.raises(CheckpointError, match=sentence) as caught:
        fetch(client())
    # The library's error holds the signed address.
    assert "/store/" not in "".join(traceback.format_exception(caught.value))


def test_a_proxys_page_does_not_become_a_part(commit: str, hub: hub_server.Hub) -> None:
    held = client().resolve()
    hub.send_instead[WEIGHTS] = b"<html>log in</html>"
    with pytest.raises(FetchError, match=r"broke off after 0 B .*: another file was sent: 19 bytes in place of 300000"):
        fetch(client())
    assert client().place(held, WEIGHTS).part.stat().st_size == 0
    hub.send_instead.clear()
    assert (fetch(client()) / WEIGHTS).read_bytes() == FILES[WEIGHTS]


def test_trouble_that_passes_is_sat_out(commit: str, hub: hub_server.Hub) -> None:
    hub.statuses[f"/owner/name/resolve/{commit}/{WEIGHTS}"] = [*told(503), *told(429), *told(0)]
    assert (fetch(client()) / WEIGHTS).read_bytes() == FILES[WEIGHTS]


def test_a_hub_that_announces_nothing(commit: str, hub: hub_server.Hub) -> None:
    hub.announce = False
    with pytest.raises(
        FetchError, match=r"does not answer as a hub does about owner/name \(commit, names, sizes and dig"
    ):
        client().resolve()


def test_an_answer_without_end_is_not_read_to_its_end(
    commit: str, hub: hub_server.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.fetch.hub.MAX_ANSWER_BYTES", 100)
    with pytest.raises(FetchError, match="does not answer as a hub does about owner/name"):
        client().resolve()


def test_a_slow_server_is_given_up(commit: str, hub: hub_server.Hub) -> None:
    hub.wait_s = 1.0
    remote = Hub(HubSource("owner/name"), DALLE_BART, timeout_s=0.1)
    began = time.monotonic()
    with pytest.raises(BrokenOffError, match=r"127.0.0.1:\d+ sent nothing for 0.1 s"):
        remote.resolve()
    assert time.monotonic() - began < 0.9


def test_a_server_that_is_slow_but_sends_is_waited_for(commit: str, hub: hub_server.Hub) -> None:
    held = client().resolve()
    hub.slow_bytes = True
    remote = Hub(HubSource("owner/name"), DALLE_BART, timeout_s=0.25)
    assert (fetch(remote, held) / WEIGHTS).read_bytes() == FILES[WEIGHTS]
    assert hub.ranges == {}


def test_nobody_listens(cache: Path) -> None:
    remote = Hub(HubSource("owner/name"), DALLE_BART, endpoint="http://me:hunter2@127.0.0.1:9")
    with pytest.raises(BrokenOffError, match=r"^no connection to 127.0.0.1:9$"):
        remote.resolve()
    assert "hunter2" not in remote.advice


@pytest.mark.parametrize("endpoint", ["huggingface.co", "ftp://host", "http://"])
def test_an_endpoint_that_is_none(endpoint: str, cache: Path) -> None:
    with pytest.raises(ConfigError, match=r"HF_ENDPOINT is no web address: write it like https://host"):
        Hub(HubSource("owner/name"), DALLE_BART, endpoint=endpoint).resolve()


def test_offline_by_order(commit: str, hub: hub_server.Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    held = client().resolve()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FetchError, match=r"forbids to ask .* --update must ask, and so .* models.lock.json") as caught:
        client().resolve()
    assert isinstance(caught.value.__cause__, OfflineModeIsEnabled)
    with pytest.raises(FetchError, match="is not all here, and HF_HUB_OFFLINE forbids to fetch it: unset it once"):
        list(client().read(held, WEIGHTS, 0))


def test_the_environment_is_honoured(commit: str, hub: hub_server.Hub, tmp_path: Path) -> None:
    """In a process of its own: the library reads its variables when it is imported."""
    hub.token = TOKEN
    code = (
        "from bot.fetch.hub import Hub; from bot.fetch.parts import DALLE_BART; from bot.fetch.source import HubSource;"
        "remote = Hub(HubSource('owner/name'), DALLE_BART); print(remote.folder(remote.resolve()))"
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HF_ENDPOINT": f"{hub.endpoint}/", "HF_TOKEN": TOKEN}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environ | {"HF_HOME": str(tmp_path / "mine")},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert done.stderr == ""
    folder = tmp_path / "mine" / "hub" / "models--owner--name" / "snapshots" / commit
    assert Path(done.stdout.strip()) == folder
    assert [path for path in hub.requests if "owner" not in path] == []
