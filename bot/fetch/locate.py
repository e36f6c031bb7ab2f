"""From the settings of a model to folders on this machine, downloading what is not here yet.

`locate_model` is called when an engine is opened, on the engine thread; `fetch_model` by `dalle-bot fetch`. Both go by
the lock file (bot.fetch.lock): what was fetched once is used without asking anybody, until `update`.
"""

import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.checkpoints.folders import ModelFolders
from bot.config import ModelSettings
from bot.errors import CheckpointNotFoundError, ConfigError
from bot.fetch.lock import Held, ModelsLock
from bot.fetch.parts import CLIP, CONFIG_FILE, DALLE_BART, PARTS, VQGAN, Part, check_config, check_folder
from bot.fetch.remote import Remote
from bot.fetch.report import FetchedPart, FetchReport
from bot.fetch.source import (
    DEFAULT_CLIP,
    DEFAULT_VQGAN,
    DEMO,
    BucketSource,
    DemoSource,
    FolderSource,
    HubSource,
    RemoteSource,
    Source,
    parse_source,
    revision_option,
)
from bot.fetch.transfer import (
    PATIENCE,
    Patience,
    Wanted,
    bring,
    check_room,
    missing_bytes,
    missing_files,
    persistently,
    verify,
)
from bot.startup import Advance, StartUp

DEMO_FOLDER: Final = Path(__file__).parents[1] / "demo" / "checkpoint"
WEIGHTS_DIR: Final = "weights"


def locate_model(
    model: ModelSettings, data_dir: Path, start_up: StartUp, *, patience: Patience = PATIENCE
) -> ModelFolders:
    """Where the three networks of `model` are, once they are all here. Sizes are compared, contents are not read.

    Raises ConfigError for a setting that is misspelt, CheckpointError (CheckpointNotFoundError, FetchError) for what
    is missing, of another kind, or can't be brought here.
    """
    return _Fetcher(model, data_dir, start_up, patience, update=False, thorough=False).run().folders


def fetch_model(
    model: ModelSettings, data_dir: Path, start_up: StartUp, *, update: bool = False, patience: Patience = PATIENCE
) -> FetchReport:
    """What locate_model does, but reads files that are here already and compares their digests too.

    update: take what is newest at each source now instead of what the lock file holds. Raises as locate_model does.
    """
    return _Fetcher(model, data_dir, start_up, patience, update=update, thorough=True).run()


def find_model(model: ModelSettings, data_dir: Path) -> ModelFolders:
    """What locate_model does, if everything is here already; it asks nobody and brings nothing.

    Raises as locate_model does, and CheckpointNotFoundError for what would have to be fetched.
    """
    return _Finder(model, data_dir, StartUp(), PATIENCE, update=False, thorough=False).run().folders


class _Fetcher:
    """One call of locate_model or fetch_model."""

    def __init__(
        self,
        model: ModelSettings,
        data_dir: Path,
        start_up: StartUp,
        patience: Patience,
        *,
        update: bool,
        thorough: bool,
    ) -> None:
        self._model = model
        self._data_dir = data_dir
        self._start_up = start_up
        self._patience = patience
        self._update = update
        self._thorough = thorough
        self._lock = ModelsLock(data_dir, pause=start_up.pause)
        self._again = _again(model)

    def run(self) -> FetchReport:
        model = self._model
        main, whole = _whole_or_one(parse_source(model.name, DALLE_BART, model.revision))
        sources = {
            DALLE_BART: main,
            VQGAN: self._other(VQGAN, model.vqgan, model.vqgan_revision, whole, DEFAULT_VQGAN),
            CLIP: self._other(CLIP, model.clip, model.clip_revision, whole, DEFAULT_CLIP),
        }
        # All that can be known without the network goes first: nobody waits for gigabytes to learn of a misspelling.
        for part, source in sources.items():
            if isinstance(source, FolderSource):
                brought = whole is not None and source.path == whole / part.name
                check_folder(source.path, part.of_whole() if brought else part)
        # So do all three sources' answers, their configurations, and the room for all that is to come.
        pending = {
            part: self._ask(part, source) for part, source in sources.items() if isinstance(source, RemoteSource)
        }
        for each in pending.values():
            self._hold(each)
        check_room([Wanted(each.remote, each.held, each.names) for each in pending.values()])
        self._configure(pending.values())
        bart, vqgan, clip = (
            self._fetch(pending[part]) if part in pending else _as_it_is(part, sources[part]) for part in PARTS
        )
        return FetchReport(_name(model.name, whole or bart.folder), (bart, vqgan, clip))

    def _other(
        self, part: Part, text: str | None, revision: str | None, whole: Path | None, default: HubSource
    ) -> FolderSource | RemoteSource:
        """The source of the VQGAN or of CLIP. whole: the folder that brings its own, if nothing else is asked for."""
        if text is not None:
            source = parse_source(text, part, revision)
            return FolderSource(_demo_folder() / part.name) if isinstance(source, DemoSource) else source
        if whole is None:
            return default if revision is None else HubSource(default.repo_id, revision)
        if revision is not None:
            beside = revision_option(part.option)
            raise ConfigError(f"{beside} is {revision!r}, but {self._model.name} brings its own: remove {beside}.")
        return FolderSource(whole / part.name)

    def _ask(self, part: Part, source: RemoteSource) -> "_Pending":
        """Which version of a source is wanted. Asks the source unless the lock file holds one."""
        remote = _remote(source, part, self._data_dir / WEIGHTS_DIR)
        known = self._lock.get(str(source))
        if known is None or self._update:
            held = persistently(remote.resolve, remote, self._patience, self._start_up)
        else:
            held = known
        return _Pending(part, str(source), remote, held, missing_files(remote, held), is_new=known is None)

    def _hold(self, pending: "_Pending") -> None:
        """Records a version that is new. Another process may have been first, with another one."""
        if pending.is_new:
            pending.held = self._lock.add(pending.source, pending.held)
            pending.names = missing_files(pending.remote, pending.held)

    def _configure(self, pending: Collection["_Pending"]) -> None:
        """Brings every configuration: another network's gigabytes need not come."""
        lacking = [each for each in pending if CONFIG_FILE in each.names]
        if lacking:
            total = sum(missing_bytes(each.remote, each.held, [CONFIG_FILE]) for each in lacking)
            with self._start_up.stage("fetch configurations", total=total, unit="bytes") as advance:
                for each in lacking:
                    self._bring(each, CONFIG_FILE, advance)
            for each in lacking:
                check_config(each.remote.folder(each.held), each.part)

    def _fetch(self, pending: "_Pending") -> FetchedPart:
        part, remote, held = pending.part, pending.remote, pending.held
        if names := [name for name in pending.names if name != CONFIG_FILE]:
            total = missing_bytes(remote, held, names)
            with self._start_up.stage(f"fetch {part.name}", total=total, unit="bytes") as advance:
                for name in names:
                    self._bring(pending, name, advance)
        if self._thorough and (present := [name for name in held.files if name not in pending.names]):
            self._verify(part, remote, held, present)
        check_config(remote.folder(held), part)
        if self._update:
            self._lock.replace(pending.source, held)
        return FetchedPart(
            name=part.name,
            source=pending.source,
            version=held.version,
            folder=remote.folder(held),
            files=tuple(held.files),
            num_bytes=held.num_bytes,
            fetched_bytes=pending.fetched_bytes,
            unverified=tuple(name for name, file in held.files.items() if file.digest is None),
        )

    def _bring(self, pending: "_Pending", name: str, advance: Advance) -> None:
        pending.fetched_bytes += bring(
            pending.remote,
            pending.held,
            name,
            again=self._again,
            patience=self._patience,
            start_up=self._start_up,
            advance=advance,
        )

    def _verify(self, part: Part, remote: Remote, held: Held, names: list[str]) -> None:
        total = sum(held.files[name].size for name in names)
        with self._start_up.stage(f"verify {part.name}", total=total, unit="bytes") as advance:
            for name in names:
                verify(remote, held, name, again=self._again, advance=advance)


