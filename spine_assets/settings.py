"""`SPINE_*` settings, from the environment or a `.env` file in the working folder.

Nothing is read at import: call `load_settings()`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where the data is; every setting has a default.

    Attributes:
        data_dir: Folder of landing, lake and database (`SPINE_DATA_DIR`).
        database_path: The DuckDB file of views (`SPINE_DATABASE_PATH`); None means
            `spine.duckdb` in the data folder.
        lake: Folder of the Parquet tables (`SPINE_LAKE`); None means `lake` in the
            data folder.
        log_level: Least level that is logged (`SPINE_LOG_LEVEL`).
        log_format: Log lines of our jobs: `human` or `json` (`SPINE_LOG_FORMAT`).
    """

    model_config = SettingsConfigDict(env_prefix="SPINE_", env_file=".env", extra="ignore")

    data_dir: Path = Path("data")
    database_path: Path | None = None
    lake: Path | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["human", "json"] = "human"

    @field_validator("data_dir", "lake", "database_path", mode="before")
    @classmethod
    def _local(cls, value: object) -> object:
        """Refuse what would be taken for another folder than was meant."""
        if "://" in str(value):
            raise ValueError(f"{value} is a URL; only local folders are supported as yet")
        if "\\" in str(value):
            raise ValueError(f"{value} holds a backslash, which no DuckDB view can name")
        if "?" in str(value):
            raise ValueError(f"{value} holds a question mark, which DuckDB takes for options")
        return value

    @property
    def landing_path(self) -> Path:
        """Folder into which files are delivered."""
        return self.data_dir.absolute() / "landing"

    @property
    def landing_index_path(self) -> Path:
        """Cache of what each delivered file is; may be deleted at any time."""
        return self.data_dir.absolute() / "landing-index.json"

    @property
    def lake_path(self) -> Path:
        """Folder of the Parquet tables, absolute because views name it."""
        return (self.lake or self.data_dir / "lake").absolute()

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file that holds views over the lake."""
        return (self.database_path or self.data_dir / "spine.duckdb").absolute()


def load_settings() -> Settings:
    """Read the settings now."""
    return Settings()
