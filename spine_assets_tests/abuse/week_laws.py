"""The laws of a whole week: dropped files, all checks, Parquet files read back by DuckDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from spine_assets.otc.captures import delivered
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.model import Capture
from spine_assets.otc.state.results import CheckResult, NoInput, WeekResult
from spine_assets.otc.tables.registry import TABLES
from spine_assets_tests.abuse.deliveries import BadFile, packed
from spine_assets_tests.abuse.file_laws import CAPTURE_DAY, NOW, Tally
from spine_assets_tests.abuse.oracle import Account, account, add, total
from spine_assets_tests.abuse.week_oracle import (
    WEEK,
    Part,
    Row,
    Totals,
    judge,
    rows_of,
    told,
    totals,
)
from spine_assets_tests.conftest import House, built_tables

CHECKS = sorted((table.name, check.name) for table in TABLES for check in table.checks)


def check_week(root: Path, files: list[tuple[BadFile, str]], tally: Tally) -> None:
    """Drop the files, build the week and hold all of its laws."""
    house = House(root)
    house.landing.mkdir(parents=True)
    contents = {}
    for file, packing in files:
        delivery = packed(file, packing)
        house.drop(delivery.name, delivery.content)
        contents[delivery.name] = file.content
    tally["weeks"] += 1
    result = house.build(now=NOW)
    stored = captures.stored(house.lake, WEEK)
    check_every_file_is_told(house, result, stored, contents)
    if isinstance(result.error, NoInput):
        assert not stored
        tally["week without input"] += 1
        return
    accounts = {
        item.source_file: account(contents[item.source_file], CAPTURE_DAY) for item in stored
    }
    current = current_captures(accounts, stored)
    rows = [row for item in current for row in expected_rows(accounts, item)]
    verdicts = judge(rows)
    assert result.error is None, result.error
    check_events(result)
    tally["week built"] += 1
    for item in stored:
        check_stored_capture(house, item, accounts[item.source_file])
        assert delivered.read(house.lake, WEEK, item.sha256) == contents[item.source_file]
    check_stored_tables(house, rows, verdicts)


def current_captures(accounts: dict[str, Account], stored: list[Capture]) -> list[Capture]:
    """Of each tier and class the capture with the latest update; all came at one time.

    One that has less than nine tenths of the symbols and venues of the fullest waits.
    """
    keys = {
        id(item): len({row.symbol_and_venue for row in expected_rows(accounts, item)})
        for item in stored
    }
    most = {
        item.key: max(keys[id(other)] for other in stored if other.key == item.key)
        for item in stored
    }
    full = [item for item in stored if 10 * keys[id(item)] >= 9 * most[item.key]]
    ranked = sorted(full, key=lambda item: (item.last_update_date, item.sha256))
    return list({item.key: item for item in ranked}.values())


def expected_rows(accounts: dict[str, Account], item: Capture) -> list[Row]:
    """Raw rows that a capture must have."""
    found = accounts[item.source_file]
    said, part = told(found, item.source_file), part_of(item)
    assert said.tier == item.tier.value
    assert part in said.parts
    return rows_of(found, item.source_file, said, part)


def part_of(item: Capture) -> Part:
    """The part of its content that a capture is."""
    return item.venue_class.value, item.grain.value


def check_every_file_is_told(
    house: House, result: WeekResult, stored: list[Capture], contents: dict[str, bytes]
) -> None:
    """No file vanishes: it is a capture, control totals, or named as unusable; or a copy of one."""
    captured = {item.source_file for item in stored}
    landing = house.scan()
    unusable = {item.name for item in landing.unusable}
    unusable |= {item.name for item in landing.totals}
    delivery = [
        row["what"]
        for event in result.events
        if isinstance(event, CheckResult) and event.check == "delivery"
        for row in event.samples
    ]
    named = str(result.error)
    accounted = {
        content
        for name, content in contents.items()
        if name in captured or name in unusable or name in delivery or name in named
    }
    lost = [name for name, content in contents.items() if content not in accounted]
    assert not lost, lost


def check_events(result: WeekResult) -> None:
    """All checks were evaluated, none that blocks failed, all tables were published."""
    checks = [event for event in result.events if isinstance(event, CheckResult)]
    assert sorted((event.table, event.check) for event in checks) == CHECKS
    assert not [event for event in checks if event.blocking and not event.passed]
    assert list(built_tables(result)) == [table.name for table in TABLES]


def read_back(paths: list[Path], columns: str) -> list[tuple[Any, ...]]:
    """Columns of Parquet files, by DuckDB; nothing where there is no file."""
    if not paths:
        return []
    with duckdb.connect(":memory:") as connection:
        found = connection.execute(
            f"SELECT {columns} FROM read_parquet($files, hive_partitioning = false)",
            {"files": [str(path) for path in paths]},
        )
        return found.fetchall()


def check_stored_capture(house: House, item: Capture, expected: Account) -> None:
    """Law 1 on the files of a capture."""
    accepted, rejected = told(expected, item.source_file).lines_of(expected, part_of(item))
    rows = read_back([captures.raw_path(house.lake, item)], "source_line, share_volume, symbol")
    assert sorted(rows) == [
        (line.number, line.shares, line.values["issueSymbolIdentifier"]) for line in accepted
    ]
    rejects = read_back(
        [captures.rejects_path(house.lake, item)], "source_line, share_volume, raw_line"
    )
    assert sorted(rejects, key=lambda row: int(row[0])) == [
        (line.number, line.shares, line.raw) for line in rejected
    ]
    shares = add(*(row[1] for row in [*rows, *rejects] if row[1] is not None))
    assert shares == total([*accepted, *rejected])
    lines = 1 + expected.blank + len(rows) + len(rejects) + item.other_lines
    assert lines == expected.physical


def check_stored_tables(
    house: House, rows: list[Row], verdicts: dict[tuple[str, int], set[str]]
) -> None:
    """Law 2 on the published files."""
    lake = house.lake
    rule = [path for path in lake.files("otc_rejects", WEEK) if path.name == "rule.parquet"]
    rejects = read_back(rule, "source_file, source_line, reason, share_volume")
    turned_away = [row for row in rows if verdicts[row.place]]
    assert sorted((row[0], row[1], row[3]) for row in rejects) == sorted(
        (*row.place, row.shares) for row in turned_away
    )
    assert all(reason in verdicts[name, number] for name, number, reason, _ in rejects)
    standing = [row for row in rows if not verdicts[row.place]]
    for table, key, parts, figures in (
        (
            "otc_venue_volume",
            "tier, symbol, venue_class, mpid",
            (0, 1, 2, 3),
            "share_volume, trade_count",
        ),
        ("otc_symbol_summary", "tier, symbol", (0, 1), "total_volume, total_trades"),
        ("otc_venue_share", "venue_class, mpid", (2, 3), "total_volume, total_trades"),
    ):
        stored = read_back(lake.files(table, WEEK), f"{key}, {figures}")
        found: Totals = {row[:-2]: (row[-2], row[-1]) for row in stored}
        assert len(found) == len(stored), table
        assert found == totals(standing, *parts), table
