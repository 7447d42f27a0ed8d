"""What was public on a day is told from dated rows, and what is not known is told as such."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from spine_assets.cli import main
from spine_assets.core.table_schema import polars_schema
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.past.as_of import NotKnown
from spine_assets.otc.past.as_published import (
    CaptureContent,
    PublishedPart,
    content,
    table_as_published,
)
from spine_assets.otc.tables.venue_volume import TABLE
from spine_assets_tests.conftest import (
    HEADER,
    NOW,
    PUBLISHED,
    PUBLISHED_TIER_1,
    REVISED,
    SHARES,
    VENUES,
    WEEK,
    House,
    delivered,
    line,
)
from spine_assets_tests.support.captures import capture

FIRST_DAY = date.fromisoformat(PUBLISHED)
SYMBOLS = ("AAAA", "BBBB", "CCCC", "DDDD")
Row = tuple[int, date, date]  # shares, last update, first publication
Content = dict[str, Row]


def version(content_of: Content, number: int, *, dated: bool) -> CaptureContent:
    """A capture of that content; later numbers were captured later."""
    made = capture(
        f"c{number}",
        sha256=f"{number:064}",
        captured_at=NOW.replace(tzinfo=None) + timedelta(days=number),
        last_update_date=max(updated for _, updated, _ in content_of.values()),
        rows=len(content_of),
    )
    rows = pl.DataFrame(
        [
            {
                "week_ending": WEEK,
                "tier": "OTC",
                "symbol": symbol,
                "venue_class": "ATS",
                "mpid": "OTCX",
                "venue_name": "",
                "issue_name": "",
                "share_volume": Decimal(shares),
                "trade_count": 1,
                "avg_trade_size": float(shares),
                "last_update_date": updated,
                "record_hash": f"{shares}",
                "capture_id": f"c{number}",
                "initial_published_date": first if dated else None,
            }
            for symbol, (shares, updated, first) in content_of.items()
        ],
        schema={**polars_schema(TABLE), "initial_published_date": pl.Date()},
        orient="row",
    )
    return CaptureContent(made, rows)


def known(part: PublishedPart) -> dict[str, int]:
    """Shares of the rows that are known."""
    rows = part.rows.filter("is_known")
    return {symbol: int(shares) for symbol, shares in rows["symbol", "share_volume"].iter_rows()}


def unknown(part: PublishedPart) -> set[str]:
    return {*part.rows.filter(~pl.col("is_known"))["symbol"]}


# --- a history of publications, some of them captured

change = st.dictionaries(
    st.sampled_from(SYMBOLS), st.none() | st.integers(min_value=0, max_value=9), min_size=1
)
histories = st.lists(st.tuples(st.integers(1, 5), change), max_size=5)


def publications(
    changes: list[tuple[int, dict[str, int | None]]], *, stamped: bool = False
) -> list[tuple[date, Content]]:
    """What was public from each day on; None takes a symbol away. One row never changes.

    A symbol that comes back keeps the day on which it was first public: a later file could not tell
    otherwise that it was public before.

    Stamped: one row changes each time, so that also taking away leaves a date.
    """
    now: Content = {"ZZZZ": (1, FIRST_DAY, FIRST_DAY)}
    first: dict[str, date] = {}
    found, day = [(FIRST_DAY, now)], FIRST_DAY
    for days, changed in changes:
        day += timedelta(days=days)
        now = dict(now)
        for symbol, shares in changed.items():
            now.pop(symbol, None)
            if shares is not None:
                now[symbol] = (shares, day, first.setdefault(symbol, day))
        if stamped:
            now["STAMP"] = (len(found), day, FIRST_DAY)
        found.append((day, now))
    return found


def public_on(history: list[tuple[date, Content]], day: date) -> dict[str, int]:
    held = [content_of for since, content_of in history if since <= day]
    return {symbol: shares for symbol, (shares, _, _) in (held[-1] if held else {}).items()}


@given(histories, st.integers(0, 30), st.booleans())
@settings(deadline=None)
def test_of_a_history_that_was_captured_whole_every_day_is_known(
    changes: list[tuple[int, dict[str, int | None]]], days: int, dated: bool
) -> None:
    history = publications(changes, stamped=True)
    made = [version(what, number, dated=dated) for number, (_, what) in enumerate(history)]
    day = FIRST_DAY + timedelta(days=days)
    part = content(made, day)
    assert (known(part), part.not_known_rows) == (public_on(history, day), 0)
    assert part.is_captured


@given(histories, st.integers(-2, 30), st.booleans(), st.data())
@settings(deadline=None)
def test_what_is_told_from_a_later_capture_was_so_and_the_rest_is_counted(
    changes: list[tuple[int, dict[str, int | None]]], days: int, dated: bool, data: st.DataObject
) -> None:
    history = publications(changes)
    picked = data.draw(st.sets(st.integers(0, len(history) - 1), min_size=1))
    made = [version(history[number][1], number, dated=dated) for number in sorted(picked)]
    day = FIRST_DAY + timedelta(days=days)
    part = content(made, day)
    assert part.rows.height == len(known(part)) + part.not_known_rows
    assert part.not_known_rows == len(unknown(part))
    assert part.rows.filter(~pl.col("is_known"))["share_volume"].null_count() == len(unknown(part))
    if not part.is_captured:
        truth = public_on(history, day)
        assert known(part).items() <= truth.items()
        source = next(item for item in made if item.capture == part.capture)
        later = {*source.rows["symbol"]}
        assert {*truth} & later <= {*known(part), *unknown(part)}
        if dated:
            assert part.not_public_rows == len(later - {*known(part)} - unknown(part))
            assert not part.by_calendar


# --- by hand


DAYS = [FIRST_DAY + timedelta(days=n) for n in range(10)]


def test_rows_updated_since_are_told_without_figures() -> None:
    later = {
        "KEPT": (1, DAYS[0], DAYS[0]),
        "MORE": (2, DAYS[5], DAYS[0]),
        "NEWS": (3, DAYS[5], DAYS[5]),
    }
    part = content([version(later, 1, dated=True)], DAYS[2])
    assert (known(part), unknown(part), part.not_public_rows) == ({"KEPT": 1}, {"MORE"}, 1)
    row = part.rows.row(by_predicate=pl.col("symbol") == "MORE", named=True)
    assert [row[name] for name in ("share_volume", "trade_count", "record_hash")] == [None] * 3
    assert (row["last_update_date"], row["capture_id"]) == (DAYS[5], "c1")
    assert not part.by_calendar


def test_without_dates_of_first_publication_the_calendar_decides() -> None:
    later = {"KEPT": (1, DAYS[0], DAYS[0]), "NEWS": (3, DAYS[5], DAYS[5])}
    undated = version(later, 1, dated=False)
    part = content([undated], DAYS[2])
    assert (known(part), unknown(part), part.by_calendar) == ({"KEPT": 1}, {"NEWS"}, True)
    before = content([undated], DAYS[0] - timedelta(days=1))
    assert (before.rows.height, before.not_public_rows) == (0, 2)


def test_a_publication_between_two_captures_makes_the_earlier_one_no_witness() -> None:
    held = dict.fromkeys(("KEPT", "GONE", "MORE", "TWICE"), (1, DAYS[0], DAYS[0]))
    later = {
        "KEPT": (1, DAYS[0], DAYS[0]),
        "MORE": (5, DAYS[3], DAYS[0]),
        "TWICE": (7, DAYS[6], DAYS[0]),
        "NEWS": (9, DAYS[6], DAYS[6]),
    }
    both = [version(held, 1, dated=True), version(later, 2, dated=True)]
    part = content(both, DAYS[4])
    assert known(part) == {"KEPT": 1, "MORE": 5}
    assert unknown(part) == {"GONE", "TWICE"}
    assert not part.is_captured
    before = content(both, DAYS[2])
    assert (known(before), unknown(before)) == (dict.fromkeys(held, 1), set())


def test_a_later_capture_of_the_same_dates_counts_whenever_it_came() -> None:
    one, two = ({"A": (shares, DAYS[0], DAYS[0])} for shares in (1, 2))
    made = [version(one, 1, dated=False), version(two, 2, dated=False)]
    assert known(content(made[::-1], DAYS[0])) == {"A": 2}


# --- the week in a lake


@pytest.fixture
def corrected(house: House) -> House:
    """Tier 1 is corrected on the eleventh; OTC comes later; a pin says otherwise."""
    rows = [line("AAAA", tier="NMS Tier 1", updated=PUBLISHED_TIER_1)]
    gone = line("GONE", tier="NMS Tier 1", updated=PUBLISHED_TIER_1)
    house.drop("tier1.csv", delivered(*rows, gone))
    house.built()
    more = line("BBBB", shares="7", tier="NMS Tier 1", updated="2025-12-11")
    house.drop("tier1-later.csv", delivered(*rows, more))
    house.drop("otc.csv", delivered(line("AAAA"), line("", shares="3")))
    house.built(now=NOW + timedelta(days=1))
    (first, *_) = captures.stored(house.lake, WEEK)
    pins.add(house.lake, WEEK, first.key, first.capture_id, NOW + timedelta(days=2))
    return house


def told(house: House, day: str) -> list[tuple[str, str]]:
    found = table_as_published(house.lake, VENUES, WEEK, date.fromisoformat(day))
    assert found.not_known_rows == 0
    return found.rows.select("tier", "symbol").rows()


def test_a_day_is_told_by_finras_dates_whatever_was_captured_when_and_pinned(
    corrected: House,
) -> None:
    t1, otc = "NMS_TIER_1", "OTC"
    assert told(corrected, "2025-12-10") == [(t1, "AAAA"), (t1, "GONE")]
    assert told(corrected, "2025-12-11") == [(t1, "AAAA"), (t1, "BBBB")]
    assert told(corrected, PUBLISHED) == [(t1, "AAAA"), (otc, "AAAA"), (t1, "BBBB")]


def test_before_the_first_publication_the_error_says_when_it_was(corrected: House) -> None:
    with pytest.raises(NotKnown, match=f"NMS_TIER_1 is published on {PUBLISHED_TIER_1}"):
        told(corrected, "2025-12-07")


def test_of_a_week_that_never_came_nothing_is_told(house: House) -> None:
    with pytest.raises(NotKnown, match="nothing of week 2025-11-21 is captured"):
        told(house, PUBLISHED)


class TestExport:
    @pytest.fixture(autouse=True)
    def here(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of the week only a corrected file was captured, with a date of first publication."""
        header = f"{HEADER}|initialPublishedDate"
        rows = [
            *(f"{line(name, shares='5')}|{PUBLISHED}" for name in ("KEPT", "SAME", "STAYS")),
            f"{line('MORE', updated='2025-12-29')}|{PUBLISHED}",
            f"{line('NEWS', updated='2025-12-29')}|{REVISED}",
        ]
        house.drop("otc.csv", delivered(*rows, header=header))
        house.built()
        monkeypatch.setenv("SPINE_DATA_DIR", str(house.root))

    def export(self, *words: str, table: str = VENUES) -> Result:
        wanted = ["export", "--table", table, "--week", str(WEEK), "--published", *words]
        return CliRunner().invoke(main, wanted)

    def test_rows_that_are_not_known_have_a_flag_and_no_figures(self) -> None:
        done = self.export("2025-12-23", "--format", "json")
        rows = {row["symbol"]: row for row in json.loads(done.stdout)}
        assert {symbol: row["share_volume"] for symbol, row in rows.items()} == {
            **dict.fromkeys(("KEPT", "SAME", "STAYS"), 5),
            "MORE": None,
        }
        assert [name for name, row in rows.items() if not row["is_known"]] == ["MORE"]
        assert "1 of 4 rows are not known" in done.stderr
        assert "1 more were published later" in done.stderr

    def test_programs_are_told_the_count(self, tmp_path: Path) -> None:
        out = tmp_path / "then.csv"
        found = json.loads(self.export("2025-12-23", "--out", str(out), "--json").stdout)
        assert (found["published"], found["rows"], found["not_known_rows"]) == ("2025-12-23", 4, 1)
        (part,) = found["parts"]
        assert (part["tier"], part["not_public_rows"], part["by_calendar"]) == ("OTC", 1, False)
        assert out.read_text("utf-8").splitlines()[0].endswith(",capture_id,build_id,is_known")

    def test_totals_are_given_where_all_is_known_and_refused_otherwise(self) -> None:
        assert "100.0,100.0,1" in self.export(REVISED, table=SHARES).stdout
        done = self.export("2025-12-23", table=SHARES)
        assert done.exit_code == 1
        assert "1 rows of week 2025-11-21 were updated after 2025-12-23" in done.output

    @pytest.mark.parametrize(
        ("words", "table", "said"),
        [
            (("2999-01-01",), VENUES, "is in the future"),
            (("yesterday",), VENUES, "is not a day"),
            (("2025-12-21",), VENUES, "nothing of week 2025-11-21 was public on 2025-12-21"),
            ((REVISED, "--as-of", "2026-01-21"), VENUES, "give one of them"),
            ((REVISED,), "otc_rejects", "not otc_rejects"),
        ],
    )
    def test_what_cannot_be_answered_is_refused(
        self, words: tuple[str, ...], table: str, said: str
    ) -> None:
        done = self.export(*words, table=table)
        assert done.exit_code != 0
        assert said in done.output


