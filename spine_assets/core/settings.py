"""`SPINE_*` settings, from the environment or a `.env` file in the working folder.

Nothing is read at import: call `load_settings()`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import (
    ByteSize,
    Field,
    PositiveInt,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from spine_assets.core.bucket_url import SCHEMES, bucket_name_problem, is_bucket_url, prefix_problem
from spine_assets.core.smtp_url import SmtpServer, parse_smtp

# Good enough to catch a slip; the mail server knows which addresses there are.
_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+", re.ASCII)


class WrongSetting(ValueError):
    """A setting cannot be used; the message names it and repeats no secret."""


class Settings(BaseSettings):
    """Where the data is; every setting has a default.

    Attributes:
        data_dir: Folder of landing, lake and database (`SPINE_DATA_DIR`).
        database_path: The DuckDB file of views (`SPINE_DATABASE_PATH`); None means
            `spine.duckdb` in the data folder.
        lake: Place of the Parquet tables (`SPINE_LAKE`): a folder, or a bucket and prefix such
            as `s3://bucket/lake`; None means `lake` in the data folder.
        log_level: Least level that is logged (`SPINE_LOG_LEVEL`).
        log_format: Log lines of our jobs: `human` or `json` (`SPINE_LOG_FORMAT`).
        threads: Weeks that a run builds at once, at most (`SPINE_THREADS`); None means one
            a core.
        backend: Where runs that the `spine` command starts are executed, and by which
            executor the code location runs jobs without one of their own (`SPINE_BACKEND`):
            `in_process`; `multiprocess`, each step in a process of its own; or `celery`, on
            the Celery workers of Dagster's instance.
        memory_limit: Memory that a run keeps below (`SPINE_MEMORY_LIMIT`, such as `2GB`);
            one week at a time is built whatever it takes.
        weeks_per_run: Most weeks of a run (`SPINE_WEEKS_PER_RUN`), so that several workers share
            a backfill; None means all that adjoin.
    """

    model_config = SettingsConfigDict(env_prefix="SPINE_", env_file=".env", extra="ignore")

    data_dir: Path = Path("data")
    database_path: Path | None = None
    lake: Path | str | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["human", "json"] = "human"
    threads: PositiveInt | None = None
    backend: Literal["in_process", "multiprocess", "celery"] = "in_process"
    weeks_per_run: PositiveInt | None = None
    memory_limit: ByteSize = ByteSize(2_000_000_000)

    @field_validator("data_dir", "lake", "database_path", mode="before")
    @classmethod
    def _usable(cls, value: object, info: ValidationInfo) -> object:
        """Refuse what would be taken for another folder than was meant."""
        text = str(value)
        if info.field_name == "lake" and is_bucket_url(text):
            if problem := bucket_name_problem(text) or prefix_problem(text):
                raise ValueError(problem)
            return text.rstrip("/")
        if "://" in text:
            buckets = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            said = f"; a lake may be in a bucket ({buckets})" if info.field_name == "lake" else ""
            raise ValueError(f"{text} is a URL, and a local folder is needed{said}")
        if "\\" in str(value):
            raise ValueError(f"{value} holds a backslash, which no DuckDB view can name")
        if "?" in str(value):
            raise ValueError(f"{value} holds a question mark, which DuckDB takes for options")
        return text if info.field_name == "lake" and value is not None else value

    @property
    def landing_path(self) -> Path:
        """Folder into which files are delivered."""
        return self.data_dir.absolute() / "landing"

    @property
    def landing_index_path(self) -> Path:
        """Cache of what each delivered file is; may be deleted at any time."""
        return self.data_dir.absolute() / "landing-index.json"

    @property
    def lake_place(self) -> Path | str:
        """Folder of the Parquet tables, absolute because views name it, or their URL."""
        if self.lake and is_bucket_url(str(self.lake)):
            return str(self.lake)
        return Path(self.lake or self.data_dir / "lake").absolute()

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file that holds views over the lake."""
        return (self.database_path or self.data_dir / "spine.duckdb").absolute()


