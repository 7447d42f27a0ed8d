"""What the program is configured with: settings, the `.env` file and `dagster.yaml`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values
from pydantic import ValidationError

from spine_assets.core.alert_settings import AlertSettings, load_alert_settings
from spine_assets.core.project_root import anchored
from spine_assets.core.settings import (
    FinraSettings,
    Settings,
    WrongSetting,
    history_path,
    load_finra_settings,
    load_settings,
    setting_problems,
)
from spine_assets.core.text import nearest
from spine_assets.maintenance.doctor.diagnosis import Diagnosis, fail, listed, ok, warn

_OURS = "spine_assets."
_PREFIX = "SPINE_"


def read_settings() -> tuple[Settings | None, Diagnosis]:
    """The settings, and whether they and those of FINRA and of alerts can be read."""
    mend = "correct it in the environment or in .env; docs/settings.md lists all settings"
    try:
        settings = load_settings()
    except ValidationError as error:
        return None, fail("; ".join(setting_problems(error)), mend)
    except (OSError, ValueError) as error:  # a `.env` that is not text
        return None, fail(f".env cannot be read: {error}", mend)
    problems = []
    for read in (load_finra_settings, load_alert_settings):
        try:
            read()
        except WrongSetting as error:
            problems.append(str(error))
    if problems:
        return settings, fail("; ".join(problems), mend)
    return settings, ok(f"data in {settings.data_dir}, lake in {settings.lake_place}")


def dotenv(root: Path) -> Diagnosis:
    """Whether there is a `.env` file, and whether all `SPINE_` names are settings."""
    path = root / ".env"
    known = [
        str(kind.model_config["env_prefix"]) + name.upper()
        for kind in (Settings, FinraSettings, AlertSettings)
        for name in kind.model_fields
    ]
    try:
        written = list(dotenv_values(path)) if path.is_file() else []
    except (OSError, ValueError) as error:
        return fail(f"{path} cannot be read: {error}", "write it as UTF-8 text, or delete it")
    unknown = [
        _unknown(name, known)
        for name in dict.fromkeys([*written, *os.environ])
        if name.upper().startswith(_PREFIX)
        and name.upper() not in known
        and not name.startswith("_")
    ]
    if unknown:
        return warn(
            f"not read, because there is no such setting: {listed(unknown)}",
            "correct the name; docs/settings.md lists all settings",
        )
    if not path.is_file():
        return ok("no .env file here; settings come from the environment, or are the defaults")
    ours = [name for name in written if name.upper().startswith(_PREFIX)]
    return ok(f"{path} sets {listed(ours) or 'no setting of ours'}")


def _unknown(name: str, known: list[str]) -> str:
    hint = nearest(name.upper(), known)
    return f"{name} ({hint})" if hint.startswith("did") else name


def histories(root: Path, settings: Settings) -> Diagnosis:
    """Whether Dagster's history is that of the data folder; in PostgreSQL it always may be."""
    try:
        folder = sqlite_folder(root)
    except (OSError, ValueError, yaml.YAMLError):
        return warn("not examined: dagster.yaml cannot be read", "see dagster_yaml below")
    if folder is not None and folder != settings.history_path:
        return warn(
            f"dagster.yaml keeps Dagster's history in {folder}, and not in the data folder "
            f"{settings.data_dir}: other data folders would share it",
            "take base_dir out of dagster.yaml, as in the repository's, and move the history to "
            f"{settings.history_path} while nothing of Dagster is running",
        )
    return ok("the history is in the data folder" if folder else "the history is in a database")


def dagster_yaml(root: Path) -> Diagnosis:
    """Whether `dagster.yaml` is found, here or in `DAGSTER_HOME`."""
    folder = _folder(root)
    path = folder / "dagster.yaml"
    where = "DAGSTER_HOME" if os.environ.get("DAGSTER_HOME") else "the working folder"
    if not folder.is_absolute():
        return fail(f"DAGSTER_HOME is {folder}, which is not an absolute path", "make it absolute")
    if not path.is_file():
        mend = "spine init makes a project of this folder; or let DAGSTER_HOME name another"
        return fail(f"there is no dagster.yaml in {where} ({folder})", mend)
    try:
        _config(root)
    except (OSError, ValueError, yaml.YAMLError) as error:
        problem = " ".join(str(error).split())
        mend = "correct it; the repository has a valid one"
        return fail(f"{path} cannot be read: {problem}", mend)
    if relative := _from_working_folder(_config(root)):
        return warn(
            f"{path} ({where}): relative paths start there, except those of Dagster's own "
            f"{listed(relative)}, which start at the working folder of each process",
            "make them absolute, or take the classes of the repository's dagster.yaml",
        )
    return ok(f"{path} ({where}); relative paths start at its folder")


def _from_working_folder(config: dict[str, Any]) -> list[str]:
    """Sections with a relative `base_dir` of a class that is not ours."""
    found = []
    storage = config.get("storage") or {}
    sections = {
        "storage": storage.get("custom") or {"config": storage.get("sqlite")},
        "compute_logs": config.get("compute_logs") or {},
        "local_artifact_storage": config.get("local_artifact_storage") or {},
    }
    for name, section in sections.items():
        base = (section.get("config") or {}).get("base_dir")
        is_ours = str(section.get("module", "")).startswith(_OURS)
        if isinstance(base, str) and not is_ours and not Path(base).is_absolute():
            found.append(name)
    return found


def sqlite_folder(root: Path) -> Path | None:
    """Folder of Dagster's SQLite databases, or None where another storage is configured."""
    storage = _config(root).get("storage", {"sqlite": {"base_dir": str(_folder(root))}})
    custom = storage.get("custom") or {}
    for given in (storage.get("sqlite"), custom.get("config")):
        base = (given or {}).get("base_dir")
        if isinstance(base, dict):  # {env: NAME}
            base = os.environ.get(str(base.get("env")))
        if base:
            return anchored(base)
    is_ours = str(custom.get("module", "")).startswith(_OURS)
    return history_path() if is_ours and "Sqlite" in str(custom.get("class")) else None


def _folder(root: Path) -> Path:
    home = os.environ.get("DAGSTER_HOME")
    return Path(home).expanduser() if home else root


def _config(root: Path) -> dict[str, Any]:
    found = yaml.safe_load((_folder(root) / "dagster.yaml").read_text("utf-8"))
    if not isinstance(found, dict):
        raise ValueError("it is not a mapping of names to values")
    return found
