"""What users write, right and wrong."""

from pathlib import Path

import pytest

from bot.errors import CheckpointError, CheckpointNotFoundError, ConfigError
from bot.fetch.parts import CLIP, DALLE_BART, VQGAN, Part
from bot.fetch.source import BucketSource, DemoSource, FolderSource, HubSource, Source, WandbSource, parse_source

COMMIT = "e93a26e7707683d349bf5d5c41c5b0ef69b677a9"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("demo", DemoSource()),
        ("mini", HubSource("dalle-mini/dalle-mini")),
        ("mega", HubSource("dalle-mini/dalle-mega")),
        ("mega@v1", HubSource("dalle-mini/dalle-mega", "v1")),
        ("owner/name", HubSource("owner/name")),
        (f"owner/name@{COMMIT}", HubSource("owner/name", COMMIT)),
        ("o.w-n_er/na.me-1", HubSource("o.w-n_er/na.me-1")),
        ("gs://bucket/a/folder", BucketSource("gs://bucket/a/folder")),
        ("s3://bucket/folder/", BucketSource("s3://bucket/folder")),
        ("az://container", BucketSource("az://container")),
        (
            "wandb:dalle-mini/dalle-mini/mega-1-fp16:latest",
            WandbSource("dalle-mini", "dalle-mini", "mega-1-fp16", "latest"),
        ),
    ],
)
def test_what_may_be_written(text: str, source: Source) -> None:
    assert parse_source(text, DALLE_BART) == source


@pytest.mark.parametrize("text", ["./mine", "mine", "owner/name"])
def test_a_folder_goes_before_the_hub(text: str, tmp_path: Path) -> None:
    (tmp_path / text).mkdir(parents=True)
    assert parse_source(text, DALLE_BART) == FolderSource(Path(text))


def test_a_folder_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    assert parse_source("~/models", DALLE_BART) == FolderSource(tmp_path / "models")


def test_a_folder_does_not_hide_a_models_name(tmp_path: Path) -> None:
    (tmp_path / "mega").mkdir()
    assert parse_source("mega", DALLE_BART) == HubSource("dalle-mini/dalle-mega")


@pytest.mark.parametrize(
    "source", [DemoSource(), HubSource("a/b"), HubSource("a/b", "v1"), WandbSource("a", "b", "c", "v1")]
)
def test_a_source_is_written_as_it_is_read(source: Source) -> None:
    assert parse_source(str(source), DALLE_BART) == source


@pytest.mark.parametrize("text", ["Mega", "MEGA", "megga", "dalle-mega", "dalle_mega", "dall-e-mega", "dallemega"])
def test_near_misses_of_a_name(text: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"^There is no model '{text}', which model.name names: did you mean mega\?$"
    ):
        parse_source(text, DALLE_BART)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"model.clip is empty: write demo, a folder .*, or remove it to take what belongs to the model\.$"),
        ("  ", r"model.clip is empty"),
        ("mega ", r"model.clip is 'mega ': remove the spaces at its ends"),
        ("\tmega", r"remove the spaces at its ends"),
        ("nonsense", r"There is no model 'nonsense', which model.clip names: use demo, a folder"),
        ("owner/", r"There is no model 'owner/', which model.clip names: use demo"),
        ("a--b/c", r"There is no model 'a--b/c'"),
        ("owner/my model", r"There is no model 'owner/my model'"),
        ("owner/name/extra", r"no such folder, and a hub id has two words, as owner/name\.$"),
        ("owner/name:v1", r"a hub model's revision follows an @, as owner/name@v1\.$"),
        ("mega@", r"after the @ comes a branch, a tag or a commit, such as @main"),
        ("owner/name@a b", r"after the @ comes a branch"),
        ("wandb:e/p/n", r"the version is missing; write wandb:entity/project/name:version, say wandb:e/p/n:latest\.$"),
        ("wandb://e/p/n:v1", r"is written wandb:entity/project/name:version, so wandb:e/p/n:v1\.$"),
        ("WandB:e/p/n:v1", r"so wandb:e/p/n:v1\.$"),
        ("wandb:p/n:v1", r"is written wandb:entity/project/name:version\.$"),
        ("gs:/bucket/x", r"did you mean gs://bucket/x\?$"),
        ("gs:bucket/x", r"did you mean gs://bucket/x\?$"),
        ("s3:/bucket", r"did you mean s3://bucket\?$"),
        ("S3://bucket/x", r"there is no kind of store called S3; did you mean s3://\?$"),
        ("gss://bucket/x", r"no kind of store called gss; did you mean gs://\?$"),
        ("nowhere://bucket/x", r"no kind of store called nowhere; fsspec knows gs, s3, az and others\.$"),
        ("simplecache::s3://bucket/x", r"no kind of store called simplecache::s3"),
        ("zip://x", r"no kind of store called zip"),
        ("s3:///b", r"the bucket is missing; write s3://bucket/folder\.$"),
        ("gs://b/x/flax_model.msgpack", r"it names the folder that the weights lie in, gs://b/x\.$"),
        ("gs://", r"the bucket is missing; write gs://bucket/folder\.$"),
        ("https://huggingface.co/owner/name/tree/x", r"not read; for a model of the hub write owner/name\.$"),
        ("hf://owner/name", r"for a model of the hub write owner/name\.$"),
        ("https://wandb.ai/e/p/artifacts", r"for a W&B artifact write wandb:entity/project/name:version\.$"),
        ("https://example.org", r"https:// addresses are not read; write demo, a folder"),
        ("file:///srv/models/mega", r"write the folder itself, /srv/models/mega\.$"),
    ],
)  # fmt: skip
def test_what_is_misspelt(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_source(text, CLIP)


@pytest.mark.parametrize("text", ["/not/there", "./not/there", "../not-there", "~/not-there-at-all", "C:\\models"])
def test_folders_that_are_not_there(text: str) -> None:
    with pytest.raises(CheckpointNotFoundError) as caught:
        parse_source(text, VQGAN)
    assert str(caught.value).startswith(
        f"There is no model {text!r}, which model.vqgan names: no such folder. Write demo"
    )


@pytest.mark.parametrize(
    "text", ["sftp://me:hunter2@host/x", "s3://bucket/x?X-Amz-Signature=hunter2", "https://me:hunter2@host"]
)
def test_secrets_in_a_url_are_neither_taken_nor_shown(text: str) -> None:
    with pytest.raises(ConfigError, match=r"model.name is a URL with a password or a query \(not shown\)") as caught:
        parse_source(text, DALLE_BART)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "last.ckpt", "model.PT", "weights.pkl"])