class AlertSettings(BaseSettings):
    """Whom to tell, and how; without a destination nobody is told.

    Apart from `Settings`, so that a slip in an address stops no week from being built.

    Attributes:
        ui_url: Where people reach the Dagster UI, for links to runs (`SPINE_UI_URL`).
        alert_on_success: Also tell of weeks that were built (`SPINE_ALERT_ON_SUCCESS`).
        alert_webhook: URL of a Slack-compatible incoming webhook (`SPINE_ALERT_WEBHOOK`).
        alert_from: Sender of mails (`SPINE_ALERT_FROM`).
        alert_to: Recipients of mails, separated by commas (`SPINE_ALERT_TO`).
        alert_smtp: URL of the mail server (`SPINE_ALERT_SMTP`).
    """

    model_config = SettingsConfigDict(
        env_prefix="SPINE_", env_file=".env", extra="ignore", hide_input_in_errors=True
    )

    ui_url: str = "http://127.0.0.1:3000"
    alert_on_success: bool = False
    alert_webhook: SecretStr | None = None
    alert_from: str = ""
    alert_to: str = ""
    alert_smtp: SecretStr | None = None

    @field_validator("alert_webhook", "alert_smtp", mode="before")
    @classmethod
    def _unset(cls, value: object) -> object:
        """An empty variable is none."""
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("ui_url")
    @classmethod
    def _is_link(cls, value: str) -> str:
        return http_url(value)

    @field_validator("alert_webhook")
    @classmethod
    def _is_webhook(cls, value: SecretStr | None) -> SecretStr | None:
        return value and SecretStr(http_url(value.get_secret_value()))

    @field_validator("alert_from", "alert_to")
    @classmethod
    def _are_addresses(cls, value: str, info: ValidationInfo) -> str:
        addresses = _addresses(value)
        if fault := address_fault(value):
            raise ValueError(fault)
        if info.field_name == "alert_from" and len(addresses) > 1:
            raise ValueError("a mail has one sender")
        return ",".join(addresses)

    @field_validator("alert_smtp")
    @classmethod
    def _is_whole(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """A mail server alone is not enough to write a mail."""
        if value is None:
            return None
        parse_smtp(value.get_secret_value())
        for name, whom in (("alert_to", "whom to write to"), ("alert_from", "who writes")):
            if not _addresses(info.data.get(name, "-")):  # "-": it has an error of its own
                raise ValueError(f"needs SPINE_{name.upper()}: {whom}")
        return value

    @property
    def smtp_server(self) -> SmtpServer | None:
        """The mail server, where one is set."""
        return parse_smtp(self.alert_smtp.get_secret_value()) if self.alert_smtp else None

    @property
    def recipients(self) -> tuple[str, ...]:
        """Addresses of `alert_to`."""
        return _addresses(self.alert_to)


class FinraSettings(BaseSettings):
    """How FINRA is asked; nothing needs to be set.

    Attributes:
        url: Address of the query API (`SPINE_FINRA_URL`).
        token_url: Where tokens are given (`SPINE_FINRA_TOKEN_URL`).
        client_id: Credentials of FINRA's API console (`SPINE_FINRA_CLIENT_ID`); None asks
            without, which FINRA allows for this data.
        client_secret: Their secret (`SPINE_FINRA_CLIENT_SECRET`).
        requests_per_second: Most that a process sends (`SPINE_FINRA_REQUESTS_PER_SECOND`).
            FINRA stops an address at 20, and several processes may ask.
        timeout_seconds: How long each step of a request may take
            (`SPINE_FINRA_TIMEOUT_SECONDS`); 3 MB pages take FINRA several.
    """

    model_config = SettingsConfigDict(
        env_prefix="SPINE_FINRA_", env_file=".env", extra="ignore", hide_input_in_errors=True
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
        """An empty variable is none."""
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("url", "token_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return http_url(value)

    @field_validator("client_secret")
    @classmethod
    def _goes_together(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (value is None) != (info.data.get("client_id") is None):
            raise ValueError("SPINE_FINRA_CLIENT_ID and SPINE_FINRA_CLIENT_SECRET go together")
        return value


def address_fault(text: str) -> str | None:
    """Why a text is no list of mail addresses with commas between, or None."""
    wrong = [address for address in _addresses(text) if not _ADDRESS.fullmatch(address)]
    return f"{wrong[0]!r} is no mail address such as desk@example.org" if wrong else None


def _addresses(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def http_url(text: str) -> str:
    """The text if it is a URL of the web.

    Raises:
        ValueError: it is none; the message does not repeat it, for it may hold a secret.
    """
    try:
        parts = urlsplit(text.strip())
        known = parts.scheme in {"http", "https"} and bool(parts.hostname)
        sound = known and (parts.port is None or parts.port > 0) and text.strip().isprintable()
    except ValueError:
        sound = False
    if not sound or " " in text.strip():
        raise ValueError("is no URL that begins with http:// or https://")
    return text.strip()


def load_settings() -> Settings:
    """Read the settings now."""
    return Settings()


def load_finra_settings() -> FinraSettings:
    """Read the settings of FINRA's API now.

    Raises:
        WrongSetting: names every setting that is wrong.
    """
    try:
        return FinraSettings()
    except ValidationError as error:
        said = "; ".join(faults(error, "SPINE_FINRA_"))
    raise WrongSetting(said)


def load_alert_settings(alert_to: str | None = None) -> AlertSettings:
    """Read the settings of alerts now.

    Args:
        alert_to: Recipients of mails instead of those that are set.

    Raises:
        WrongSetting: names every setting that is wrong.
    """
    try:
        return AlertSettings() if alert_to is None else AlertSettings(alert_to=alert_to)
    except ValidationError as error:
        said = "; ".join(faults(error))
    raise WrongSetting(said)


def faults(error: ValidationError, prefix: str = "SPINE_") -> list[str]:
    """What is wrong with settings, one line each, by the names under which they are set.

    No value is repeated: it may be a secret.
    """
    return [
        f"{prefix}{str(fault['loc'][0]).upper()}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors(include_input=False)
    ]
