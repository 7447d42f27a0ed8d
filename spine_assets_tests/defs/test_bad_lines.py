"""Lines that cannot be right: each stands in a file between two good ones.

Every case is a file and a week of its own, and all weeks are one run of the job.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import dagster as dg
import pytest

from spine_assets.core.text import escaped
from spine_assets.core.weeks import Tier, publication_day
from spine_assets_tests.conftest import HEADER, PUBLISHED, line
from spine_assets_tests.support.projects import Outcome
from spine_assets_tests.support.sites import Figures, Reject, Site, Week, content, opened

LAST_WEEK = date(2025, 11, 21)  # the day of PUBLISHED is its publication day
FIRST_GOOD = line("GOOD.A", "OTCX", "100", "2")
LAST_GOOD = line("GOOD.B", "OTCN", "300.25", "3", name="OTCN OTC LINK NQB IDQS")
GOOD: Figures = {
    ("GOOD.A", "OTCX"): (Decimal(100), 2),
    ("GOOD.B", "OTCN"): (Decimal("300.25"), 3),
}
FIRST_ODD_LINE = 3  # after the header and a good line
LATER = "2025-12-29"


class Out(NamedTuple):
    """What becomes of an odd line: `raw` differs from the line where bytes are no text."""

    stage: str
    reason: str
    shares: str | None = None
    position: int = 0
    raw: str | None = None


class Case(NamedTuple):
    """Odd lines, those of their figures that load, and the lines that are rejected."""

    lines: tuple[str | bytes, ...]
    kept: Figures
    out: tuple[Out, ...]

    def delivered(self, week: date) -> bytes:
        """The file of a week: its good dates are the week's publication day."""
        whole = content(FIRST_GOOD, *self.lines, LAST_GOOD)
        return whole.replace(PUBLISHED.encode(), _published(week).encode())

    def rejects(self, week: date) -> list[Reject]:
        """What the week's file must leave in `otc_rejects`, by line."""
        return [
            Reject(
                item.stage,
                item.reason,
                FIRST_ODD_LINE + item.position,
                None if item.shares is None else Decimal(item.shares),
                (item.raw or _text(self.lines[item.position])).replace(PUBLISHED, _published(week)),
            )
            for item in self.out
        ]


def _published(week: date) -> str:
    return str(publication_day(week, Tier.OTC))


