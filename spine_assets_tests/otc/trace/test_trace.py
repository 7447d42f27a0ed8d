"""A trace tells the delivered line only where it is proved, and sums agree to the last share."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake.base import LakeError
from spine_assets.lake.local import LocalLake
from spine_assets.otc.captures import delivered as delivered_contents
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.state.freshness import Freshness
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.trace.model import Line, Trace
from spine_assets.otc.trace.source_lines import FileIs, TextIs
from spine_assets.otc.trace.suggestions import NothingTraced
from spine_assets.otc.trace.trace import trace
from spine_assets.warehouse.connection import connect
from spine_assets.warehouse.views import derived_views
from spine_assets_tests.conftest import (
    HEADER,
    NOW,
    PUBLISHED_TIER_1,
    REVISED,
    WEEK,
    House,
    delivered,
    line,
)

SAMPLE = Path(__file__).parents[3] / "data" / "sample"
REJECTS, CORRECTED = date(2025, 10, 3), date(2025, 10, 17)
OF_REJECTS = (
    "finra_otc_weekly_tier1_20251020.csv",
    "finra_otc_weekly_tier2_20251103.csv",
    "finra_otc_weekly_otc_20251103.csv",
)
FIRST, LATER = (
    "finra_otc_weekly_tier1_20251103.csv",
    "finra_otc_weekly_tier1_20251110_corrected.csv",
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Three weeks of the committed sample: with rejects, corrected, with non-ATS files."""
    made = House(tmp_path_factory.mktemp("sample"))
    for name in OF_REJECTS:
        made.drop(name, (SAMPLE / "first" / name).read_bytes())
    made.drop(FIRST, (SAMPLE / "first" / FIRST).read_bytes())
    for path in (SAMPLE / "first" / f"week_ending={WEEK}").rglob("*.csv.gz"):
        made.drop(str(path.relative_to(SAMPLE / "first")), path.read_bytes())
    for week in (REJECTS, CORRECTED, WEEK):
        made.built(week=week)
    made.drop(LATER, (SAMPLE / "later" / LATER).read_bytes())
    made.built(week=CORRECTED, now=NOW + timedelta(days=1))
    return made


def traced(
    house: House,
    symbol: str,
    week: date = WEEK,
    *,
    mpid: str | None = None,
    tier: Tier | None = None,
    landing: Path | None = None,
) -> Trace:
    return trace(house.lake, landing or house.landing, symbol, week, mpid, tier)


@contextmanager
def without_contents(house: House) -> Iterator[None]:
    """Take the delivered contents out of the lake, as captures were before they were kept."""
    kept = {
        file: file.read_bytes()
        for week in house.lake.names(delivered_contents.FOLDER, delivered_contents.SUFFIX)
        for file in house.lake.files(delivered_contents.FOLDER, week, delivered_contents.SUFFIX)
    }
    for file in kept:
        file.unlink()
    yield
    for file, content in kept.items():
        house.lake.append(house.lake.stage_bytes(content, file), file)


def one(found: Trace) -> Line:
    (only,) = found.lines
    return only


def test_a_line_leads_to_the_text_that_stands_in_the_file(sample: House) -> None:
    """Line 86 of the file, as `sed -n 86p` prints it."""
    found = one(traced(sample, "PMCY", REJECTS, mpid="BIDS"))
    text = (SAMPLE / "first" / found.source_file).read_text().split("\n")[found.source_line - 1]
    assert (found.source_file, found.source_line) == (OF_REJECTS[0], 86)
    assert found.raw_text == text
    assert text.startswith("NMS Tier 1|PMCY|")
    assert (found.raw_text_is, found.file_is) == (TextIs.AS_DELIVERED, FileIs.KEPT)
    with without_contents(sample):
        in_landing = one(traced(sample, "PMCY", REJECTS, mpid="BIDS"))
    assert in_landing == replace(found, file_is=FileIs.UNCHANGED)
    assert (found.counts, found.tier, found.venue_class) == (True, "NMS_TIER_1", "ATS")
    assert text.split("|")[4:7] == ["BIDS", str(int(found.share_volume)), str(found.trade_count)]


