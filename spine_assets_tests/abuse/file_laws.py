"""The laws of one file, from its bytes to the tables made of it, held against the oracle."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import polars as pl
from polars.testing import assert_frame_equal

from spine_assets.otc.build.builders import BUILDERS
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.model import CapturedFrames
from spine_assets.otc.delivery.file_format import ParsedFile, parse
from spine_assets.otc.delivery.line_split import split_by_line, split_fast
from spine_assets.otc.delivery.parts import part_of, placements
from spine_assets.otc.delivery.placement import Grain, Placement
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets.otc.tables import rejects, row_rules, venue_volume
from spine_assets_tests.abuse.deliveries import BadFile
from spine_assets_tests.abuse.oracle import (
    API_COLUMNS,
    COLUMNS,
    NOTIONAL,
    Account,
    Line,
    Value,
    account,
    add,
    total,
)
from spine_assets_tests.abuse.week_oracle import (
    WEEK,
    Row,
    Told,
    Totals,
    Unclear,
    joined,
    judge,
    rows_of,
    told,
    totals,
)

NOW = datetime(2026, 1, 20, 12, 0, 0, tzinfo=UTC)
CAPTURE_DAY = NOW.date()
Tally = Counter[str]
_BUILD_ID = "20260120T120000Z-000000000000"


def check_file(file: BadFile, tally: Tally) -> None:
    """Hold all laws of one file; an AssertionError or any other exception is a fault."""
    expected = account(file.content, CAPTURE_DAY)
    tally["files"] += 1
    tally["lines"] += expected.physical
    try:
        parsed = parse(file.content, CAPTURE_DAY)
    except FileRefused as refused:
        if expected.usable:
            raise AssertionError(f"refused without a ground: {refused}") from refused
        tally[f"refused: {_kind(str(refused))}"] += 1
        return
    assert expected.usable, "loaded although header or rows are missing"
    check_lines(parsed, expected)
    check_splitters(file.content, expected)
    for line in expected.rejected:
        tally[f"parse reject: {min(min(reasons) for reasons in line.faults.values())}"] += 1
    try:
        placed = placements(parsed, file.name)
    except FileRefused as refused:
        check_refusal(expected, file.name, str(refused))
        tally[f"refused: {_kind(str(refused))}"] += 1
        return
    said = check_placements(expected, file.name, placed)
    tally["accepted with rejects" if expected.rejected else "accepted wholly"] += 1
    tally["rows"] += len(expected.accepted)
    tally["files of several parts"] += len(placed) > 1
    for placement, part in zip(placed, said.parts, strict=True):
        of_part = part_of(parsed, placement.venue_class, placement.grain)
        made = captures.make(of_part, placement, file.name, NOW)
        check_capture(made, expected, *said.lines_of(expected, part))
        if placement.grain is Grain.VENUES:
            check_tables(made, rows_of(expected, file.name, said, part), tally)


def _kind(message: str) -> str:
    """The first words of a refusal, without its particulars."""
    words: list[str] = []
    for word in message.split():
        if any(mark in word for mark in "0123456789'\"(") or len(words) == 4:
            break
        words.append(word.rstrip(":;,"))
    return " ".join(words)


def check_lines(parsed: ParsedFile, expected: Account) -> None:
    """Law 1: every line is in one place with what it held, and so is every share."""
    assert parsed.header == expected.header
    assert parsed.lines == expected.physical
    assert parsed.blank_lines == expected.blank
    assert parsed.lines == 1 + parsed.blank_lines + parsed.rows.height + parsed.rejects.height
    found = {row["source_line"]: row for row in parsed.rows.to_dicts()}
    assert list(found) == [line.number for line in expected.accepted]
    for line in expected.accepted:
        row = found[line.number]
        found_values = {name: row[name] for name in expected.header}
        check_amount(found_values.pop(NOTIONAL, None), line.values.get(NOTIONAL))
        rest = {name: value for name, value in line.values.items() if name != NOTIONAL}
        assert found_values == rest, line.number
        assert {*(row["notes"] or "").split("; ")} - {""} == line.notes, line.number
        check_extra(row["extra"], line)
    turned_away = {row["source_line"]: row for row in parsed.rejects.to_dicts()}
    assert list(turned_away) == [line.number for line in expected.rejected]
    for line in expected.rejected:
        check_reject(turned_away[line.number], line)
    assert parsed.shares == expected.shares


def check_amount(found: Value, expected: Value) -> None:
    """An amount is exact to a millionth, or to what floating point holds of a large one."""
    if not isinstance(expected, Decimal):
        assert found is expected
        return
    assert isinstance(found, Decimal)
    assert abs(found - expected) <= max(Decimal("1e-6"), abs(expected) / 10**15)


def check_extra(found: str | None, line: Line) -> None:
    """Columns that FINRA's files do not have yet are kept, unless all are blank."""
    values = {name: v for name, v in line.values.items() if name not in (*COLUMNS, *API_COLUMNS)}
    assert (json.loads(found) if found else None) == (values if any(values.values()) else None)


def check_reject(reject: dict[str, object], line: Line) -> None:
    """A parse reject has the line's text, its quantity and one of its reasons, and tells all."""
    assert reject["raw_line"] == line.raw
    assert reject["share_volume"] == line.shares, line.number
    assert reject["reason"] in line.faults[str(reject["field"] or "")]
    for name, reasons in line.faults.items():
        assert name in str(reject["detail"])
        if name:
            assert any(f"{name}: {reason}" in str(reject["detail"]) for reason in reasons)


