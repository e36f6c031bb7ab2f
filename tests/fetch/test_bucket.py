"""Buckets: the real s3fs and gcsfs against stores on loopback, and fsspec's own memory, which announces nothing."""

import importlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from bot.config import ModelSettings
from bot.errors import CheckpointError, CheckpointNotFoundError, ConfigError, FetchError
from bot.fetch import fetch_model
from bot.fetch.bucket import Bucket
from bot.fetch.lock import Held
from bot.fetch.parts import DALLE_BART
from bot.fetch.remote import BrokenOffError
from bot.fetch.source import BucketSource
from bot.fetch.transfer import bring, missing_files
from bot.startup import StartUp
from tests.fetch.bucket_server import Store, serve
from tests.fetch.conftest import QUICK, Stages, network_files, write_files

WEIGHTS = "flax_model.msgpack"
FILES = network_files("dalle_bart")
NEEDED = ["config.json", "tokenizer.json", WEIGHTS]
LIBRARIES = {"s3": "s3fs", "gs": "gcsfs"}
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.fixture(params=LIBRARIES)
def url(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(LIBRARIES[request.param], reason="comes with the extra `buckets`")
    return f"{request.param}://bucket/models/mega"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store with Mega in it, which is where both libraries look."""
    with serve(Store({f"models/mega/{name}": content for name, content in FILES.items()})) as store:
        environ = {
            "AWS_ENDPOINT_URL": store.endpoint,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
            "AWS_MAX_ATTEMPTS": "1",
            "STORAGE_EMULATOR_HOST": store.endpoint,
            # Its newer kinds of buckets ask another host, through gRPC.
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        _forget()
        yield store
        _forget()


def _forget() -> None:
    """Clients are kept by fsspec, and remember what the environment was."""
    for scheme in ("s3", "gs", "memory"):
        if scheme == "memory" or importlib.util.find_spec(LIBRARIES[scheme]):
            fsspec.get_filesystem_class(scheme).clear_instance_cache()


def client(url: str, tmp_path: Path) -> Bucket:
    return Bucket(BucketSource(url), DALLE_BART, tmp_path / "weights", block_bytes=100_000)


def fetch(remote: Bucket, held: Held | None = None) -> Path:
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


def test_a_folder_comes_in_blocks_and_is_verified(url: str, store: Store, tmp_path: Path) -> None:
    remote = client(url, tmp_path)
    held = remote.resolve()
    assert list(held.files) == NEEDED
    assert all(file.digest and file.digest.startswith("md5:") for file in held.files.values())
    folder = fetch(remote, held)
    assert {name: (folder / name).read_bytes() for name in NEEDED} == {name: FILES[name] for name in NEEDED}
    assert folder.parent == tmp_path / "weights"
    assert folder.name == f"{url[:2]}-bucket-models-mega-{held.version}"
    asked = [asked for key, asked in store.ranges if key.endswith(WEIGHTS)]
    assert asked == ["bytes=0-99999", "bytes=100000-199999", "bytes=200000-299999"]


def test_a_broken_read_goes_on_at_its_byte(url: str, store: Store, tmp_path: Path) -> None:
    remote = client(url, tmp_path)
    held = remote.resolve()
    part = remote.place(held, WEIGHTS).part
    part.parent.mkdir(parents=True)
    part.write_bytes(FILES[WEIGHTS][:150_000])
    store.fail = [400]
    folder = fetch(remote, held)
    assert (folder / WEIGHTS).read_bytes() == FILES[WEIGHTS]
    asked = [asked for key, asked in store.ranges if key.endswith(WEIGHTS)]
    assert set(asked) == {"bytes=150000-249999", "bytes=250000-299999"}


def test_wrong_content_is_found_out(url: str, store: Store, tmp_path: Path) -> None:
    store.send_instead[f"models/mega/{WEIGHTS}"] = FILES[WEIGHTS][::-1]
    with pytest.raises(FetchError, match=rf"{WEIGHTS} of {url} is damaged: its md5 is"):
        fetch(client(url, tmp_path))


def test_composed_objects_have_a_crc32c(store: Store, tmp_path: Path) -> None:
    pytest.importorskip("gcsfs", reason="comes with the extra `buckets`")
    store.announce = ("crc32c",)
    remote = client("gs://bucket/models/mega", tmp_path)
    assert all(file.digest and file.digest.startswith("crc32c:") for file in remote.resolve().files.values())
    fetch(remote)
    store.send_instead["models/mega/config.json"] = FILES["config.json"][::-1]
    with pytest.raises(FetchError, match=r"its crc32c is [0-9a-f]{8}, announced was [0-9a-f]{8}\."):
        fetch(client("gs://bucket/models/mega", tmp_path / "again"))


@pytest.mark.parametrize(
    ("etag", "headers"),
    [
        ("0" * 32 + "-12", {}),
        ("0" * 32, {"x-amz-server-side-encryption": "aws:kms"}),
        ("0" * 32, {"x-amz-server-side-encryption-customer-algorithm": "AES256"}),
    ],
)
def test_etags_that_are_no_md5(etag: str, headers: dict[str, str], store: Store, tmp_path: Path) -> None:
    pytest.importorskip("s3fs", reason="comes with the extra `buckets`")
    store.etags = dict.fromkeys(store.objects, etag)
    store.s3_headers = headers
    remote = client("s3://bucket/models/mega", tmp_path)
    assert [file.digest for file in remote.resolve().files.values()] == [None] * 3
    assert (fetch(remote) / WEIGHTS).read_bytes() == FILES[WEIGHTS]


def test_what_changed_is_not_mixed_with_what_is_held(url: str, store: Store, tmp_path: Path) -> None:
    remote = client(url, tmp_path)
    held = remote.resolve()
    store.objects["models/mega/tokenizer.json"] = b'{"new": 1}'
    with pytest.raises(CheckpointError, match=rf"{url} has changed since it was fetched first: .* --update takes what"):
        fetch(remote, held)
    newer = remote.resolve()
    assert newer.version != held.version
    assert remote.folder(newer) != remote.folder(held)


def test_a_folder_that_is_not_there(url: str, store: Store, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointNotFoundError, match=rf"^There is no folder {url}2, which model.name names, or it is not"
    ):
        client(f"{url}2", tmp_path).resolve()


def test_a_folder_of_pickles(url: str, store: Store, tmp_path: Path) -> None:
    del store.objects[f"models/mega/{WEIGHTS}"]
    with pytest.raises(
        CheckpointNotFoundError, match=rf"{url} has pytorch_model.bin but no flax_model.msgpack: pickles"
    ):
        client(url, tmp_path).resolve()


def test_a_folder_that_may_not_be_read(url: str, store: Store, tmp_path: Path) -> None:
    store.forbid = True
    with pytest.raises(FetchError, match=rf"{url} may not be read \(\w+\)\. Check the network and your rights: "):
        client(url, tmp_path).resolve()


def test_without_credentials(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs", reason="comes with the extra `buckets`")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(FetchError, match=r"\(NoCredentialsError\)\. .* or set FSSPEC_S3_ANON=true for a public bucket"):
        client("s3://bucket/models/mega", tmp_path).resolve()


def test_nobody_listens(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 only: gcsfs tries for a minute by itself and can't be told otherwise."""
    pytest.importorskip("s3fs", reason="comes with the extra `buckets`")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(BrokenOffError, match=r"the store's library failed with EndpointConnectionError") as caught:
        client("s3://bucket/models/mega", tmp_path).resolve()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://bucket/x", "gs://bucket/x"])
def test_a_library_that_is_not_installed_is_named(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _forget()
    library = LIBRARIES[url[:2]]
    # What fsspec has imported already; `fsspec.registry` itself is a view of it.
    monkeypatch.delitem(sys.modules["fsspec.registry"].__dict__["_registry"], url[:2], raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(FetchError) as caught:
        client(url, tmp_path).resolve()
    assert str(caught.value) == (
        f"model.name names {url}, and the library for {url[:2]}:// is not installed: in the checkout, "
        "pip install -e '.[buckets]' brings those for gs:// and s3://."
    )


def test_a_library_outside_our_extras_is_named_as_fsspec_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "adlfs", None)
    with pytest.raises(FetchError, match=r"the library for az:// is not installed: fsspec says: Install adlfs to"):
        client("az://container/x", tmp_path).resolve()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ConnectionRefusedError("ya29.SECRET"), BrokenOffError),
        (TypeError("ya29.SECRET"), ConfigError),
        (type("ParamValidationError", (Exception,), {})("ya29.SECRET"), ConfigError),
        (type("ProfileNotFound", (Exception,), {})("ya29.SECRET"), ConfigError),
        (type("HttpError", (Exception,), {})("https://host/?access_token=ya29.SECRET"), BrokenOffError),
    ],
)
@pytest.mark.parametrize("opening", [True, False])
def test_what_libraries_raise_is_a_sentence_without_their_text(
    raised: Exception, expected: type[Exception], opening: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise raised

    if opening:
        monkeypatch.setattr(fsspec.core, "url_to_fs", fail)
    else:
        monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "ls", fail)
    with pytest.raises(expected) as caught:
        client("memory://models/mega", tmp_path).resolve()
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))