def test_a_line_leads_on_to_every_row_that_counts_it(sample: House) -> None:
    found = traced(sample, "PMCY", REJECTS, mpid="BIDS")
    shares = one(found).share_volume
    told = {item.table: item for item in found.contributions}
    assert list(told) == ["otc_symbol_summary", "otc_venue_volume", "otc_venue_share"]
    assert [item.shares for item in told.values()] == [shares] * 3
    assert all(item.agrees for item in told.values())
    assert told["otc_venue_volume"].key["mpid"] == "BIDS"
    with connect(sample.lake, TABLES) as views:
        asked = "SELECT total_volume, capture_id FROM otc_venue_share WHERE week_ending = ? "
        asked += "AND mpid = 'BIDS'"
        ((total, build),) = views.execute(asked, [REJECTS]).fetchall()
    share = told["otc_venue_share"]
    assert (share.value, share.capture_id) == (total, build)
    assert share.pct == pytest.approx(100 * float(shares) / float(total))


def test_a_corrected_week_shows_both_captures_and_both_sides_of_the_step(sample: House) -> None:
    found = traced(sample, "PMCY", CORRECTED, mpid="SGMT")
    assert [(item.counts, item.source_file) for item in found.lines] == [
        (True, LATER),
        (False, FIRST),
    ]
    assert found.lines[1].capture_counts.startswith("older: the current one")
    steps = [item for item in found.contributions if item.table == "otc_restatements"]
    assert [(item.figure, item.parts[0].line) for item in steps] == [
        ("shares_before", 1),
        ("shares_after", 0),
    ]
    assert {item.key["step"] for item in steps} == {1}
    assert all(item.agrees for item in found.sums)


def test_a_symbol_that_a_correction_dropped_feeds_the_step_alone(sample: House) -> None:
    found = traced(sample, "GV", CORRECTED)
    assert [item.counts for item in found.lines] == [False] * 4
    (step,) = found.contributions
    assert (step.figure, step.shares) == ("shares_before", Decimal(417_534))
    assert found.sums == ()


def test_a_gzipped_file_of_firms_is_read_in_its_own_order_of_columns(sample: House) -> None:
    found = traced(sample, "PMCY", mpid="DE_MINIMIS")
    assert one(found).raw_text_is is TextIs.AS_DELIVERED
    assert one(found).source_file.endswith("class=non_ats/otc_nonats_tier1.csv.gz")
    assert str(one(found).raw_text).startswith("T1|NMS Tier 1|PMCY|")
    assert "|De Minimis Firms|" in str(one(found).raw_text)
    firms = {item.mpid for item in traced(sample, "PMCY").lines}
    assert "CRD990217" in firms


def test_a_rule_reject_is_told_and_counted_in_nothing(sample: House) -> None:
    found = traced(sample, "ZMESY", REJECTS)
    good, negative = found.lines
    assert (good.counts, negative.counts, negative.reason) == (True, False, "NEGATIVE")
    (reject,) = found.rejects
    assert (reject.stage, reject.reason, reject.source_line) == (
        "rule",
        "NEGATIVE",
        negative.source_line,
    )
    assert {part.line for item in found.contributions for part in item.parts} == {0}
    assert traced(sample, "ZMESY", REJECTS, mpid="ARCA").rejects == (reject,)


@pytest.mark.parametrize(
    ("symbol", "reason"),
    [("FZURF", "NOT_A_NUMBER"), ("VHEHY", "BLANK_NUMBER"), ("", "BLANK_SYMBOL")],
)
def test_a_line_is_found_among_the_rejects_by_its_own_field(
    sample: House, symbol: str, reason: str
) -> None:
    found = traced(sample, symbol, REJECTS)
    assert [item.reason for item in found.rejects] == [reason]
    assert all(item.raw_line.split("|")[1] == symbol for item in found.rejects)


def test_a_symbol_that_only_a_name_holds_is_not_traced(house: House) -> None:
    house.drop("otc.csv", delivered(line("AAAA"), line("BBBB", shares="x", issue="AAAA Corp")))
    house.built()
    assert traced(house, "AAAA").rejects == ()
    only = traced(house, "BBBB")
    assert (only.lines, [item.reason for item in only.rejects]) == ((), ["NOT_A_NUMBER"])


@pytest.mark.parametrize(
    ("spoiled", "state"),
    [(None, FileIs.GONE), (b"another content\n", FileIs.CHANGED)],
)
def test_the_text_of_a_lost_file_is_rebuilt_only_where_its_hash_is_equal(
    sample: House, tmp_path: Path, spoiled: bytes | None, state: FileIs
) -> None:
    as_it_was = one(traced(sample, "PMCY", REJECTS, mpid="BIDS"))
    shutil.copytree(sample.landing, tmp_path / "landing")
    path = tmp_path / "landing" / as_it_was.source_file
    path.unlink()
    if spoiled is not None:
        path.write_bytes(spoiled)
    with without_contents(sample):
        found = one(traced(sample, "PMCY", REJECTS, mpid="BIDS", landing=tmp_path / "landing"))
    assert found.raw_text == as_it_was.raw_text
    assert (found.raw_text_is, found.file_is) == (TextIs.REBUILT, state)


