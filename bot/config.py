"""The settings of a bot: which there are, and what they may be. `config.example.toml` explains every key, and
config_loading.py reads them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import unquote, unquote_plus

import platformdirs
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import PydanticBaseSettingsSource as Source

from bot.config_values import Environment, LocalPath, Section, Snowflake
from bot.requests import MAX_IMAGES
from bot.shards import ALL_SHARDS, MAX_SHARDS, Shards, format_ids, parse_ids

ENV_PREFIX: Final = "DALLE_BOT_"
# The database of a bot in the sandbox. No key's variable, so that it never configures a real bot.
TRIAL_STORE_VARIABLE: Final = "DALLE_BOT_SANDBOX_STORE_URL"
TOKEN_VARIABLE: Final = "DISCORD_TOKEN"  # noqa: S105 - a variable's name
STORE_FILE: Final = "dalle-bot.sqlite3"


class DiscordSettings(Section):
    """token: the bot's. source_url: of its code, for /about. dev_guild_id: a guild that gets changed commands at once,
    for development."""

    token: SecretStr | None = None
    source_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        max_length=512,
        description="an http or https address of 512 characters at most",
    )
    dev_guild_id: Snowflake | None = None
    allowed_guilds: tuple[Snowflake, ...] | None = Field(
        None, description="a list of ids of servers such as [81384788765712384]"
    )
    direct_messages: bool = False
    user_installs: bool = False

    @field_validator("token", mode="after")
    @classmethod
    def _no_blank_token(cls, token: SecretStr | None) -> SecretStr | None:
        # A pasted token often ends in a line break, which would make an invalid HTTP header.
        text = token.get_secret_value().strip() if token else ""
        return SecretStr(text) if text else None


class ShardingSettings(Section):
    """How a large bot is divided. count: of all its shards; None is what Discord recommends. ids: this process's,
    ascending; None for all, in one process."""

    count: int | None = Field(None, ge=1, le=MAX_SHARDS)
    ids: tuple[int, ...] | None = Field(None, description='shards such as "0-3" or [0, 1, 2, 3]')

    @field_validator("ids", mode="before")
    @classmethod
    def _range_or_list(cls, given: object) -> tuple[int, ...] | None:
        return None if given is None else parse_ids(given)

    @model_validator(mode="after")
    def _ids_within_count(self) -> Self:
        if self.ids is not None and self.count is None:
            raise ValueError("sharding.ids needs sharding.count, the number of all shards of all processes")
        if self.ids is not None and self.count is not None and self.ids[-1] >= self.count:
            raise ValueError(f"sharding.ids is {format_ids(self.ids)}; expected less than the count, {self.count}")
        return self


class ModelSettings(Section):
    """Which weights. Strings only: bot.checkpoints knows what they mean. None means what belongs to the model."""

    name: str = Field("demo", min_length=1)
    revision: str | None = None
    vqgan: str | None = None
    vqgan_revision: str | None = None
    clip: str | None = None
    clip_revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    weights: Literal["same", "int8"] = "same"


class EngineSettings(Section):
    """num_slots: images drawn at once; None is what the memory plan finds. chunk_tokens: image tokens per dispatch.
    deterministic: the company of a picture never changes it, at the price of speed.
    num_devices: None is all. memory_fraction: of a device's memory. compile_cache: keep compiled code.
    hang_timeout_s: how long the device may take for a round. load_timeout_s: how long loading may show no progress."""

    num_slots: int | None = Field(None, ge=1, le=1024)
    chunk_tokens: int = Field(16, ge=1, le=1024)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    num_devices: int | None = Field(None, ge=1, le=1024)
    memory_fraction: float = Field(0.9, gt=0.0, le=1.0)
    compile_cache: bool = True
    deterministic: bool = False
    hang_timeout_s: float = Field(300.0, ge=1.0, le=86_400.0)
    load_timeout_s: float = Field(1800.0, ge=1.0, le=86_400.0)


class ExecutorSettings(Section):
    """Where engines run. kind: "local" for one in this process, "ray" for a cluster's. address: of the cluster, "auto"
    for the one on this machine. application: what Serve calls the engines there. connect_timeout_s: for the first of
    them, at the start. silence_timeout_s: how long one may say nothing of a job before it counts as lost.
    fallback: an engine in this process if the cluster can't be used at the start."""

    kind: Literal["local", "ray"] = "local"
    address: str = Field("auto", min_length=1)
    application: str = Field("dalle-bot", min_length=1)
    connect_timeout_s: float = Field(120.0, ge=1.0, le=86_400.0)
    silence_timeout_s: float = Field(30.0, ge=5.0, le=86_400.0)
    fallback: bool = False

    @field_validator("address", mode="after")
    @classmethod
    def _of_a_head(cls, address: str) -> str:
        if address.startswith("ray://"):
            raise ValueError("the head's host:port without ray://, since the bot joins the cluster itself")
        host, _, port = address.rpartition(":")
        is_one = (host.startswith("[") and host.endswith("]")) or (host and not set(host) & set("/[]: "))
        if address != "auto" and not (is_one and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
            raise ValueError('"auto" for the cluster of this machine, or the head\'s host:port, such as 10.0.0.1:6379')
        return address


class QueueSettings(Section):
    """Unfinished jobs, waiting and running. max_jobs: of all users. max_jobs_per_user: of one user.
    max_jobs_per_guild: of one guild; None for no limit of its own. max_picture_bytes: in memory, of finished pictures
    that Discord has not taken. drain_s: how long those that run may go on once the bot is told to stop."""

    max_jobs: int = Field(100, ge=1, le=100_000)
    max_jobs_per_user: int = Field(8, ge=1, le=100_000)
    max_jobs_per_guild: int | None = Field(None, ge=1, le=100_000)
    max_picture_bytes: int = Field(256 * 2**20, ge=2**20)
    drain_s: float = Field(20.0, ge=0.0, le=86_400.0)


class ImagineSettings(Section):
    """How many images /imagine draws when nobody says, and at most."""

    default_images: int = Field(9, ge=1, le=MAX_IMAGES)
    max_images: int = Field(MAX_IMAGES, ge=1, le=MAX_IMAGES)

    @model_validator(mode="after")
    def _default_within_limit(self) -> Self:
        if self.default_images > self.max_images:
            raise ValueError(
                f"imagine.default_images is {self.default_images}; expected at most imagine.max_images, which is "
                f"{self.max_images}"
            )
        return self


class StoreSettings(Section):
    """url: SQLAlchemy's form, with an async driver. None is a SQLite file in data_dir. It may hold a password.
    max_picture_bytes: for the pictures of finished jobs, in data_dir."""

    url: SecretStr | None = None
    max_picture_bytes: int = Field(10 * 2**30, ge=2**20)


class PrivacySettings(Section):
    """policy_file: what /privacy policy shows in the place of the shipped text."""

    policy_file: LocalPath | None = None


class ModerationSettings(Section):
    """rules_file: rules for prompts that count everywhere; None for none. image_categories_file: what pictures may be
    asked to look like; None for the shipped categories."""

    rules_file: LocalPath | None = None
    image_categories_file: LocalPath | None = None


class LogSettings(Section):
    """level: of the bot's own log. as_json (key `json`): JSON lines instead of text."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    as_json: bool = Field(False, alias="json")

    @field_validator("level", mode="before")
    @classmethod
    def _any_case(cls, level: object) -> object:
        return level.lower() if isinstance(level, str) else level


class TelemetrySettings(Section):
    """enabled: whether metrics and probes are served over HTTP. host, port: where; port 0 is any free one."""

    enabled: bool = False
    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(9464, ge=0, le=65535)


def default_data_dir() -> Path:
    """The user's data folder for this program, by the platform's convention."""
    return Path(platformdirs.user_data_dir("dalle-bot", appauthor=False))


class Settings(BaseSettings):
    """Every setting. Frozen; safe to print, since secrets are SecretStr. data_dir: what the bot keeps."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
    )

    data_dir: LocalPath = Field(default_factory=default_data_dir)
    discord: DiscordSettings = DiscordSettings()
    sharding: ShardingSettings = ShardingSettings()
    model: ModelSettings = ModelSettings()
    engine: EngineSettings = EngineSettings()
    executor: ExecutorSettings = ExecutorSettings()
    queue: QueueSettings = QueueSettings()
    imagine: ImagineSettings = ImagineSettings()
    store: StoreSettings = StoreSettings()
    privacy: PrivacySettings = PrivacySettings()
    moderation: ModerationSettings = ModerationSettings()
    log: LogSettings = LogSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    @property
    def shards(self) -> Shards:
        """Those of this process."""
        sharding = self.sharding
        if sharding.ids is None or sharding.count is None:
            return ALL_SHARDS
        return Shards(sharding.count, sharding.ids)

    @property
    def store_url(self) -> str:
        """The database's URL. It may hold a password: not for logs."""
        if self.store.url is not None:
            return self.store.url.get_secret_value()
        return f"sqlite+aiosqlite:///{(self.data_dir / STORE_FILE).as_posix()}"

    def secrets(self) -> Iterator[str]:
        """What must not be shown: the token, and the database's password as it is written and as it is meant."""
        if self.discord.token is not None:
            yield self.discord.token.get_secret_value()
        if self.store.url is not None:
            url = self.store.url.get_secret_value()
            # Not urlsplit's own attributes, which refuse what SQLAlchemy takes.
            user, at, _ = url.partition("://")[2].partition("?")[0].rpartition("@")
            written = [user.partition(":")[2]] if at else []
            queried = (pair.partition("=") for pair in url.partition("?")[2].split("&"))
            written += [value for key, _, value in queried if key in ("password", "passwd", "sslpassword")]
            yield from {secret for each in written if each for secret in (each, unquote(each), unquote_plus(each))}

    @property
    def pictures_dir(self) -> Path:
        """Where the pictures of finished jobs are kept."""
        return self.data_dir / "pictures"

    @property
    def compile_cache_dir(self) -> Path | None:
        """Where compiled device code is kept between runs; None if it is not."""
        return self.data_dir / "compile-cache" if self.engine.compile_cache else None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: Source,
        env_settings: Source,
        dotenv_settings: Source,
        file_secret_settings: Source,
    ) -> tuple[Source, ...]:
        """The environment above what the file said; no other source."""
        return Environment(settings_cls), init_settings