class TestSeveralIssuesOfOneRow:
    """Two issues of a symbol at one venue are one row, public since the first of them is."""

    @pytest.fixture(autouse=True)
    def here(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        issues = [
            f"{line('AAAA', shares='100')}|{PUBLISHED}",
            f"{line('AAAA', shares='60', issue='Beta Corp', updated=REVISED)}|{REVISED}",
        ]
        others = [f"{line('BBBB', updated=REVISED)}|{REVISED}", f"{line('CCCC')}|{PUBLISHED}"]
        header = f"{HEADER}|initialPublishedDate"
        house.drop("otc.csv", delivered(*issues, *others, header=header))
        house.built()
        monkeypatch.setenv("SPINE_DATA_DIR", str(house.root))

    def exported(self, day: str) -> dict[str, tuple[int | None, int, bool]]:
        """Shares, issues and whether they are known, by symbol."""
        words = ["export", "--table", VENUES, "--week", str(WEEK), "--published", day]
        done = CliRunner().invoke(main, [*words, "--format", "json"])
        assert done.exit_code == 0, done.output
        return {
            row["symbol"]: (row["share_volume"], row["issue_count"], row["is_known"])
            for row in json.loads(done.stdout)
        }

    def test_the_day_of_the_latest_issue_has_their_sum(self) -> None:
        assert self.exported(REVISED) == {
            "AAAA": (160, 2, True),
            "BBBB": (100, 1, True),
            "CCCC": (100, 1, True),
        }

    def test_an_earlier_day_has_the_row_without_figures_as_one_issue_was_public(self) -> None:
        assert self.exported("2025-12-23") == {"AAAA": (None, 2, False), "CCCC": (100, 1, True)}


class TestTheExampleOfThePage:
    """What docs/nothing-lost.md says of the committed sample."""

    SAMPLE = Path(__file__).parents[3] / "data/sample"
    FIRST, LATER = (
        "first/finra_otc_weekly_tier1_20251103.csv",
        "later/finra_otc_weekly_tier1_20251110_corrected.csv",
    )
    SAMPLE_WEEK = date(2025, 10, 17)

    def counted(self, house: House, day: str, *files: str) -> tuple[int, int]:
        for file in files:
            house.drop(Path(file).name, (self.SAMPLE / file).read_bytes())
        house.built(week=self.SAMPLE_WEEK)
        lake = house.lake
        found = table_as_published(lake, VENUES, self.SAMPLE_WEEK, date.fromisoformat(day))
        return found.rows.height, found.not_known_rows

    def test_both_files_tell_the_day_before_and_the_day_of_the_correction(
        self, house: House
    ) -> None:
        assert self.counted(house, "2025-11-05", self.FIRST, self.LATER) == (121, 0)
        assert self.counted(house, "2025-11-10") == (119, 0)

    def test_the_corrected_file_alone_tells_what_it_cannot_know(self, house: House) -> None:
        assert self.counted(house, "2025-11-05", self.LATER) == (113 + 6, 6)