class _Finder(_Fetcher):
    """One call of find_model."""

    def _ask(self, part: Part, source: RemoteSource) -> "_Pending":
        remote = _remote(source, part, self._data_dir / WEIGHTS_DIR)
        held = self._lock.get(str(source))
        if held is None:
            raise CheckpointNotFoundError(f"{source} has not been fetched yet.")
        names = missing_files(remote, held)
        if names:
            raise CheckpointNotFoundError(f"Of {source} these files are not here, or not whole: {', '.join(names)}.")
        return _Pending(part, str(source), remote, held, [], is_new=False)


@dataclass(slots=True)
class _Pending:
    """A network of a remote whose version is known. names: files that are not all here. is_new: nothing was held."""

    part: Part
    source: str
    remote: Remote
    held: Held
    names: list[str]
    is_new: bool
    fetched_bytes: int = 0


def _again(model: ModelSettings) -> str:
    """How to repeat this for users. The command knows one option of the model only, the settings file all."""
    others = (model.revision, model.vqgan, model.vqgan_revision, model.clip, model.clip_revision)
    if any(other is not None for other in others):
        return "`dalle-bot fetch` with the same settings"
    return f"`dalle-bot fetch {shlex.quote(model.name)}`"


def _as_it_is(part: Part, source: FolderSource | RemoteSource) -> FetchedPart:
    """A folder of the user's, which is taken as it is."""
    assert isinstance(source, FolderSource)
    files = {path.name: path.stat().st_size for path in sorted(source.path.iterdir()) if path.is_file()}
    return FetchedPart(part.name, str(source), None, source.path, tuple(files), sum(files.values()), 0)


def _whole_or_one(source: Source) -> tuple[FolderSource | RemoteSource, Path | None]:
    """Where DalleBart is, and the folder that brings all three networks, as the demo's does, if this is one."""
    if isinstance(source, DemoSource):
        source = FolderSource(_demo_folder())
    if isinstance(source, FolderSource) and any((source.path / part.name).is_dir() for part in PARTS):
        return FolderSource(source.path / DALLE_BART.name), source.path
    return source, None


def _demo_folder() -> Path:
    if not DEMO_FOLDER.is_dir():
        raise CheckpointNotFoundError(
            f"The demo checkpoint is not in {DEMO_FOLDER}: reinstall, or train it with dalle-bot train-demo."
        )
    return DEMO_FOLDER


def _name(text: str, folder: Path) -> str:
    """What people call the model: what they wrote, or a folder's own name however it was written."""
    return folder.resolve().name if Path(text).expanduser().is_dir() and text != DEMO else text


def _remote(source: RemoteSource, part: Part, weights_dir: Path) -> Remote:
    # Each client takes half a second to import, which whoever doesn't need it need not pay.
    if isinstance(source, HubSource):
        from bot.fetch.hub import Hub

        return Hub(source, part)
    if isinstance(source, BucketSource):
        from bot.fetch.bucket import Bucket

        return Bucket(source, part, weights_dir)
    from bot.fetch.wandb_artifact import WandbArtifact

    return WandbArtifact(source, part, weights_dir)