@pytest.mark.parametrize(
    ("keep", "why"), [(False, TextIs.GONE), (True, TextIs.CHANGED)], ids=["gone", "changed"]
)
def test_a_text_that_cannot_be_proved_is_not_told(house: House, *, keep: bool, why: TextIs) -> None:
    """`007` is 7 in the table; nothing tells that there were zeros."""
    path = house.drop("otc.csv", delivered(line("AAAA", shares="007")))
    house.built()
    assert one(traced(house, "AAAA")).raw_text == line("AAAA", shares="007")
    if keep:
        path.write_bytes(delivered(line("AAAA", shares="7")))
    else:
        path.unlink()
    assert one(traced(house, "AAAA")).raw_text == line("AAAA", shares="007")
    with without_contents(house):
        found = one(traced(house, "AAAA"))
    assert (found.raw_text, found.raw_text_is) == (None, why)


def test_with_an_empty_landing_folder_every_line_has_its_delivered_text(house: House) -> None:
    path = house.drop("otc.csv", delivered(line(" AAAA ", shares="007"), line("AAAA", shares="x")))
    house.built()
    path.unlink()
    found = traced(house, "AAAA")
    assert one(found).raw_text == line(" AAAA ", shares="007")
    assert (one(found).raw_text_is, one(found).file_is) == (TextIs.AS_DELIVERED, FileIs.KEPT)
    assert [(item.raw_line, item.file_is) for item in found.rejects] == [
        (line("AAAA", shares="x"), FileIs.KEPT)
    ]


def test_a_damaged_content_is_an_error_and_no_text(house: House) -> None:
    house.drop("otc.csv", delivered(line("AAAA")))
    house.built()
    (file,) = house.lake.files(delivered_contents.FOLDER, WEEK, delivered_contents.SUFFIX)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(LakeError, match="cannot be read"):
        traced(house, "AAAA")


def test_a_file_with_a_mark_other_line_ends_and_blank_lines_is_read_by_its_lines(
    house: House,
) -> None:
    content = "\ufeff\r\n" + "\r\n".join([HEADER, line("AAAA"), "", line(" BBBB ", shares="5")])
    house.drop("otc.csv", content.encode())
    house.built()
    found = one(traced(house, "BBBB"))
    assert (found.source_line, found.raw_text) == (5, line(" BBBB ", shares="5"))
    assert found.raw_text_is is TextIs.AS_DELIVERED


def test_members_of_an_archive_are_told_apart_also_under_odd_names(house: House) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a!b.csv", delivered(line("AAAA")))
        tier_1 = line("AAAA", shares="9", tier="NMS Tier 1", updated=PUBLISHED_TIER_1)
        archive.writestr("t1.csv", delivered(tier_1))
    house.drop("week!.zip", packed.getvalue())
    house.built()
    found = traced(house, "AAAA")
    assert {(item.source_file, item.raw_text) for item in found.lines} == {
        ("week!.zip!a!b.csv", line("AAAA")),
        ("week!.zip!t1.csv", tier_1),
    }
    assert [item.tier for item in traced(house, "AAAA", tier=Tier.OTC).lines] == ["OTC"]


def test_a_stored_name_that_leads_out_of_the_landing_folder_is_not_followed(
    house: House, tmp_path: Path
) -> None:
    path = house.drop("otc.csv", delivered(line("AAAA")))
    house.built()
    path.rename(tmp_path / "elsewhere.csv")
    path.symlink_to(tmp_path / "elsewhere.csv")
    with without_contents(house):
        assert one(traced(house, "AAAA")).file_is is FileIs.GONE