@pytest.mark.parametrize(
    ("part", "rest"),
    [
        (DALLE_BART, r"folder with config.json and flax_model.msgpack\. `dalle-bot fetch mini` and"),
        (VQGAN, r"folder with config.json and flax_model.msgpack\. Remove model.vqgan, and `dalle-bot fetch` brings"),
        (
            CLIP,
            r"folder with config.json and flax_model.msgpack or model.safetensors\. Remove model.clip, and",
        ),
    ],
)
def test_a_pickle_is_refused_there_or_not(name: str, part: Part, rest: str, tmp_path: Path) -> None:
    sentence = rf"pickles are never read, since loading one runs its code\. {part.option} names a {rest}"
    with pytest.raises(CheckpointNotFoundError, match=sentence):
        parse_source(name, part)
    with pytest.raises(CheckpointError, match=sentence):
        parse_source(f"s3://bucket/{name}", part)
    (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match=rf"{name}: {sentence}"):
        parse_source(name, part)


def test_only_the_model_itself_has_released_names() -> None:
    with pytest.raises(ConfigError, match=r"model.name is empty: write demo, mini, mega, a folder"):
        parse_source("", DALLE_BART)


def test_a_file_in_place_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "flax_model.msgpack").touch()
    with pytest.raises(
        CheckpointError, match=rf"is a file: model.vqgan names the folder that it lies in, {tmp_path}\.$"
    ):
        parse_source("flax_model.msgpack", VQGAN)


def test_a_revision_beside_the_source() -> None:
    assert parse_source("mega", DALLE_BART, "v1") == HubSource("dalle-mini/dalle-mega", "v1")
    assert parse_source("mega@v1", DALLE_BART, "v1") == HubSource("dalle-mini/dalle-mega", "v1")


@pytest.mark.parametrize(
    ("text", "revision", "sentence"),
    [
        ("mega@v1", "v2", r"model.clip asks for revision v1 and model.clip_revision for v2: keep one of the two"),
        ("demo", "v1", r"model.clip_revision is 'v1', but only hub models have revisions, not demo: remove it"),
        ("gs://b/x", "v1", r"only hub models have revisions, not gs://b/x"),
        ("mega", "a b", r"model.clip_revision is 'a b': write a branch, a tag or a commit, such as main"),
        ("mega", "", r"model.clip_revision is ''"),
    ],
)
def test_revisions_that_are_wrong(text: str, revision: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_source(text, CLIP, revision)
    with pytest.raises(
        ConfigError, match=sentence.replace("model.clip_revision", "model.revision").replace(".clip", ".name")
    ):
        parse_source(text, DALLE_BART, revision)
