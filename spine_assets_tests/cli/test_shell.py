"""`spine shell` as a real process: with code, and with lines from standard input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spine_assets_tests.conftest import WEEK, House, delivered, line

pytestmark = pytest.mark.long

_SECONDS = 120  # it takes about 2; a machine under load some times that


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one week of two rows built."""
    monkeypatch.chdir(tmp_path)
    for name in ("SPINE_DATA_DIR", "SPINE_LAKE", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    house = House(tmp_path / "data")
    house.drop("otc.csv", delivered(line("AAAA"), line("BBBB", shares="12.5")))
    house.built()
    source = Path(__file__).parents[2] / "dagster.yaml"
    (tmp_path / "dagster.yaml").write_text(source.read_text())
    return tmp_path


def shell(*words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("spine"))
    return subprocess.run(
        [program, "shell", *words],
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )


def test_code_finds_everything_at_hand_and_says_nothing_else(root: Path) -> None:
    code = f"""
def seen():
    return len(landing.deliveries), instance.get_runs_count()
assert seen() == (1, 0)
assert [str(week) for week in weeks] == ["{WEEK}"]
assert weeks == lake.weeks("otc_raw")
assert settings.lake_place == lake.root
assert table("otc_raw", "{WEEK}").height == table("otc_raw", weeks[0]).height == 2
frame = sql("SELECT sum(share_volume) AS shares, sum(trade_count) AS trades FROM otc_raw; -- all")
assert frame.schema == {{"shares": pl.Decimal(38, 6), "trades": pl.Decimal(38, 0)}}
assert str(frame["shares"][0]) == "112.500000"
assert warehouse.execute("SELECT count(*) FROM otc_raw").fetchall() == [(2,)]
print(date(2025, 11, 21), duckdb.__name__)
"""
    done = shell("-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{WEEK} duckdb\n", "")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("1/0", "ZeroDivisionError: division by zero"),
        ("x =", "SyntaxError: invalid syntax"),
        ("table('otc_venue_shares')", "did you mean otc_venue_share?"),
        ("table('otc_raw', '2025-12-25')", "weeks end on Fridays: 2025-12-26"),
        ("sql('DROP VIEW otc_raw')", "sql() takes one SELECT"),
    ],
)
def test_code_that_raises_ends_with_1_and_its_own_traceback(
    root: Path, code: str, said: str
) -> None:
    done = shell("-c", f"frame = sql('SELECT 1')\n{code}")
    assert done.returncode == 1
    assert said in done.stderr
    assert "spine_assets/cli/shell.py" not in done.stderr
    assert "leaked" not in done.stderr


def test_code_may_choose_its_own_exit_code(root: Path) -> None:
    assert shell("-c", "raise SystemExit(3)").returncode == 3


def test_lines_are_read_from_standard_input_and_an_error_is_not_the_end(root: Path) -> None:
    done = shell(typed="print(weeks[0])\n1/0\nprint('still', len(sql('FROM otc_raw')))\n")
    assert done.returncode == 0
    assert str(WEEK) in done.stdout
    assert "still 2" in done.stdout
    assert "ZeroDivisionError" in done.stderr
    for name in ("settings", "lake", "warehouse", "sql(text)", "table(name, week)", "instance"):
        assert f"\n  {name}" in done.stderr


def test_a_name_that_is_not_there_is_an_ordinary_error(root: Path) -> None:
    done = shell("-c", "def f():\n    return nothing\nf()")
    assert "NameError: name 'nothing' is not defined" in done.stderr