def test_a_pin_that_is_not_built_yet_is_told_as_a_sum_that_differs(house: House) -> None:
    house.drop("first.csv", delivered(line("AAAA"), line("BBBB")))
    house.built()
    house.drop("later.csv", delivered(line("AAAA", shares="7", updated=REVISED), line("BBBB")))
    house.built(now=NOW + timedelta(days=1))
    first = next(i for i in captures.stored(house.lake, WEEK) if i.source_file == "first.csv")
    pins.add(house.lake, WEEK, first.key, first.capture_id, NOW + timedelta(days=2))
    found = traced(house, "AAAA")
    (told,) = found.sums
    assert (told.shares, told.total_volume, told.agrees) == (Decimal(100), Decimal(7), False)
    assert found.freshness["otc_venue_volume"] is Freshness.STALE
    assert [item.agrees for item in found.contributions if item.table == "otc_venue_volume"] == [
        False
    ]
    house.built(now=NOW + timedelta(days=3))
    again = traced(house, "AAAA")
    assert again.sums[0].agrees
    with connect(house.lake, TABLES) as views:
        asked = "SELECT capture_id FROM otc_trace('AAAA', ?) WHERE counts"
        assert views.execute(asked, [WEEK]).fetchall() == [(first.capture_id,)]


def test_the_lines_of_every_symbol_that_count_add_up_to_its_summary(sample: House) -> None:
    with connect(sample.lake, TABLES) as views:
        asked = "SELECT DISTINCT symbol FROM otc_raw WHERE week_ending = ?"
        symbols = [name for (name,) in views.execute(asked, [CORRECTED]).fetchall()]
    assert len(symbols) > 15
    lines = 0
    for name in symbols:
        found = traced(sample, name, CORRECTED)
        assert all(item.agrees for item in found.sums), name
        assert all(item.agrees is not False for item in found.contributions), name
        assert all(item.raw_text_is is TextIs.AS_DELIVERED for item in found.lines)
        lines += len(found.lines)
    assert lines == 121 + 119  # of the two captures of tier 1: docs/nothing-lost.md


@pytest.mark.parametrize(
    ("symbol", "week"),
    [("PMCY", WEEK), ("PMCY", CORRECTED), ("ZMESY", REJECTS), ("TBAPF", REJECTS), ("", REJECTS)],
)
def test_the_macros_tell_the_same(sample: House, symbol: str, week: date) -> None:
    found = traced(sample, symbol, week)
    with connect(sample.lake, TABLES) as views:
        back = views.execute(_BACK, [symbol, week]).fetchall()
        up = views.execute(_UP, [symbol, week]).fetchall()
    assert back == sorted(map(_as_sql, found.lines), key=lambda row: row[:2])
    assert {row[:4]: row[4] for row in up} == {
        (item.table, item.key.get("tier"), item.key.get("mpid"), item.value): (
            pytest.approx(item.pct)
        )
        for item in found.contributions
        if item.figure != "shares_before"
    }


_BACK = """
    SELECT capture_id, source_line, venue_class, mpid, share_volume, counts, reason
    FROM otc_trace(?, ?) ORDER BY 1, 2
"""
_UP = "SELECT table_name, tier, mpid, value, part_pct FROM otc_trace_up(?, ?)"


def _as_sql(item: Line) -> tuple[object, ...]:
    reason = item.reason if item.capture_counts.startswith(("current", "pinned")) else None
    return (
        item.capture_id,
        item.source_line,
        item.venue_class,
        item.mpid,
        item.share_volume,
        item.counts,
        reason,
    )


def test_two_issues_of_a_symbol_are_two_lines_of_one_row() -> None:
    """Such a row has the sum of its lines; each figure above it counts both."""
    with duckdb.connect(":memory:") as views:
        for table in (*TABLES, pins.TABLE):
            columns = ", ".join(f'"{c.name}" {c.type.value}' for c in table.columns)
            views.execute(f"CREATE TABLE {table.name} ({columns})")
        for statement in derived_views({table.name for table in (*TABLES, pins.TABLE)}):
            views.execute(statement)
        views.executemany(
            "INSERT INTO otc_raw (capture_id, week_ending, tier, symbol, issue_name, venue_name, "
            "mpid, venue_class, share_volume, last_update_date, captured_at, source_file, "
            "source_line) VALUES "
            f"('c', '{WEEK}', 'OTC', 'RNA', ?, 'LINK', 'OTCX', 'ATS', ?, '{WEEK}', '{WEEK}', "
            "'f', ?)",
            [("Old issuer", 30, 2), ("New issuer", 70, 3)],
        )
        views.execute(
            "INSERT INTO otc_venue_volume (week_ending, tier, symbol, venue_class, mpid, "
            f"share_volume) VALUES ('{WEEK}', 'OTC', 'RNA', 'ATS', 'OTCX', 100)"
        )
        for name in ("otc_symbol_summary", "otc_venue_share"):
            views.execute(f"INSERT INTO {name} (week_ending, total_volume) VALUES ('{WEEK}', 400)")
        views.execute("UPDATE otc_symbol_summary SET tier = 'OTC', symbol = 'RNA'")
        views.execute("UPDATE otc_venue_share SET venue_class = 'ATS', mpid = 'OTCX'")
        back = views.execute(
            "SELECT mpid, share_volume, counts FROM otc_trace('RNA', ?) ORDER BY source_line",
            [WEEK],
        )
        assert back.fetchall() == [("OTCX", 30, True), ("OTCX", 70, True)]
        up = views.execute("SELECT table_name, part_pct FROM otc_trace_up('RNA', ?)", [WEEK])
        assert dict(up.fetchall()) == {
            "otc_venue_volume": 100.0,
            "otc_symbol_summary": 25.0,
            "otc_venue_share": 25.0,
        }


