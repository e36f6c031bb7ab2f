"""What users may write as model.name, model.vqgan and model.clip, read into frozen dataclasses.

    demo | mini | mega[@revision]             the shipped model, or a released one
    ./folder                                  a folder on this machine
    owner/name[@revision]                     a model of the Hugging Face hub
    gs://bucket/folder, s3://bucket/folder    a folder in whatever store fsspec knows
    wandb:entity/project/name:version         an artifact of Weights & Biases

Pure but for one question: whether there is a folder or a file of that name. A folder goes before a hub model.
"""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bot.checkpoints.kinds import is_pickle
from bot.errors import CheckpointError, CheckpointNotFoundError, ConfigError
from bot.fetch.parts import DALLE_BART, Part, no_pickle

DEMO: Final = "demo"
RELEASED: Final = {"mini": "dalle-mini/dalle-mini", "mega": "dalle-mini/dalle-mega"}

_FORMS: Final = (
    "a folder (./folder), a hub id (owner/name), a bucket (gs://bucket/folder, s3://bucket/folder) "
    "or a W&B artifact (wandb:entity/project/name:version)"
)
_WORD: Final = r"(?!.*(?:--|\.\.))[A-Za-z0-9](?:[\w.-]{0,94}\w)?"
_HUB_ID: Final = re.compile(rf"{_WORD}/{_WORD}", re.ASCII)
_REVISION: Final = re.compile(r"[A-Za-z0-9][\w./+-]*", re.ASCII)
_ARTIFACT: Final = re.compile(r"([\w.-]+)/([\w.-]+)/([\w.-]+):([\w.-]+)", re.ASCII)
_ONE_SLASH: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/*(.+)")
# Here the first word is a bucket, a container or a file system, which can't be left out.
_BUCKETS: Final = frozenset({"s3", "s3a", "gs", "gcs", "oss", "az", "abfs"})
# These name no store that holds files: wrappers around others, or this machine itself.
_NO_STORES: Final = re.compile(
    r"arrow_hdfs|async.*|blockcache|cached|dask|data|dir|dvc|file|filecache|generic|git|https?|hf|jlab|jupyter|"
    r"libarchive|local|pyscript|reference|simplecache|tar|wandb|zip"
)


@dataclass(frozen=True, slots=True)
class DemoSource:
    """The checkpoint that is shipped with the program."""

    def __str__(self) -> str:
        return DEMO


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder on this machine; there was one when this was made."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class HubSource:
    """A model of the hub. revision: branch, tag or commit; None is the newest of the main branch."""

    repo_id: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.repo_id}@{self.revision}" if self.revision else self.repo_id


@dataclass(frozen=True, slots=True)
class BucketSource:
    """A folder of a store, as a URL that fsspec understands, without a slash at its end."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class WandbSource:
    """An artifact. version: v0, v1, … or an alias such as latest."""

    entity: str
    project: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"wandb:{self.entity}/{self.project}/{self.name}:{self.version}"


RemoteSource = HubSource | BucketSource | WandbSource
Source = DemoSource | FolderSource | RemoteSource

DEFAULT_VQGAN: Final = HubSource("dalle-mini/vqgan_imagenet_f16_16384", "e93a26e7707683d349bf5d5c41c5b0ef69b677a9")
DEFAULT_CLIP: Final = HubSource("openai/clip-vit-base-patch32")


def parse_source(text: str, part: Part, revision: str | None = None) -> Source:
    """Reads what the setting `part.option` holds. revision: what the setting beside it holds.

    Raises ConfigError for what is misspelt, CheckpointNotFoundError for a folder that is not there, CheckpointError
    for a file where a folder is wanted.
    """
    option = part.option
    if not text.strip():
        unset = "" if part is DALLE_BART else ", or remove it to take what belongs to the model"
        raise ConfigError(f"{option} is empty: write {_forms(part)}{unset}.")
    if text != text.strip():
        raise ConfigError(f"{option} is {text!r}: remove the spaces at its ends.")
    source = _parse(text, part)
    if revision is None:
        return source
    return _at_revision(source, revision, option)


def revision_option(option: str) -> str:
    """The setting beside `option` that holds its revision: model.name → model.revision."""
    return "model.revision" if option == "model.name" else f"{option}_revision"


def _at_revision(source: Source, revision: str, option: str) -> Source:
    beside = revision_option(option)
    if not isinstance(source, HubSource):
        raise ConfigError(f"{beside} is {revision!r}, but only hub models have revisions, not {source}: remove it.")
    if not _REVISION.fullmatch(revision):
        raise ConfigError(f"{beside} is {revision!r}: write a branch, a tag or a commit, such as main.")
    if source.revision not in (None, revision):
        raise ConfigError(
            f"{option} asks for revision {source.revision} and {beside} for {revision}: keep one of the two."
        )
    return HubSource(source.repo_id, revision)


def _parse(text: str, part: Part) -> Source:
    option = part.option
    if text == DEMO:
        return DemoSource()
    name, at, revision = text.partition("@")
    if name in RELEASED:
        return _hub(RELEASED[name], at, revision, text, option)
    scheme = text.partition(":")[0].lower()
    if scheme == "wandb":
        return _artifact(text, option)
    path = Path(text).expanduser()
    if path.is_dir():
        return FolderSource(path)
    if path.is_file():
        raise _file(path, part)
    if "://" in text:
        return _url(text, part)
    if _looks_like_path(text) or is_pickle(text):
        raise _no_folder(text, part)
    if (half := _half_url(text)) is not None:
        raise ConfigError(f"{option} is {text!r}: did you mean {half}?")
    if _HUB_ID.fullmatch(name):
        return _hub(name, at, revision, text, option)
    raise _unknown(text, part)


def _hub(repo_id: str, at: str, revision: str, text: str, option: str) -> HubSource:
    if at and not _REVISION.fullmatch(revision):
        raise ConfigError(f"{option} is {text!r}: after the @ comes a branch, a tag or a commit, such as @main.")
    return HubSource(repo_id, revision or None)


def _artifact(text: str, option: str) -> WandbSource:
    rest = text[len("wandb:") :].strip("/")
    found = _ARTIFACT.fullmatch(rest)
    form = "wandb:entity/project/name:version"
    if found and text == f"wandb:{rest}":
        return WandbSource(*found.groups())
    if _ARTIFACT.fullmatch(f"{rest}:latest"):
        raise ConfigError(f"{option} is {text!r}: the version is missing; write {form}, say wandb:{rest}:latest.")
    raise ConfigError(f"{option} is {text!r}: a W&B artifact is written {form}{f', so wandb:{rest}' if found else ''}.")


def _url(text: str, part: Part) -> BucketSource:
    option = part.option
    url = urlsplit(text)
    if url.password or url.query:
        # Either may be a secret, and the URL goes into the lock file and into sentences.
        raise ConfigError(f"{option} is a URL with a password or a query (not shown): leave that out.")
    written, scheme = text.partition("://")[0], url.scheme
    if scheme in ("http", "https", "hf"):
        raise ConfigError(f"{option} is {text!r}: {scheme}:// addresses are not read; {_instead_of(text, part)}.")
    if scheme in ("file", "local"):
        raise ConfigError(f"{option} is {text!r}: write the folder itself, {url.netloc}{url.path}.")
    if written not in (known := _stores()):
        near = difflib.get_close_matches(scheme, known, n=1, cutoff=0.5)
        meant = f"did you mean {near[0]}://?" if near else "fsspec knows gs, s3, az and others."
        raise ConfigError(f"{option} is {text!r}: there is no kind of store called {written}; {meant}")
    if not url.netloc and (scheme in _BUCKETS or not url.path.strip("/")):
        raise ConfigError(f"{option} is {text!r}: the bucket is missing; write {scheme}://bucket/folder.")
    folder, _, last = text.rstrip("/").rpartition("/")
    if is_pickle(last):
        raise CheckpointError(f"{text}: {no_pickle(part)}")
    if last.endswith((".msgpack", ".safetensors")):
        raise ConfigError(f"{option} is {text!r}: it names the folder that the weights lie in, {folder}.")
    return BucketSource(text.rstrip("/"))


def _instead_of(address: str, part: Part) -> str:
    """What to write in place of a web address."""
    url = urlsplit(address)
    words = [word for word in (url.netloc if url.scheme == "hf" else "", *url.path.split("/")) if word]
    if url.netloc.endswith("wandb.ai"):
        return "for a W&B artifact write wandb:entity/project/name:version"
    return f"for a model of the hub write {'/'.join(words[:2])}" if len(words) >= 2 else f"write {_forms(part)}"


def _stores() -> list[str]:
    # Belongs to the hub's client, whose import would cost every start of the demo.
    from fsspec import available_protocols

    return [name for name in available_protocols() if not _NO_STORES.fullmatch(name)]


def _looks_like_path(text: str) -> bool:
    return text[0] in ".~/\\" or re.match(r"[A-Za-z]:[\\/]", text) is not None


def _file(path: Path, part: Part) -> CheckpointError:
    if is_pickle(path.name):
        return CheckpointError(f"{path}: {no_pickle(part)}")
    return CheckpointError(
        f"{path} is a file: {part.option} names the folder that it lies in, {path.absolute().parent}."
    )


def _no_folder(text: str, part: Part) -> CheckpointNotFoundError:
    there_is_none = f"There is no model {text!r}, which {part.option} names: no such folder"
    if is_pickle(text):
        return CheckpointNotFoundError(f"{there_is_none}, and {no_pickle(part)}")
    return CheckpointNotFoundError(f"{there_is_none}. Write {_forms(part)}.")


def _forms(part: Part) -> str:
    return f"{', '.join([DEMO, *RELEASED])}, {_FORMS}" if part is DALLE_BART else f"{DEMO}, {_FORMS}"


def _half_url(text: str) -> str | None:
    """What was meant by gs:/bucket/folder or s3:bucket."""
    found = _ONE_SLASH.fullmatch(text)
    near = difflib.get_close_matches(found[1].lower(), _stores(), n=1) if found else []
    return f"{near[0]}://{found[2]}" if found and near else None


def _unknown(text: str, part: Part) -> ConfigError:
    there_is_none = f"There is no model {text!r}, which {part.option} names"
    words = [word for word in text.split("/") if word]
    if len(words) > 2:
        return ConfigError(f"{there_is_none}: no such folder, and a hub id has two words, as {'/'.join(words[:2])}.")
    bare = re.sub(r"^dall[-_.]?e[-_. ]?", "", text.lower())
    near = difflib.get_close_matches(bare, [DEMO, *RELEASED], n=1, cutoff=0.65)
    if near and len(words) == 1:
        return ConfigError(f"{there_is_none}: did you mean {near[0]}?")
    repo_id, _, version = text.partition(":")
    if version and _HUB_ID.fullmatch(repo_id):
        return ConfigError(f"{there_is_none}: a hub model's revision follows an @, as {repo_id}@{version}.")
    return ConfigError(f"{there_is_none}: use {_forms(part)}.")