def test_nobody_listens_at_a_store_that_is_opened_by_connecting(tmp_path: Path) -> None:
    with pytest.raises(BrokenOffError, match="the store's library failed with ConnectionRefusedError"):
        client("ftp://127.0.0.1:9/x", tmp_path).resolve()


@pytest.fixture
def memory() -> Iterator[Any]:
    """fsspec's store in memory, which announces sizes only."""
    store = fsspec.filesystem("memory")
    for name, content in FILES.items():
        store.pipe_file(f"/models/mega/{name}", content)
    yield store
    store.rm("/models", recursive=True)


def test_the_lock_file_holds_a_bucket(memory: Any, tmp_path: Path) -> None:
    others = {part: str(write_files(tmp_path / part, network_files(part))) for part in ("vqgan", "clip")}
    model = ModelSettings(name="memory://models/mega", **others)

    def run(*, update: bool = False) -> Any:
        return fetch_model(model, tmp_path / "data", StartUp(Stages()), update=update, patience=QUICK).parts[0]

    first = run()
    assert first.unverified == tuple(NEEDED)
    assert first.fetched_bytes == first.num_bytes == sum(len(FILES[name]) for name in NEEDED)
    assert first.folder.parent == tmp_path / "data" / "weights"
    memory.pipe_file("/models/mega/tokenizer.json", b'{"other": 12345}')
    assert run().folder == first.folder
    second = run(update=True)
    assert second.folder != first.folder
    assert (second.folder / "tokenizer.json").read_bytes() == b'{"other": 12345}'
    assert (first.folder / "tokenizer.json").read_bytes() == FILES["tokenizer.json"]


def test_a_page_in_place_of_a_block_is_not_kept(memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = client("memory://models/mega", tmp_path)
    held = remote.resolve()
    monkeypatch.setattr(type(memory), "cat_file", lambda *args, **kwargs: b"<html>log in</html>")
    with pytest.raises(BrokenOffError, match="the store sent 19 bytes where 100000 were asked for"):
        list(remote.read(held, WEIGHTS, 0))