def test_the_macros_open_the_files_of_the_week_alone(sample: House) -> None:
    with connect(sample.lake, TABLES) as views:
        for macro in ("otc_trace", "otc_trace_up"):
            asked = f"EXPLAIN ANALYZE FROM {macro}('PMCY', '{REJECTS}')"
            plan = views.execute(asked).fetchall()[0][1]
            read = [int(part.split()[0]) for part in plan.split("Total Files Read: ")[1:]]
            assert read
            assert max(read) <= len(OF_REJECTS) + 1  # rejects: a file a capture, and the rules'


class TestNothingThere:
    def said(self, house: House, *words: object, **options: object) -> str:
        with pytest.raises(NothingTraced) as found:
            traced(house, *words, **options)  # type: ignore[arg-type]
        return str(found.value)

    def test_another_case_is_named_before_anything_that_is_only_alike(self, house: House) -> None:
        house.drop("otc.csv", delivered(*map(line, ("ABRpD", "ABRPX"))))
        house.built()
        assert self.said(house, "abrpd") == (
            f"no line of week {WEEK} has the symbol 'abrpd'; case matters: ABRpD (OTC)"
        )
        assert "did you mean: ABRPX (OTC)" in self.said(house, "ABRQX")

    def test_weeks_that_have_it_are_named_the_nearest_first(self, sample: House) -> None:
        said = self.said(sample, "ZMESY", CORRECTED)
        assert said.endswith(f"ZMESY is in {REJECTS}, {WEEK}")

    def test_a_symbol_that_is_nowhere_is_said_to_be_in_no_week_around(self, sample: House) -> None:
        assert "nor has any captured week within 26 weeks of it" in self.said(sample, "Q1Q1Q1Q1")

    def test_a_week_that_is_not_captured_names_the_commands_that_load_it(
        self, sample: House, tmp_path: Path
    ) -> None:
        said = self.said(sample, "PMCY", date(2025, 11, 28))
        assert f"captured are {REJECTS} to {WEEK}" in said
        assert "spine backfill 2025-11-28" in said
        with pytest.raises(NothingTraced, match="no week is captured yet"):
            trace(LocalLake(tmp_path), tmp_path, "PMCY", WEEK)

    def test_a_venue_or_tier_without_it_names_those_that_have_it(self, sample: House) -> None:
        said = self.said(sample, "ZMESY", REJECTS, mpid="OTCX")
        assert said == (
            f"ZMESY has no line of OTCX in week {REJECTS}; it has lines of OTC: ARCA, OTCN; "
            "did you mean OTCN?"
        )
        said = self.said(sample, "PMCY", tier=Tier.OTC)
        assert said.startswith(f"PMCY has no line in OTC in week {WEEK}")
        assert "NMS_TIER_1: CRD990117" in said


def test_one_content_delivered_for_two_weeks_is_traced_in_each(house: House) -> None:
    content = delivered(line("AAAA", "", "5", name="X"))
    for week in (WEEK, WEEK - timedelta(weeks=1)):
        header = f"weekStartDate|{HEADER}"
        monday = week - timedelta(days=4)
        rows = [f"{monday}|{text}" for text in content.decode().splitlines()[1:]]
        house.drop(f"{week}.csv", delivered(*rows, header=header))
        house.built(week=week)
        found = one(traced(house, "AAAA", week))
        assert (found.mpid, found.venue_class) == ("FIRM:X", VenueClass.NON_ATS)
        assert found.raw_text == rows[0]
