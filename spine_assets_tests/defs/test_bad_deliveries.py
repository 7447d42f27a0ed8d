"""Deliveries that follow one another: again, cut, corrected, half written.

Most cases are a week of their own: their first files are built by one run and what came
later by a second.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier, publication_day
from spine_assets.otc.delivery import scan
from spine_assets_tests.conftest import line
from spine_assets_tests.support.projects import Outcome
from spine_assets_tests.support.sites import Figures, Reject, Site, Week, content, opened

_WRITER_PAUSE_SECONDS = 0.01  # far below the half second in which a file must rest
FIRST_FULL = date(2025, 8, 1)
FULL_WEEKS = tuple(FIRST_FULL + timedelta(weeks=at) for at in range(4))
FULL_ROWS = 40
HALF, CUT_NUMBER, CUT_DATE, UNENDED = (FIRST_FULL + timedelta(weeks=at) for at in range(4, 8))
SAME, RENAMED, TWICE, CORRECTED, LACKING, OLDER, SHORT = (
    FIRST_FULL + timedelta(weeks=at) for at in range(8, 15)
)
LAST_WEEK = SHORT
CORRECTION = "2026-01-06"  # no publication day, after the first publication of all these weeks
A, B, C = (("AAAA", "OTCX"), ("BBBB", "OTCX"), ("CCCC", "OTCX"))
# Rows that all files have, so that a correction that lacks a row is no part of a file.
OTHERS: Figures = {(f"A{n:03}", "OTCX"): (Decimal(1), 1) for n in range(12)}
FIRST: Figures = OTHERS | {A: (Decimal(100), 2), B: (Decimal(300), 3), C: (Decimal(50), 1)}


def rows(week: date, figures: Figures, updated: str | None = None) -> list[str]:
    """A line a figure, dated by default with the week's first publication."""
    day = updated or str(publication_day(week, Tier.OTC))
    return [
        line(symbol, mpid, str(shares), str(trades), updated=day)
        for (symbol, mpid), (shares, trades) in figures.items()
    ]


def full(week: date) -> bytes:
    """A file of the usual size, with figures of its own."""
    day = week.toordinal()
    figures = {(f"S{n:03}", "OTCX"): (Decimal(day + n), 1) for n in range(FULL_ROWS)}
    return content(*rows(week, figures))


def first(week: date) -> bytes:
    """The week as it first arrived: 15 rows, 462 shares."""
    return content(*rows(week, FIRST))


def name(week: date, mark: str = "") -> str:
    """Path of a week's file."""
    return f"week_ending={week}/otc{mark}.csv"


def cut(week: date, end: int) -> bytes:
    """The first file without its last bytes."""
    return first(week)[:-end]