def check_splitters(content: bytes, expected: Account) -> None:
    """Where the fast splitter answers, it answers as the careful one does."""
    text = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").lstrip(b" \t\r\n")
    _, _, body = text.partition(b"\n")
    fast = split_fast(body, expected.header, 2, expected.separator)
    if fast is not None:
        slow = split_by_line(body, expected.header, 2, expected.separator)
        assert slow.rejects.is_empty()
        assert_frame_equal(fast.fields, slow.fields)
        assert fast.blank_lines == slow.blank_lines


def check_refusal(expected: Account, name: str, message: str) -> None:
    """A parsed file is refused only where week, tier or class is in doubt."""
    try:
        said = told(expected, name)
    except Unclear:
        return
    # Other weeks and weeks told by dates need FINRA's calendar, which the oracle lacks.
    assert said.week != WEEK, f"refused without a ground: {message}"


def check_placements(expected: Account, name: str, placed: tuple[Placement, ...]) -> Told:
    """A placed file holds what it says it holds."""
    said = told(expected, name)  # Unclear: loaded although it should have been refused
    assert tuple((item.venue_class.value, item.grain.value) for item in placed) == said.parts
    for item in placed:
        assert item.tier.value == said.tier
        assert said.week in {None, item.week_ending}
    return said


def check_capture(
    made: CapturedFrames, expected: Account, accepted: list[Line], rejected: list[Line]
) -> None:
    """What the capture of a part says of itself is what the bytes hold."""
    capture = made.capture
    others = len(expected.lines) - len(accepted) - len(rejected)
    known = 1 + capture.blank_lines + capture.rows + capture.reject_lines
    assert capture.other_lines == others
    assert capture.lines_counted == expected.physical == known + others
    assert capture.row_shares == total(accepted)
    assert capture.reject_shares == total(rejected)
    assert add(capture.row_shares, capture.reject_shares) == capture.file_shares
    assert (made.rows.height, made.rejects.height) == (capture.rows, capture.reject_lines)
    assert (capture.rows, capture.reject_lines) == (len(accepted), len(rejected))


def check_tables(made: CapturedFrames, rows: list[Row], tally: Tally) -> None:
    """Law 2: raw rows = venue rows + rule rejects, and all totals agree."""
    accepted, broken = row_rules.split(made.rows)
    verdicts = judge(rows)
    check_verdicts(rejects.from_rules(broken), verdicts)
    for reasons in verdicts.values():
        if reasons:
            tally[f"rule reject: {min(reasons)}"] += 1
    sound = [row for row in rows if not verdicts[row.place] - {"DUPLICATE_ROW", "CONFLICTING_KEY"}]
    standing = [row for row in rows if not verdicts[row.place]]
    assert accepted.height == len(standing)
    twice = row_rules.versions_joined(made.rows)
    assert bool(twice) == bool(joined(sound))
    tally["two versions joined"] += bool(twice)
    tables = derive(accepted, made)
    check_totals(tables, standing)
    issues = tables[venue_volume.TABLE.name]["issue_count"]
    assert issues.sum() == len(standing)
    tally["rows of several issues"] += len(issues.filter(issues > 1))
    check_other_order(made, tables)


def check_verdicts(found: pl.DataFrame, verdicts: dict[tuple[str, int], set[str]]) -> None:
    """Rule rejects are exactly the predicted rows, each for one of its reasons."""
    reasons = {
        (row["source_file"], row["source_line"]): row["reason"]
        for row in found.iter_rows(named=True)
    }
    assert len(reasons) == found.height
    assert sorted(reasons) == sorted(place for place, faults in verdicts.items() if faults)
    for key, reason in reasons.items():
        assert reason in verdicts[key], key


def derive(accepted: pl.DataFrame, made: CapturedFrames) -> dict[str, pl.DataFrame]:
    """The derived tables of one capture."""
    venues = venue_volume.build(accepted, _BUILD_ID)
    inputs = pl.DataFrame(
        [(*made.capture.key, made.capture.capture_id)],
        schema=["tier", "venue_class", "input_capture_id"],
        orient="row",
    )
    return {
        venue_volume.TABLE.name: venues,
        **{name: build(venues, inputs, _BUILD_ID) for name, build in BUILDERS.items()},
    }


def check_totals(tables: dict[str, pl.DataFrame], rows: list[Row]) -> None:
    """Venue rows, symbols and venues hold the shares and trades of the accepted rows."""
    figures = ("share_volume", "trade_count"), ("total_volume", "total_trades")
    key = ("tier", "symbol", "venue_class", "mpid")
    by_table = {
        "otc_venue_volume": ((0, 1, 2, 3), figures[0]),
        "otc_symbol_summary": ((0, 1), figures[1]),
        "otc_venue_share": ((2, 3), figures[1]),
    }
    for name, (parts, columns) in by_table.items():
        frame = tables[name].select(*(key[part] for part in parts), *columns)
        found: Totals = {tuple(row[:-2]): (row[-2], row[-1]) for row in frame.iter_rows()}
        assert len(found) == frame.height, name
        assert found == totals(rows, *parts), name


def check_other_order(made: CapturedFrames, tables: dict[str, pl.DataFrame]) -> None:
    """The order of lines in a good file decides nothing."""
    order = list(range(made.rows.height))
    Random(len(order)).shuffle(order)  # the same order each time
    accepted, _ = row_rules.split(made.rows[order])
    for name, frame in derive(accepted, made).items():
        assert_frame_equal(frame, tables[name])