def _text(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode()


def turned_away(
    odd: str | bytes, stage: str, reason: str, shares: str | None = None, raw: str | None = None
) -> Case:
    """One line that becomes one reject."""
    return Case((odd,), {}, (Out(stage, reason, shares, 0, raw),))


def all_turned_away(odd: list[str], stage: str, reason: str, shares: str | None = None) -> Case:
    """Lines that become a reject each, for the same reason."""
    return Case(tuple(odd), {}, tuple(Out(stage, reason, shares, at) for at in range(len(odd))))


def loaded(odd: str, symbol: str, shares: str, trades: int = 2) -> Case:
    """One line of the venue OTCX that loads."""
    return Case((odd,), {(symbol, "OTCX"): (Decimal(shares), trades)}, ())


def shares(text: str) -> str:
    return line("ODD", shares=text)


def trades(text: str) -> str:
    return line("ODD", trades=text)


def dated(text: str) -> str:
    return line("ODD", updated=text)


LATIN_1 = line("ODD", issue="Société").encode("latin-1")
NO_DECIMALS = (
    *("abc", "6,753,871", "1e6", "+5", "NaN", "inf", "1_000", "0x10", "1 000", "1.", ".5"),
    *("$5", "5-", "--5", "٣"),
)
NO_DATES = ("", "12/22/2025", "2025-13-01", "2025-02-30", "20251222", "2025-12-2", "0000-01-01")
HOSTILE = (
    *("x'; DROP TABLE otc_raw; --", "../../etc/passwd", "[/red]", "[bold]", "[2J"),
    *("{symbol}%s$week?", "=1+1", "ÄÖ🦀", "\\N", "S" * 5_000),
)
INVISIBLE = ("A\0B", "A\x1b[2J", "ÄÖ\u202e🦀", "AA\u200bAA", "AA\u00a0AA")
MOST_SHARES = "1" + "0" * 12

CASES: dict[str, Case] = {
    # quantities
    "shares that are no plain decimal": all_turned_away(
        [shares(text) for text in NO_DECIMALS], "parse", "NOT_A_NUMBER"
    ),
    "shares blank": turned_away(shares(""), "parse", "BLANK_NUMBER"),
    "shares of spaces": turned_away(shares("  "), "parse", "BLANK_NUMBER"),
    "shares negative": turned_away(shares("-5"), "rule", "NEGATIVE", "-5"),
    "shares beyond any venue": all_turned_away(
        [shares("1" + "0" * 20)], "parse", "IMPLAUSIBLE", "1" + "0" * 20
    ),
    "shares of 22 nines": all_turned_away([shares("9" * 22)], "parse", "IMPLAUSIBLE", "9" * 22),
    "trades beyond any venue": turned_away(trades("1" + "0" * 11), "parse", "IMPLAUSIBLE", "100"),
    "shares of 23 digits": turned_away(shares("1" * 23), "parse", "OUT_OF_RANGE"),
    "shares of 7 decimals": turned_away(shares("1.0000001"), "parse", "TOO_PRECISE"),
    "trades abc": turned_away(trades("abc"), "parse", "NOT_A_NUMBER", "100"),
    "trades fractional": turned_away(trades("2.5"), "parse", "NOT_A_NUMBER", "100"),
    "trades blank": turned_away(trades(""), "parse", "BLANK_NUMBER", "100"),
    "trades negative": turned_away(trades("-3"), "rule", "NEGATIVE", "100"),
    "trades of 23 digits": turned_away(trades("1" * 23), "parse", "OUT_OF_RANGE", "100"),
    # quantities that are odd and right
    "shares fractional": loaded(shares("12.5"), "ODD", "12.5"),
    "shares of 6 decimals": loaded(shares("0.000001"), "ODD", "0.000001"),
    "shares with zeros at the end": loaded(shares("100.000000000"), "ODD", "100"),
    "shares as many as can be": loaded(shares(MOST_SHARES), "ODD", MOST_SHARES),
    "shares zero": loaded(line("ODD", shares="0", trades="0"), "ODD", "0", 0),
    "shares without trades": loaded(trades("0"), "ODD", "100", 0),
    # dates
    "dates that are none": all_turned_away(
        [dated(text) for text in NO_DATES], "parse", "BAD_DATE", "100"
    ),
    "date in the future": turned_away(dated("2199-01-01"), "parse", "FUTURE_DATE", "100"),
    # fields
    "too few fields": turned_away(line("ODD").rpartition("|")[0], "parse", "FIELD_COUNT"),
    "too many fields": turned_away(line("ODD") + "|x", "parse", "FIELD_COUNT"),
    "no separator": turned_away("total 400", "parse", "FIELD_COUNT"),
    # text
    "quote unbalanced in a name": loaded(line("ODD", issue='Al "pha Corp'), "ODD", "100"),
    "quote that opens a name": loaded(line("ODD", issue='"Alpha Corp'), "ODD", "100"),
    "quote that opens a line": turned_away(
        '"' + line("ODD").replace("OTC|", "OTC", 1), "parse", "FIELD_COUNT"
    ),
    "byte of Latin-1": turned_away(
        LATIN_1, "parse", "BAD_ENCODING", "100", LATIN_1.decode("utf-8", "backslashreplace")
    ),
    # identities
    "symbol and name blank": turned_away(line("", issue=""), "rule", "BLANK_SYMBOL", "100"),
    "MPID blank in an ATS file": Case(
        (line("ODD", ""), line("ODD", "null", "7")),
        {("ODD", "UNATTRIBUTED"): (Decimal(107), 4)},
        (),
    ),
    "no-break space around a symbol": loaded(line("\u00a0ODD\u00a0"), "ODD", "100"),
    "no-break space around an MPID": loaded(line("ODD", "\u00a0OTCX\u200b"), "ODD", "100"),
    "invisible characters in a symbol": all_turned_away(
        [line(text) for text in INVISIBLE], "parse", "ODD_CHARACTER", "100"
    ),
    "invisible characters in an MPID": all_turned_away(
        [line("ODD", text) for text in INVISIBLE], "parse", "ODD_CHARACTER", "100"
    ),
    "symbols of other case": Case(
        (line("ABRpD"), line("ABRPD", shares="7")),
        {("ABRpD", "OTCX"): (Decimal(100), 2), ("ABRPD", "OTCX"): (Decimal(7), 2)},
        (),
    ),
    # repeated keys
    "exact twin": Case(
        (line("ODD"), line("ODD")),
        {("ODD", "OTCX"): (Decimal(100), 2)},
        (Out("rule", "DUPLICATE_ROW", "100", 1),),
    ),
    "two issues of a symbol": Case(
        (
            line("ODD", shares="5000", issue="Big Corp"),
            line("ODD", shares="700", issue="Small Inc"),
        ),
        {("ODD", "OTCX"): (Decimal(5700), 4)},
        (),
    ),
    "two issues with equal figures": Case(
        (line("ODD", shares="700", issue="Big Corp"), line("ODD", shares="700", issue="Small Inc")),
        {("ODD", "OTCX"): (Decimal(1400), 4)},
        (),
    ),
    "two issues, the smaller updated later": Case(
        (
            line("ODD", shares="5000", issue="Big Corp"),
            line("ODD", shares="700", issue="Small Inc", updated=LATER),
        ),
        {("ODD", "OTCX"): (Decimal(5700), 4)},
        (),
    ),
    "twin and issue": Case(
        (line("ODD"), line("ODD"), line("ODD", shares="7")),
        {("ODD", "OTCX"): (Decimal(107), 4)},
        (Out("rule", "DUPLICATE_ROW", "100", 1),),
    ),
    # several defects in a line and several lines with defects
    "two defects in a line": turned_away(
        line("ODD", shares="abc", updated="x"), "parse", "NOT_A_NUMBER"
    ),
    "four defects in four lines": Case(
        (shares("abc"), line("ODD") + "|x", line(""), shares("-5")),
        {},
        (
            Out("parse", "NOT_A_NUMBER", None, 0),
            Out("parse", "FIELD_COUNT", None, 1),
            Out("rule", "BLANK_SYMBOL", "100", 2),
            Out("rule", "NEGATIVE", "-5", 3),
        ),
    ),
    "symbols and names that mean something elsewhere": Case(
        tuple(line(text, issue=text) for text in HOSTILE),
        {(text, "OTCX"): (Decimal(100), 2) for text in HOSTILE},
        (),
    ),
    "venues that mean something elsewhere": Case(
        tuple(line("ODD", text, name=text) for text in HOSTILE),
        {("ODD", text): (Decimal(100), 2) for text in HOSTILE},
        (),
    ),
}
WEEKS = {name: LAST_WEEK - timedelta(weeks=at) for at, name in enumerate(CASES)}


class Batch(NamedTuple):
    """The site of all cases after their run."""

    site: Site
    outcome: Outcome

    def week(self, name: str) -> Week:
        return self.site.week(WEEKS[name], self.outcome)


@pytest.fixture(scope="module")
def batch(
    tmp_path_factory: pytest.TempPathFactory, code_location: dg.Definitions
) -> Iterator[Batch]:
    """Every case in its week, built by one run."""
    with opened(tmp_path_factory.mktemp("lines"), code_location, forgets=True) as site:
        for name, week in WEEKS.items():
            site.drop(f"week_ending={week}/otc.csv", CASES[name].delivered(week))
        yield Batch(site, site.runner.range(min(WEEKS.values()), LAST_WEEK))


def test_the_run_succeeds(batch: Batch) -> None:
    assert batch.outcome.success
    assert batch.site.refusals() == {}


@pytest.mark.parametrize("name", CASES)
def test_good_lines_load_and_odd_ones_are_kept_as_rejects(batch: Batch, name: str) -> None:
    case, week = CASES[name], batch.week(name)
    assert week.is_built
    week.assert_totals_are({**GOOD, **case.kept})
    assert week.rejects == case.rejects(week.week)
    week.assert_nothing_is_lost(case.delivered(week.week))


@pytest.mark.parametrize("name", CASES)
def test_rejects_are_told_by_reason_and_their_part_of_the_file(batch: Batch, name: str) -> None:
    case, week = CASES[name], batch.week(name)
    found = week.check("otc_raw", "rejects")
    assert found.passed is (not case.out)
    for reason in {item.reason for item in case.out}:
        count = sum(item.reason == reason for item in case.out)
        assert f"{reason} x{count}" in week.said("otc_raw", "rejects")
        assert found.metadata[reason].value == count
    if case.out:
        assert found.severity is dg.AssetCheckSeverity.ERROR  # far above one line in a hundred
        sampled = week.sample("otc_raw", "rejects")
        assert sorted((row["source_line"], row["reason"], row["raw_line"]) for row in sampled) == [
            (item.source_line, item.reason, escaped(item.raw_line))
            for item in case.rejects(week.week)
        ]


def test_every_defect_of_a_line_stands_in_its_detail(batch: Batch) -> None:
    ((detail,),) = batch.week("two defects in a line").rows("detail", "otc_rejects")
    assert "totalWeeklyShareQuantity: NOT_A_NUMBER ('abc')" in detail
    assert "lastUpdateDate: BAD_DATE ('x')" in detail


@pytest.mark.parametrize("name", ["too few fields", "too many fields"])
def test_a_wrong_number_of_fields_is_told_with_both_numbers(batch: Batch, name: str) -> None:
    ((detail,),) = batch.week(name).rows("detail", "otc_rejects")
    delivered = _text(CASES[name].lines[0]).count("|") + 1
    assert f"{delivered} fields where the header has {HEADER.count('|') + 1}" in detail


@pytest.mark.parametrize(
    ("name", "told"),
    [("shares zero", "zero volume"), ("shares without trades", "volume without trades")],
)
def test_figures_that_are_possible_but_odd_are_warned_of(
    batch: Batch, name: str, told: str
) -> None:
    week = batch.week(name)
    found = week.check("otc_venue_volume", "volumes")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert f"1 rows of {told}" in week.said("otc_venue_volume", "volumes")


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("two issues")])
def test_issues_that_are_added_up_are_named(batch: Batch, name: str) -> None:
    week = batch.week(name)
    found = week.check("otc_venue_volume", "issues")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "ODD" in week.said("otc_venue_volume", "issues")
    ((issue, count),) = week.rows("issue_name, issue_count", "otc_venue_volume", "symbol = 'ODD'")
    assert (issue, count) == ("Big Corp", 2)
    assert batch.week("shares fractional").check("otc_venue_volume", "issues").passed


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("no-break")])
def test_what_is_trimmed_is_noted(batch: Batch, name: str) -> None:
    week = batch.week(name)
    found = week.check("otc_raw", "notes")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "ODD_CHARACTER" in week.said("otc_raw", "notes")
    ((note,),) = week.rows("notes", "otc_raw", "notes IS NOT NULL")
    assert note.startswith("ODD_CHARACTER ")


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("quote unbalanced")])
def test_a_quote_is_text_and_swallows_nothing(batch: Batch, name: str) -> None:
    ((issue,),) = batch.week(name).rows("issue_name", "otc_venue_volume", "symbol = 'ODD'")
    assert issue == 'Al "pha Corp'


def test_rejects_below_one_line_in_a_hundred_only_warn(
    tmp_path_factory: pytest.TempPathFactory, code_location: dg.Definitions
) -> None:
    good = [line(f"S{number}") for number in range(150)]
    delivered = content(*good, shares("abc"))
    with opened(tmp_path_factory.mktemp("few"), code_location) as site:
        site.drop("otc.csv", delivered)
        week = site.week(LAST_WEEK, site.runner.week(LAST_WEEK))
        found = week.check("otc_raw", "rejects")
        assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert len(week.venues) == len(good)
        week.assert_nothing_is_lost(delivered)
