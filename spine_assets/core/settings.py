"""`SPINE_*` settings, from the environment or the `.env` file of the project's root.

Relative paths start at that root too (`project_root`), never at the working folder.
Nothing is read at import: call `load_settings()`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from pathlib import Path
from typing import Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    ByteSize,
    Field,
    PositiveInt,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from spine_assets.core.bucket_url import SCHEMES, bucket_name_problem, is_bucket_url, prefix_problem
from spine_assets.core.errors import Explained
from spine_assets.core.project_root import anchored, env_file
from spine_assets.core.text import one_line
from spine_assets.core.weeks import FIRST_WEEK, WeekError, parse_week

SettingsT = TypeVar("SettingsT", bound=BaseSettings)
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_SECRETS = re.compile(r"(?<=://)[^/]*@|[?#].*", re.S)  # user, password and query of a URL


class WrongSetting(Explained, ValueError):
    """A setting cannot be used; the message names it and repeats no secret."""


class ProjectSettings(BaseSettings):
    """Settings of the environment, else of the `.env` file in the project's root."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read `.env` of the root of now, in place of a path that is fixed at import."""
        del dotenv_settings, file_secret_settings
        found = DotEnvSettingsSource(settings_cls, env_file=env_file())
        return init_settings, env_settings, found


_LEAST_MEMORY = 100_000_000  # an interpreter with Polars and DuckDB takes more


class DataFolder(ProjectSettings):
    """The folder of all that is stored, read alone: another setting may be wrong.

    Attributes:
        data_dir: Folder of landing, lake, database, exports and Dagster's history
            (`SPINE_DATA_DIR`).
    """

    model_config = SettingsConfigDict(
        env_prefix="SPINE_", extra="ignore", hide_input_in_errors=True
    )

    data_dir: Path = Path("data")

    @field_validator(
        "data_dir", "lake", "database_path", "consolidated", mode="before", check_fields=False
    )
    @classmethod
    def _usable(cls, value: object, info: ValidationInfo) -> object:
        """Refuse what would be read as another folder than was meant."""
        text = str(value)
        if not text.strip():
            raise ValueError("is empty; give a folder, or leave the setting out")
        if text.startswith("~"):
            raise ValueError(f"{text}: ~ stands for no folder here; give the whole path")
        if info.field_name == "lake" and is_bucket_url(text):
            if problem := bucket_name_problem(text) or prefix_problem(text):
                raise ValueError(problem)
            return text.rstrip("/")
        if "://" in text:
            buckets = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            hint = f"; a lake may be in a bucket ({buckets})" if info.field_name == "lake" else ""
            shown = one_line(_SECRETS.sub("", text))
            raise ValueError(f"{shown} is a URL, and a local folder is needed{hint}")
        if "\\" in str(value):
            raise ValueError(f"{value} holds a backslash, which no DuckDB view can name")
        if "?" in str(value):
            raise ValueError(f"{value} holds a question mark, which DuckDB takes for options")
        return text if info.field_name == "lake" and value is not None else value

    @field_validator("data_dir")
    @classmethod
    def _anchored(cls, value: Path) -> Path:
        """A full path; its upper folders too must be readable as they are."""
        path = anchored(value)
        if "?" in str(path):
            raise ValueError(f"{path} holds a question mark, which DuckDB takes for options")
        if escape := _ESCAPE.search(str(path)):
            raise ValueError(f"{path} holds {escape[0]}, which SQLite's driver takes for an escape")
        return path

    @property
    def history_path(self) -> Path:
        """Folder of Dagster's runs, events, schedules and logs, where `dagster.yaml` names none."""
        return self.data_dir / "dagster"