def half_a_file() -> bytes:
    """A full file cut in half, in the middle of a line."""
    whole = full(HALF)
    half = whole[: len(whole) // 2 + len("OTC|S019|Alpha ")]
    assert not half.endswith(b"\n")
    return half


class Batch(NamedTuple):
    """The site after the run of first files, of later ones, and once more."""

    site: Site
    before: Outcome
    after: Outcome
    again: Outcome

    def first(self, week: date) -> Week:
        return self.site.week(week, self.before)

    def second(self, week: date) -> Week:
        return self.site.week(week, self.after)


CORRECTED_FIGURES: Figures = FIRST | {B: (Decimal("301.5"), 4)}
LACKING_FIGURES: Figures = {key: figure for key, figure in FIRST.items() if key != B}


@pytest.fixture(scope="module")
def batch(
    tmp_path_factory: pytest.TempPathFactory, code_location: dg.Definitions
) -> Iterator[Batch]:
    """First files, a run, later files, a run of all weeks, and one more run."""
    root = tmp_path_factory.mktemp("deliveries")
    with opened(root, code_location, forgets=True) as site:
        for week in FULL_WEEKS:
            site.drop(name(week), full(week))
        site.drop(name(HALF), half_a_file())
        site.drop(name(CUT_NUMBER), cut(CUT_NUMBER, len("0|1|2025-12-22\n")))
        site.drop(name(CUT_DATE), cut(CUT_DATE, 2))
        site.drop(name(UNENDED), cut(UNENDED, 1))
        for week in (SAME, RENAMED, TWICE, CORRECTED, LACKING):
            site.drop(name(week), first(week))
        site.drop(name(OLDER), content(*rows(OLDER, CORRECTED_FIGURES, CORRECTION)))
        site.drop(name(SHORT), full(SHORT))
        site.drop(name(TWICE, "-copy"), first(TWICE))
        before = site.runner.range(FIRST_FULL, LAST_WEEK)
        site.drop(name(SAME), first(SAME))
        site.drop(name(RENAMED, "-copy"), first(RENAMED))
        corrected = rows(CORRECTED, CORRECTED_FIGURES, CORRECTION)
        site.drop(name(CORRECTED, "-corrected"), content(*corrected))
        site.drop(name(LACKING, "-corrected"), content(*rows(LACKING, LACKING_FIGURES, CORRECTION)))
        site.drop(name(OLDER, "-late"), first(OLDER))
        site.drop(name(SHORT, "-corrected"), content(*rows(SHORT, FIRST, CORRECTION)))
        after = site.runner.range(SAME, LAST_WEEK)
        yield Batch(site, before, after, site.runner.range(SAME, LAST_WEEK))


def captures(site: Site, week: date) -> list[dict[str, str]]:
    """What `spine captures` says of a week, by name of the file."""
    told = site.spine("captures", "--week", str(week), "--json")
    assert told.exit_code == 0, told.output
    found: list[dict[str, str]] = json.loads(told.stdout)
    return sorted(found, key=lambda row: row["source_file"])


def counts(site: Site, week: date) -> dict[str, str]:
    """What each capture of a week is, by the last part of its name."""
    return {Path(row["source_file"]).stem: row["state"] for row in captures(site, week)}


def test_both_runs_succeed(batch: Batch) -> None:
    assert (batch.before.success, batch.after.success, batch.again.success) == (True, True, True)


# --- cut files


def test_a_file_cut_in_half_loads_what_it_holds_and_is_warned_of(batch: Batch) -> None:
    week, half = batch.first(HALF), half_a_file()
    held = {
        (cells[1], cells[4]): (Decimal(cells[5]), int(cells[6]))
        for cells in (text.split("|") for text in half.decode().splitlines()[1:-1])
    }
    assert 10 < len(held) < FULL_ROWS / 2
    week.assert_totals_are(held)
    assert [item.source_line for item in week.rejects] == [len(held) + 2]
    week.assert_nothing_is_lost(half)
    found = week.check("otc_raw", "delivery")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    told = week.findings()[name(HALF)]
    assert f"truncated_file: {len(held)} rows where recent weeks had about {FULL_ROWS}" in told


def test_full_weeks_are_not_called_cut(batch: Batch) -> None:
    for week in FULL_WEEKS:
        assert name(week) not in batch.first(week).findings()
        batch.first(week).assert_nothing_is_lost(full(week))


@pytest.mark.parametrize(
    ("week", "reason", "shares"),
    [(CUT_NUMBER, "FIELD_COUNT", None), (CUT_DATE, "BAD_DATE", Decimal(50))],
    ids=["in a number", "in a date"],
)
def test_a_last_line_that_is_cut_is_a_reject_and_warned_of(
    batch: Batch, week: date, reason: str, shares: Decimal | None
) -> None:
    delivered = (batch.site.project.landing / name(week)).read_bytes()
    seen = batch.first(week)
    seen.assert_totals_are(OTHERS | {A: FIRST[A], B: FIRST[B]})
    raw = delivered.decode().splitlines()[-1]
    assert seen.rejects == [Reject("parse", reason, 16, shares, raw)]
    seen.assert_nothing_is_lost(delivered)
    found = seen.check("otc_raw", "delivery")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "truncated_file" in seen.findings()[name(week)]


def test_a_last_line_that_only_lacks_its_end_is_whole(batch: Batch) -> None:
    week = batch.first(UNENDED)
    week.assert_totals_are(FIRST)
    assert week.rejects == []
    week.assert_nothing_is_lost(cut(UNENDED, 1))


# --- the same again


@pytest.mark.parametrize("week", [SAME, RENAMED, TWICE], ids=["name", "other name", "at once"])
def test_the_same_content_again_makes_no_capture_and_changes_nothing(
    batch: Batch, week: date
) -> None:
    seen = batch.second(week)
    seen.assert_totals_are(FIRST)
    seen.assert_nothing_is_lost(first(week))
    assert [row["source_file"] for row in captures(batch.site, week)] in (
        [name(week)],
        [name(week, "-copy")],
    )
    assert batch.after.fact("otc_raw", week, "unchanged") is True
    assert batch.after.version("otc_raw", week) == batch.before.version("otc_raw", week)


def test_the_same_content_under_another_name_is_recorded(batch: Batch) -> None:
    assert name(RENAMED, "-copy") in batch.second(RENAMED).facts()


def test_the_same_content_twice_in_one_run_is_recorded(batch: Batch) -> None:
    facts = batch.first(TWICE).facts()
    assert name(TWICE) in facts
    assert name(TWICE, "-copy") in facts


# --- corrections


@pytest.mark.parametrize(
    ("week", "figures"),
    [(CORRECTED, CORRECTED_FIGURES), (LACKING, LACKING_FIGURES)],
    ids=["with other figures", "that lacks a symbol"],
)
def test_a_corrected_file_becomes_current_and_the_old_one_stays_readable(
    batch: Batch, week: date, figures: Figures
) -> None:
    seen = batch.second(week)
    seen.assert_totals_are(figures)
    corrected = content(*rows(week, figures, CORRECTION))
    seen.assert_nothing_is_lost(first(week), corrected)
    assert counts(batch.site, week) == {"otc": "older", "otc-corrected": "current"}
    old = seen.rows(
        "symbol, mpid, share_volume, trade_count", "otc_raw", "source_file LIKE '%/otc.csv'"
    )
    assert old == [(*key, *numbers) for key, numbers in FIRST.items()]


def test_a_symbol_that_the_correction_lacks_is_gone_from_every_derived_table(batch: Batch) -> None:
    for table in ("otc_raw_current", "otc_venue_volume", "otc_symbol_summary"):
        symbols = batch.second(LACKING).rows("DISTINCT symbol", table)
        assert [name for (name,) in symbols][-2:] == ["AAAA", "CCCC"]
        assert len(symbols) == 14
    shares = batch.second(LACKING).rows("mpid, total_volume, symbol_count", "otc_venue_share")
    assert shares == [("OTCX", Decimal(162), 14)]


def test_a_file_that_is_older_than_the_current_one_is_kept_and_warned_of(batch: Batch) -> None:
    seen = batch.second(OLDER)
    seen.assert_totals_are(CORRECTED_FIGURES)
    assert counts(batch.site, OLDER) == {"otc": "current", "otc-late": "older"}
    told = seen.findings()[name(OLDER, "-late")]
    assert "capture_not_current" in told
    assert "spine captures use" in told


def test_a_correction_that_lacks_most_rows_waits_and_is_warned_of(batch: Batch) -> None:
    seen = batch.second(SHORT)
    assert len(seen.venues) == FULL_ROWS
    seen.assert_nothing_is_lost(full(SHORT), content(*rows(SHORT, FIRST, CORRECTION)))
    assert "capture_waiting" in seen.findings()[name(SHORT, "-corrected")]
    assert counts(batch.site, SHORT) == {"otc": "current", "otc-corrected": "waiting"}


# --- a file that is still being written


def test_a_file_that_is_still_being_written_is_left_alone_until_it_settles(
    tmp_path: Path, code_location: dg.Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "SETTLE_SECONDS", 0.5)
    week = LAST_WEEK
    with opened(tmp_path, code_location, forgets=True) as site:
        site.drop(name(week, "-tier1"), tier_1(week))
        path = site.drop(name(week), content())
        with written_on(path, week) as written:
            during = site.week(week, site.runner.week(week))
        assert during.outcome.success
        assert during.rows("DISTINCT tier", "otc_venue_volume") == [("NMS_TIER_1",)]
        assert "still being written" in during.findings()[name(week)]
        settled = site.week(week, site.runner.week(week))
        assert len(written) > 1
        assert len(settled.venues) == len(written) + 1
        settled.assert_nothing_is_lost(tier_1(week), path.read_bytes())


@contextmanager
def written_on(path: Path, week: date) -> Iterator[list[str]]:
    """A writer adds a line to a file every now and then, until the body is done."""
    written: list[str] = []
    done = threading.Event()

    def write() -> None:
        with path.open("a", encoding="utf-8") as stream:
            while not done.wait(_WRITER_PAUSE_SECONDS):
                text = rows(week, {(f"W{len(written)}", "OTCX"): (Decimal(1), 1)})[0]
                stream.write(f"{text}\n")
                stream.flush()
                written.append(text)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield written
    finally:
        done.set()
        writer.join()


def tier_1(week: date) -> bytes:
    """A whole file of another tier of the week, with a symbol that the other lacks."""
    day = str(publication_day(week, Tier.NMS_TIER_1))
    return content(line("S0", tier=Tier.NMS_TIER_1.description, updated=day))
