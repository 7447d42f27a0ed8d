"""Completion of commands, options, weeks, tables and captures; at length by a real bash."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from spine_assets.cli import main
from spine_assets_tests.conftest import WEEK, House, delivered, line

_BASH = """
source /dev/stdin <<< "$(spine completion bash)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_spine_completion spine
(( ${#COMPREPLY[@]} )) && printf '%s\\n' "${COMPREPLY[@]}"
exit 0
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A project with one captured week; `spine` is on the path."""
    monkeypatch.chdir(tmp_path)
    for name in ("SPINE_DATA_DIR", "SPINE_LAKE", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    made = House(tmp_path / "data")
    made.drop("otc.csv", delivered(line("AAAA")))
    made.built()
    return made


def completed(*words: str) -> list[str]:
    """What bash offers for the last word."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    done = subprocess.run(
        [bash, "-c", _BASH, "bash", "spine", *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def offered(*words: str) -> list[str]:
    """What the program answers the shell's script for the last word."""
    *before, last = words
    found = BashComplete(main, {}, "spine", "_SPINE_COMPLETE").get_completions(before, last)
    return [item.value for item in found]


def assert_all_is_completed(house: House, ask: Callable[..., list[str]]) -> None:
    assert ask("doc") == ["doctor"]
    assert ask("query", "--pa") == ["--parquet"]
    assert ask("week", "") == [str(WEEK)]
    assert ask("export", "--week", "2025-1") == [str(WEEK)]
    assert ask("week", "2024") == []
    assert ask("export", "--table", "otc_v") == ["otc_venue_volume", "otc_venue_share"]
    (path,) = house.lake.files("otc_raw", WEEK)
    assert ask("captures", "use", "2026") == [path.stem.rpartition(".")[2]]


def assert_silent(
    house: House, monkeypatch: pytest.MonkeyPatch, ask: Callable[..., list[str]]
) -> None:
    monkeypatch.setenv("SPINE_LAKE", "s3://bucket/lake")
    assert ask("week", "") == []
    assert ask("captures", "use", "") == []
    monkeypatch.setenv("SPINE_LAKE", str(house.root / "none"))
    assert ask("week", "") == []


def test_commands_options_and_values_are_completed(house: House) -> None:
    assert_all_is_completed(house, offered)


@pytest.mark.long
def test_bash_completes_commands_options_and_values(house: House) -> None:
    assert_all_is_completed(house, completed)


def test_completion_is_silent_where_nothing_can_be_told(
    house: House, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert_silent(house, monkeypatch, offered)
    assert capfd.readouterr() == ("", "")


@pytest.mark.long
def test_bash_is_silent_where_nothing_can_be_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_silent(house, monkeypatch, completed)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_a_script_that_they_can_read(shell: str, tmp_path: Path) -> None:
    script = CliRunner().invoke(main, ["completion", shell]).output
    assert f"_SPINE_COMPLETE={shell}_complete" in script
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here to read it")
    (tmp_path / "script").write_text(script)
    done = subprocess.run([program, "-n", str(tmp_path / "script")], check=False)
    assert done.returncode == 0


def test_a_mistyped_table_or_format_names_the_nearest() -> None:
    words = ["export", "--week", str(WEEK), "--table"]
    done = CliRunner().invoke(main, [*words, "otc_venue_shares"])
    assert done.exit_code == 2
    assert "did you mean otc_venue_share?" in done.output
    done = CliRunner().invoke(main, [*words, "otc_raw", "--format", "docx"])
    assert "known: csv, json, parquet, xlsx" in done.output
    assert "Did you mean 'status'?" in CliRunner().invoke(main, ["statsu"]).output