class Settings(DataFolder):
    """Where the data is; every setting has a default.

    Attributes:
        database_path: The DuckDB database (`SPINE_DATABASE_PATH`); None means `spine.duckdb` in the
            data folder.
        database_tables: Tables that are stored in it (`SPINE_DATABASE_TABLES`): `all`, `none`, or
            names with commas. Of the others it has views, which read the lake's files.
        lake: Place of the Parquet tables (`SPINE_LAKE`): a folder, or a bucket and prefix such
            as `s3://bucket/lake`; None means `lake` in the data folder.
        log_level: Lowest level that is logged (`SPINE_LOG_LEVEL`).
        log_format: Log lines of our jobs: `human` or `json` (`SPINE_LOG_FORMAT`).
        threads: Weeks that a run builds at once, at most (`SPINE_THREADS`); None means one
            per core.
        backend: Where runs that the `spine` command starts are executed, and by which
            executor the code location runs jobs without one of their own (`SPINE_BACKEND`):
            `in_process`; `multiprocess`, each step in a process of its own; or `celery`, on
            the Celery workers of Dagster's instance.
        memory_limit: Memory that a run stays below (`SPINE_MEMORY_LIMIT`, such as `2GB`); one week
            at a time is always built.
        weeks_per_run: Most weeks of a run (`SPINE_WEEKS_PER_RUN`), so that several workers share
            a backfill; None means all adjacent weeks.
        consolidated: Your files of consolidated volume, a folder or one file
            (`SPINE_CONSOLIDATED`); None means `consolidated` in the data folder.
        first_week: The first week that Dagster has a partition of and that is built
            (`SPINE_FIRST_WEEK`), a Friday.
    """

    database_path: Path | None = None
    database_tables: str = "all"
    lake: Path | str | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["human", "json"] = "human"
    threads: PositiveInt | None = None
    backend: Literal["in_process", "multiprocess", "celery"] = "in_process"
    weeks_per_run: PositiveInt | None = None
    memory_limit: ByteSize = ByteSize(2_000_000_000)
    first_week: date = FIRST_WEEK
    consolidated: Path | None = None

    @field_validator("first_week", mode="before")
    @classmethod
    def _is_week(cls, value: object) -> date:
        try:
            return parse_week(str(value))
        except WeekError as error:
            raise ValueError(str(error)) from None

    @field_validator("memory_limit")
    @classmethod
    def _enough(cls, value: ByteSize) -> ByteSize:
        if value < _LEAST_MEMORY:
            raise ValueError(f"must be {_LEAST_MEMORY // 1_000_000}MB or more")
        return value

    @model_validator(mode="after")
    def _anchor(self) -> Self:
        """Make the paths absolute; the database is a file of its own."""
        self.database_path = self.database_path and anchored(self.database_path)
        self.consolidated = self.consolidated and anchored(self.consolidated)
        if self.lake and not is_bucket_url(str(self.lake)):
            self.lake = anchored(self.lake)
        database = self.warehouse_path
        if database.exists() and not database.is_file():
            raise ValueError(f"SPINE_DATABASE_PATH: {database} is no file")
        if isinstance(self.lake_place, Path) and database.is_relative_to(self.lake_place):
            raise ValueError(
                f"SPINE_DATABASE_PATH: {database} is in the lake, whose files are tables; give a "
                "path outside it"
            )
        return self

    def built_weeks(self, weeks: Iterable[date]) -> list[date]:
        """Of some weeks, those that are built: the first one or later, oldest first."""
        return sorted(week for week in weeks if week >= self.first_week)

    @property
    def landing_path(self) -> Path:
        """Folder into which files are delivered."""
        return self.data_dir / "landing"

    @property
    def landing_index_path(self) -> Path:
        """Cache of what each delivered file is; may be deleted at any time."""
        return self.data_dir / "landing-index.json"

    @property
    def consolidated_path(self) -> Path:
        """Folder or file of consolidated volume."""
        return self.consolidated or self.data_dir / "consolidated"

    @property
    def lake_place(self) -> Path | str:
        """Folder of the Parquet tables, or their URL."""
        if self.lake and is_bucket_url(str(self.lake)):
            return str(self.lake)
        return Path(self.lake or self.data_dir / "lake")

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB database of tables, views and macros."""
        return self.database_path or self.data_dir / "spine.duckdb"


class FinraSettings(ProjectSettings):
    """How FINRA's query API is used; nothing needs to be set.

    Attributes:
        url: Address of the query API (`SPINE_FINRA_URL`).
        token_url: Where tokens are issued (`SPINE_FINRA_TOKEN_URL`).
        client_id: Credentials of FINRA's API console (`SPINE_FINRA_CLIENT_ID`); None uses
            none, which FINRA allows for this data.
        client_secret: The secret that goes with it (`SPINE_FINRA_CLIENT_SECRET`).
        requests_per_second: Most that a process sends (`SPINE_FINRA_REQUESTS_PER_SECOND`).
            FINRA blocks an address at 20, and several processes may send.
        timeout_seconds: How long each step of a request may take
            (`SPINE_FINRA_TIMEOUT_SECONDS`); 3 MB pages take FINRA several.
    """

    model_config = SettingsConfigDict(
        env_prefix="SPINE_FINRA_", extra="ignore", hide_input_in_errors=True
    )

    url: str = "https://api.finra.org"
    token_url: str = "https://ews.fip.finra.org/fip/rest/ews/oauth2/access_token"  # noqa: S105 - an address
    client_id: str | None = None
    client_secret: SecretStr | None = None
    requests_per_second: int = Field(default=8, ge=1, le=20)
    timeout_seconds: float = Field(default=60.0, gt=0)

    @field_validator("client_id", "client_secret", mode="before")
    @classmethod
    def _unset(cls, value: object) -> object:
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("url", "token_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        instead = "credentials go into SPINE_FINRA_CLIENT_ID and SPINE_FINRA_CLIENT_SECRET"
        return shown_http_url(value, instead)

    @field_validator("client_secret")
    @classmethod
    def _goes_together(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (value is None) != (info.data.get("client_id") is None):
            raise ValueError("SPINE_FINRA_CLIENT_ID and SPINE_FINRA_CLIENT_SECRET go together")
        return value


def http_url(text: str) -> str:
    """The text if it is an HTTP URL.

    Raises:
        ValueError: it is not; the message does not repeat it, because it may hold a secret.
    """
    try:
        parts = urlsplit(text.strip())
        known = parts.scheme in {"http", "https"} and bool(parts.hostname)
        valid = known and (parts.port is None or parts.port > 0) and text.strip().isprintable()
    except ValueError:
        valid = False
    if not valid or " " in text.strip():
        raise ValueError("is not a URL that begins with http:// or https://")
    return text.strip()


def shown_http_url(text: str, instead: str) -> str:
    """The text if it is an HTTP URL without a secret, since messages, logs and events show it.

    Args:
        text: What is set.
        instead: What to do with a user, password or query.

    Raises:
        ValueError: as `http_url`, or it contains one of these.
    """
    url = http_url(text)
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query:
        found = "a user or password" if "@" in parts.netloc else "a query"
        raise ValueError(f"contains {found}, which messages and logs would show; {instead}")
    return url


_given: ContextVar[Settings | None] = ContextVar("settings", default=None)


def load_settings() -> Settings:
    """The settings of the surrounding `using`; else read them now."""
    return _given.get() or Settings()


@contextmanager
def using(settings: Settings) -> Iterator[None]:
    """Let `load_settings` return these within the block; threads that it starts do not see them."""
    token = _given.set(settings)
    try:
        yield
    finally:
        _given.reset(token)


def history_path() -> Path:
    """Folder of Dagster's history, of the environment of now; `using` does not change it.

    Raises:
        WrongSetting: the data folder cannot be used.
    """
    return validated(DataFolder).history_path


def load_finra_settings() -> FinraSettings:
    """Read the settings of FINRA's API now; raises as `validated`."""
    return validated(FinraSettings, "SPINE_FINRA_")


def validated(read: Callable[[], SettingsT], prefix: str = "SPINE_") -> SettingsT:
    """Read settings.

    Raises:
        WrongSetting: names every setting that is wrong.
    """
    try:
        return read()
    except ValidationError as error:
        problems = setting_problems(error, prefix)
    raise WrongSetting("; ".join(problems))  # outside, so that no value is in the traceback


def setting_problems(error: ValidationError, prefix: str = "SPINE_") -> list[str]:
    """What is wrong with settings, one line each, with the names under which they are set.

    No value is repeated: it may be a secret.
    """
    return [
        (f"{prefix}{str(item['loc'][0]).upper()}: " if item["loc"] else "")  # else it is named
        + item["msg"].removeprefix("Value error, ")
        for item in error.errors(include_input=False)
    ]
