"""Settings come from the environment or a `.env` file, and wrong ones are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from spine_assets.cli import main
from spine_assets.core.alert_settings import load_alert_settings
from spine_assets.core.settings import (
    Settings,
    WrongSetting,
    load_finra_settings,
    load_settings,
    validated,
)

SECRET = "s3cr3t"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder and no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATA_DIR", "LAKE", "DATABASE_PATH", "LOG_LEVEL"):
        monkeypatch.delenv(f"SPINE_{name}", raising=False)
    return tmp_path


def test_defaults_lie_below_the_working_folder(elsewhere: Path) -> None:
    settings = load_settings()
    assert settings.landing_path == elsewhere / "data/landing"
    assert settings.lake_place == elsewhere / "data/lake"
    assert settings.warehouse_path == elsewhere / "data/spine.duckdb"


def test_the_lake_and_database_follow_the_data_folder_unless_set(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_DATA_DIR", "other")
    assert load_settings().lake_place == elsewhere / "other/lake"
    monkeypatch.setenv("SPINE_LAKE", "wet")
    assert load_settings().lake_place == elsewhere / "wet"
    assert load_settings().warehouse_path == elsewhere / "other/spine.duckdb"


def test_a_dotenv_file_is_read_and_the_environment_wins(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / ".env").write_text("SPINE_DATA_DIR=written\nSPINE_LOG_LEVEL=ERROR\n")
    monkeypatch.setenv("SPINE_DATA_DIR", "said")
    assert load_settings().data_dir == elsewhere / "said"
    assert load_settings().log_level == "ERROR"


@pytest.mark.parametrize(
    ("name", "url", "said"),
    [
        ("SPINE_DATA_DIR", "s3://bucket/data", "a local folder is needed"),
        ("SPINE_DATABASE_PATH", "s3://bucket/spine.duckdb", "a local folder is needed"),
        ("SPINE_LAKE", "ftp://host/lake", "a lake may be in a bucket (s3://, gs://, az://)"),
        ("SPINE_LAKE", "s3://", "is not a valid bucket name"),
        ("SPINE_LAKE", "s3://bucket/a//b", "has an empty folder"),
        ("SPINE_LAKE", "s3://bucket/../lake", "or one of dots"),
        ("SPINE_LAKE", "s3://bucket/la*ke", "holds *"),
        ("SPINE_LAKE", "s3://bucket/it's", "holds '"),
    ],
)
def test_a_url_that_cannot_serve_is_refused_and_no_folder_of_that_name_is_made(
    name: str, url: str, said: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, url)
    result = CliRunner().invoke(main, ["db", "init"])
    assert result.exit_code == 1
    assert name in result.output
    assert said in result.output
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "url", "said"),
    [
        ("SPINE_FINRA_URL", f"https://u:{SECRET}@h.org", "SPINE_FINRA_CLIENT_SECRET"),
        ("SPINE_FINRA_URL", f"https://{SECRET}@h.org/x", "SPINE_FINRA_CLIENT_SECRET"),
        ("SPINE_FINRA_URL", f"https://h.org/x?key={SECRET}", "contains a query"),
        ("SPINE_FINRA_TOKEN_URL", f"https://u:{SECRET}@h.org", "contains a user or password"),
        ("SPINE_UI_URL", f"https://u:{SECRET}@h.org", "leave it out"),
        ("SPINE_LAKE", f"s3://key:{SECRET}@bucket/lake", "contains credentials"),
        ("SPINE_LAKE", f"az://bucket/lake?sig={SECRET}", "holds ?"),
        ("SPINE_LAKE", f"https://u:{SECRET}@h.org/lake", "https://h.org/lake is a URL"),
        ("SPINE_DATA_DIR", f"s3://b/data?sig={SECRET}", "s3://b/data is a URL"),
        ("SPINE_DATABASE_PATH", f"postgresql://u:{SECRET}@h/d", "postgresql://h/d is a URL"),
    ],
)
def test_a_url_with_a_secret_is_refused_without_showing_it(
    name: str, url: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, url)
    with pytest.raises(WrongSetting, match=name) as wrong:
        _ = validated(Settings), load_finra_settings(), load_alert_settings()
    assert said in str(wrong.value)
    assert SECRET not in str(wrong.value)
    if name in {"SPINE_LAKE", "SPINE_DATA_DIR", "SPINE_DATABASE_PATH"}:
        with pytest.raises(ValidationError) as raw:
            load_settings()
        assert SECRET not in str(raw.value)


@pytest.mark.parametrize("url", ["s3://bucket/lake/", "gs://bucket", "az://container/a/b c"])
def test_a_lake_may_be_in_a_bucket(
    url: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_LAKE", url)
    assert load_settings().lake_place == url.rstrip("/")


def test_a_folder_that_no_view_could_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINE_LAKE", "wet\\lake")
    with pytest.raises(ValidationError, match="backslash"):
        load_settings()


@pytest.mark.parametrize(("folder", "said"), [("a?b", "question mark"), ("a%41", "holds %41")])
def test_a_folder_that_sqlite_would_take_for_another_is_refused(
    folder: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_DATA_DIR", folder)
    with pytest.raises(ValidationError, match=said):
        load_settings()
    monkeypatch.delenv("SPINE_DATA_DIR")
    root = tmp_path / folder
    root.mkdir()
    (root / "dagster.yaml").touch()
    monkeypatch.chdir(root)
    with pytest.raises(ValidationError, match=said):
        load_settings()


def test_a_percent_sign_alone_is_part_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINE_DATA_DIR", "50% of all")
    assert load_settings().data_dir.name == "50% of all"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SPINE_DATA_DIR", "", "is empty; give a folder, or leave the setting out"),
        ("SPINE_DATA_DIR", "  ", "is empty"),
        ("SPINE_LAKE", "", "is empty"),
        ("SPINE_DATA_DIR", "~/x", "~ stands for no folder here; give the whole path"),
        ("SPINE_DATABASE_PATH", "~root/spine.duckdb", "~ stands for no folder"),
        ("SPINE_DATABASE_PATH", "/dev/null", "/dev/null is no file"),
        ("SPINE_DATABASE_PATH", ".", "is no file"),
        ("SPINE_DATABASE_PATH", "data/lake/otc_raw/spine.duckdb", "is in the lake"),
        ("SPINE_MEMORY_LIMIT", "0", "must be 100MB or more"),
        ("SPINE_MEMORY_LIMIT", "1kB", "must be 100MB or more"),
    ],
)
def test_a_setting_that_would_do_harm_is_refused(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    told = CliRunner().invoke(main, ["status"])
    assert (told.exit_code, told.stdout) == (1, "")
    assert f"{name}: " in told.stderr
    assert said in told.stderr
    assert [*elsewhere.iterdir()] == []
