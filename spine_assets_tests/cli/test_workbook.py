"""`spine export --xlsx`, read again as Excel's own types."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from click.testing import CliRunner, Result

from spine_assets.cli import main
from spine_assets.cli.render.workbook import write_workbook
from spine_assets_tests.conftest import WEEK, House, delivered, line

HUGE = "999999999999.123456"  # 18 digits


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a project with one week is to write its workbook."""
    monkeypatch.chdir(tmp_path)
    for name in ("SPINE_DATA_DIR", "SPINE_LAKE", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    house = House(tmp_path / "data")
    rows = (line("AAAA", issue="=1+1"), line("BBBB", shares="12.5"), line("CCCC", shares=HUGE))
    house.drop("otc.csv", delivered(*rows))
    house.built()
    return tmp_path / "out.xlsx"


def export(table: str, *words: str) -> Result:
    return CliRunner().invoke(main, ["export", "--table", table, "--week", str(WEEK), *words])


def cells(path: Path) -> list[dict[str, Any]]:
    """Rows of the only sheet, by the names in the header."""
    sheet = openpyxl.load_workbook(path).active
    header, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_dates_are_dates_and_shares_are_numbers(out: Path) -> None:
    done = export("otc_venue_volume", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert "wrote 3 rows of otc_venue_volume" in done.stderr
    assert "Excel rounds numbers of more than 15 digits: 1 of share_volume\n" in done.stderr
    first, second, third = cells(out)
    assert first["week_ending"] == datetime(2025, 11, 21)  # noqa: DTZ001 - Excel has no zones
    assert (first["share_volume"], type(first["share_volume"])) == (100, int)
    assert (second["share_volume"], third["share_volume"]) == (12.5, 999999999999.1234)
    assert first["issue_name"] == "=1+1"  # a text, no formula
    sheet = openpyxl.load_workbook(out)["otc_venue_volume"]
    (column,) = [cell.column for cell in sheet[1] if cell.value == "issue_name"]
    assert sheet.cell(2, column).data_type == "s"
    assert {cell.number_format for cell in sheet["A"][1:]} == {"yyyy-mm-dd"}
    assert sheet.freeze_panes == "A2"


def test_times_lists_and_truth_values(out: Path) -> None:
    assert export("otc_raw", "--xlsx", "--out", str(out.with_suffix(".other"))).exit_code == 0
    out.with_suffix(".other").rename(out)
    assert cells(out)[0]["captured_at"] == datetime(2026, 1, 20, 12)  # noqa: DTZ001
    done = export("otc_venue_share", "--out", str(out), "--json")
    assert json.loads(done.stdout)["rounded"] == {"total_volume": 1}
    (row,) = cells(out)
    assert (row["tiers"], row["is_complete"], row["rank"]) == ('["OTC"]', False, 1)


def test_what_a_sheet_cannot_hold_is_refused_and_leaves_no_file(out: Path) -> None:
    many = pl.DataFrame({"number": range(1_048_576)})
    with pytest.raises(Exception, match="1,048,576 rows are more than an Excel sheet holds"):
        write_workbook(many, "many", out)
    with pytest.raises(Exception, match="a value of text has 32,768 characters"):
        write_workbook(pl.DataFrame({"text": ["x" * 32_768]}), "long", out)
    assert not [*out.parent.glob("*.xlsx*")]
    write_workbook(pl.DataFrame({"text": ["x" * 32_767], "day": [date(2025, 11, 21)]}), "fits", out)
    assert len(cells(out)[0]["text"]) == 32_767


def test_without_the_extra_it_is_named(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    done = export("otc_venue_share", "--out", str(out))
    assert done.exit_code == 1
    assert "pip install 'spine-assets[excel]'" in done.output
    assert "give a file" in export("otc_venue_share", "--xlsx").output
