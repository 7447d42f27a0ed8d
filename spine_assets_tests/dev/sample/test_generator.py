"""The generator: reproducible, and of the real data's shape."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from statistics import median

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.core.weeks import Tier, VenueClass, WeekError, publication_day, weeks_between
from spine_assets.dev import sample
from spine_assets.dev.sample import rare_lines
from spine_assets.dev.sample.market import market_of
from spine_assets.dev.sample.names import (
    DE_MINIMIS,
    MAX_SLOTS,
    issue_name_of,
    reassigned_name_of,
    symbol_of,
)

from . import SMALL, WEEK, fields_of, text_of

NAMINGS = (issue_name_of, reassigned_name_of)
LABOR_DAY_WEEK, WEEK_AFTER = date(2025, 9, 5), date(2025, 9, 12)
SHARES, TRADES = "totalWeeklyShareQuantity", "totalWeeklyTradeCount"


def frame_of(file: sample.SampleFile) -> pl.DataFrame:
    rows = io.StringIO(text_of(file.content))
    frame = pl.read_csv(rows, separator="|", quote_char=None, infer_schema_length=0)
    return frame.fill_null("").with_columns(
        pl.col(SHARES).cast(pl.Float64).cast(pl.Int64),
        pl.col(TRADES).cast(pl.Int64),
        week=pl.lit(file.week_ending),
        tier=pl.lit(file.tier.value),
        venue_class=pl.lit(file.venue_class.value),
        venue=pl.col("MPID").fill_null("") + pl.col("marketParticipantName"),
    )


def frames_of(files: Iterable[sample.SampleFile]) -> pl.DataFrame:
    return pl.concat([frame_of(file) for file in files], how="diagonal")


@pytest.fixture(scope="module")
def full_week() -> pl.DataFrame:
    return frames_of(sample.generate_week(WEEK, include_non_ats=True))


@pytest.fixture(scope="module")
def clean_sample() -> pl.DataFrame:
    """The committed weeks as generated, before defects are put in."""
    weeks = sample.COMMITTED_WEEKS
    return frames_of(file for week in weeks for file in sample.committed_week(week))


# --- reproducible -----------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_also_with_nothing_remembered() -> None:
    once = list(sample.generate_week(WEEK, seed=7, rows=SMALL, include_non_ats=True))
    market_of.cache_clear()
    assert list(sample.generate_week(WEEK, seed=7, rows=SMALL, include_non_ats=True)) == once
    assert len(once) == len(Tier) * len(VenueClass)


def test_another_seed_or_week_gives_other_volumes() -> None:
    contents = {
        file.content
        for seed, week in ((7, WEEK), (8, WEEK), (7, WEEK_AFTER))
        for file in sample.generate_week(week, seed=seed, rows=SMALL)
    }
    assert len(contents) == 3 * len(Tier)


def test_a_week_does_not_depend_on_the_other_weeks_written(tmp_path: Path) -> None:
    weeks = weeks_between(date(2025, 10, 3), WEEK)
    written = sample.write_sample(tmp_path, weeks, seed=7, rows_per_week=SMALL, workers=3)
    alone = {f.path: f.content for f in sample.generate_week(WEEK, seed=7, rows=SMALL)}
    assert {name: (tmp_path / name).read_bytes() for name in alone} == alone
    assert sorted(written) == sorted(tmp_path.rglob("*"))  # and no half-written file is left
    assert len(written) == len(weeks) * len(Tier)


def test_each_week_is_told_once_it_is_written(tmp_path: Path) -> None:
    weeks, held = weeks_between(date(2025, 10, 31), WEEK), []
    sample.write_sample(
        tmp_path,
        weeks,
        rows_per_week=SMALL,
        workers=1,
        after_week=lambda: held.append(
            sum(all((tmp_path / sample.ats_name(w, t)).exists() for t in Tier) for w in weeks)
        ),
    )
    assert len(held) == len(weeks)
    assert all(found >= told for told, found in enumerate(held, start=1))


def test_no_weeks_write_no_files(tmp_path: Path) -> None:
    assert sample.write_sample(tmp_path, []) == []


# --- files and dates --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("week_ending", "tier", "name"),
    [
        (date(2025, 12, 12), Tier.NMS_TIER_1, "finra_otc_weekly_tier1_20251229.csv"),
        (date(2023, 12, 15), Tier.NMS_TIER_1, "finra_otc_weekly_tier1_20240102.csv"),
        (date(2023, 8, 18), Tier.NMS_TIER_1, "finra_otc_weekly_tier1_20230905.csv"),
        (date(2019, 11, 1), Tier.NMS_TIER_2, "finra_otc_weekly_tier2_20191202.csv"),
        (date(2025, 11, 21), Tier.OTC, "finra_otc_weekly_otc_20251222.csv"),
    ],
)
def test_a_file_is_named_and_dated_by_its_publication(
    week_ending: date, tier: Tier, name: str
) -> None:
    (file,) = sample.generate_week(week_ending, rows=SMALL, tiers=[tier])
    assert file.path == name
    days = {row[-1] for row in fields_of(file.content)[1:]}
    assert days == {str(publication_day(week_ending, tier))}


def test_non_ats_files_name_firms_by_crd_and_pool_the_small_ones() -> None:
    files = sample.generate_week(WEEK, rows=SMALL, include_non_ats=True)
    for file in [file for file in files if file.venue_class is VenueClass.NON_ATS]:
        frame = frame_of(file)
        assert frame["MPID"].unique().to_list() == [""]
        assert frame["summaryTypeCode"].unique().to_list() == ["OTC_W_SMBL_FIRM"]
        assert frame["weekStartDate"].unique().to_list() == ["2025-11-17"]
        bucket = pl.col("marketParticipantName") == DE_MINIMIS.name
        assert frame.filter((pl.col("firmCRDNumber") == "0") != bucket).is_empty()
        in_bucket = frame.filter(bucket)["issueSymbolIdentifier"].n_unique()
        assert 0.5 < in_bucket / frame["issueSymbolIdentifier"].n_unique() < 0.95


# --- the shape of the data --------------------------------------------------------------


def test_a_full_week_has_the_rows_asked_for(full_week: pl.DataFrame) -> None:
    ats = full_week.filter(venue_class="ATS")
    assert ats.height == pytest.approx(sample.ROWS_PER_WEEK, rel=0.03)
    otc = ats.filter(tier="OTC")
    assert 4_600 < otc.height < 5_400
    assert 2_700 < otc["issueSymbolIdentifier"].n_unique() < 3_200


def test_the_top_ten_otc_symbols_and_single_venue_symbols_are_as_in_real_weeks(
    full_week: pl.DataFrame, clean_sample: pl.DataFrame
) -> None:
    for frame in (full_week, clean_sample.filter(week=WEEK)):
        otc = frame.filter(tier="OTC", venue_class="ATS")
        symbols = otc.group_by("issueSymbolIdentifier").agg(pl.col(SHARES).sum(), venues=pl.len())
        volumes = symbols[SHARES].sort(descending=True).to_list()
        assert 0.50 < sum(volumes[:10]) / sum(volumes) < 0.68
        assert 0.43 < (symbols["venues"] == 1).sum() / symbols.height < 0.60


@pytest.mark.parametrize(
    ("tier", "shares_pct"),
    [
        ("OTC", {"OTCN": 82, "OTCX": 14, "ARCA": 3, "SWCL": 0.3}),
        ("NMS_TIER_1", {"UBSA": 15, "INCR": 14, "SGMT": 13, "JPMX": 8, "EBXL": 6, "ITGP": 2}),
        ("NMS_TIER_2", {"UBSA": 15, "INCR": 14, "SGMT": 13, "MLIX": 7, "LATS": 5, "BIDS": 3}),
    ],
)
def test_venues_have_about_their_real_shares(
    tier: str, shares_pct: dict[str, float], full_week: pl.DataFrame, clean_sample: pl.DataFrame
) -> None:
    for frame, tolerance in ((full_week, 0.1), (clean_sample, 0.25)):
        volumes = frame.filter(tier=tier, venue_class="ATS").group_by("MPID").agg(pl.sum(SHARES))
        part_pct = pl.col(SHARES) / pl.sum(SHARES) * 100
        found = dict(volumes.select("MPID", part_pct).iter_rows())
        for mpid, share_pct in shares_pct.items():
            assert found[mpid] == pytest.approx(share_pct, rel=tolerance), mpid


def test_rows_and_trades_are_of_real_sizes(full_week: pl.DataFrame) -> None:
    for (tier,), frame in full_week.filter(venue_class="ATS").group_by("tier"):
        shares, trades = frame[SHARES].to_list(), frame[TRADES].to_list()
        sizes = [s / t for s, t in zip(shares, trades, strict=True)]
        assert 150 < median(sizes) < 320, tier
        assert all(1 <= t <= s for s, t in zip(shares, trades, strict=True))
        if tier == "OTC":
            assert min(shares) == 1
            assert 2_500 < median(shares) < 7_000


def test_a_holiday_week_has_clearly_fewer_trades(clean_sample: pl.DataFrame) -> None:
    trades = clean_sample.group_by("tier", "week").agg(pl.sum(TRADES))
    for tier in Tier:
        of_week = dict(trades.filter(tier=tier.value).select("week", TRADES).iter_rows())
        assert 0.5 < of_week[LABOR_DAY_WEEK] / of_week[WEEK_AFTER] < 0.75


def test_weeks_swing_without_tripping_the_continuity_limits(clean_sample: pl.DataFrame) -> None:
    """Limits of the checks: volume 50%, venues 20% fewer, a venue's share 10 points."""
    group = ["tier", "venue_class"]
    pool = pl.col("venue").replace("De Minimis Firm", DE_MINIMIS.name)
    named = clean_sample.with_columns(venue=pool).filter(pl.col("venue") != "")
    weeks = named.group_by(*group, "week").agg(pl.sum(SHARES), pl.n_unique("venue"))
    before = pl.col(SHARES).shift().over(group, order_by="week")
    swings = weeks.select((pl.col(SHARES) / before - 1).abs())[SHARES].drop_nulls()
    assert swings.filter(swings >= 0.5).is_empty()
    assert swings.filter(swings > 0.01).len() > swings.len() / 2
    assert weeks.group_by(group).agg(pl.n_unique("venue"))["venue"].unique().to_list() == [1]

    venues = named.group_by(*group, "week", "venue").agg(pl.sum(SHARES))
    parts = venues.with_columns(pl.col(SHARES) / pl.sum(SHARES).over(*group, "week") * 100)
    move = pl.col(SHARES).diff().over(*group, "venue", order_by="week").abs()
    moves = parts.select(move)[SHARES].drop_nulls()
    assert moves.filter(moves >= 10).is_empty()
    assert not moves.filter(moves > 0.5).is_empty()


def test_symbols_come_and_go_but_most_stay() -> None:
    listed = [
        set(frame_of(next(sample.generate_week(week, rows=20_000)))["issueSymbolIdentifier"])
        for week in (date(2025, 8, 29), WEEK)
    ]
    stayed = len(listed[0] & listed[1])
    assert 0.85 < stayed / len(listed[0] | listed[1]) < 1.0


@given(tier=st.sampled_from(Tier), slots=st.sets(st.integers(0, MAX_SLOTS - 1), min_size=50))
def test_symbols_are_unique_and_names_fit_a_pipe_delimited_line(
    tier: Tier, slots: set[int]
) -> None:
    assert len({symbol_of(tier, slot) for slot in slots}) == len(slots)
    for name in (naming(tier, slot) for slot in slots for naming in NAMINGS):
        assert 3 <= len(name) <= 201
        assert name.isascii()
        assert name.isprintable()
        assert "|" not in name


# --- what few weeks have ----------------------------------------------------------------

YEAR = weeks_between(date(2024, 11, 29), WEEK)
KEY = ["week", "tier", "venue_class", "issueSymbolIdentifier", "venue"]


@pytest.fixture(scope="module")
def year() -> pl.DataFrame:
    """52 weeks of three tiers and both classes."""
    weeks = (sample.generate_week(week, rows=SMALL, include_non_ats=True) for week in YEAR)
    return frames_of(file for files in weeks for file in files)


def test_a_few_weeks_of_a_tier_have_one_symbol_with_two_issues_at_all_its_venues(
    year: pl.DataFrame,
) -> None:
    per_key = (
        year.filter(pl.col("venue") != "")
        .group_by(KEY)
        .agg(
            lines=pl.len(),
            names=pl.n_unique("issueName"),
            figures=pl.struct(SHARES, TRADES).n_unique(),
        )
    )
    doubled = per_key.filter(
        (pl.col("lines") > 1).any().over("week", "tier", "issueSymbolIdentifier")
    )
    assert doubled["lines"].unique().to_list() == [2]  # at every venue, in both classes
    assert doubled["figures"].unique().to_list() == [2]  # no two lines are equal
    venues = doubled.group_by("week", "tier", "venue_class").len()
    assert (venues["len"] <= 5).all()  # few doubled keys, also in a small file
    weeks = doubled.group_by("week", "tier").agg(
        pl.n_unique("issueSymbolIdentifier", "venue_class"), pl.col("names").unique()
    )
    assert weeks["issueSymbolIdentifier"].unique().to_list() == [1]
    assert weeks["venue_class"].unique().to_list() == [2]
    assert 3 < weeks.height < 20  # of 156, expected 10
    reassigned = [(tier, names) for tier, names in weeks.select("tier", "names").iter_rows()]
    assert {tuple(names) for _, names in reassigned} == {(1,), (2,)}
    assert all(names == [2] for tier, names in reassigned if tier == "OTC")


def test_a_few_weeks_of_tier_1_have_two_ats_lines_without_a_venue(year: pl.DataFrame) -> None:
    unnamed = year.filter(venue="")
    assert unnamed.select("tier", "venue_class").unique().rows() == [("NMS_TIER_1", "ATS")]
    per_week = unnamed.group_by("week").len()
    assert per_week["len"].unique().to_list() == [2]
    assert 0 < per_week.height < 10  # of 52, expected 3


def test_the_pool_is_spelled_otherwise_in_a_few_weeks(year: pl.DataFrame) -> None:
    pool = year.filter(pl.col("marketParticipantName").str.starts_with("De Minimis"))
    assert pool["firmCRDNumber"].unique().to_list() == ["0"]
    spelled = pool.group_by("week", "tier").agg(pl.col("marketParticipantName").unique())
    names = [names for (names,) in spelled.select("marketParticipantName").rows()]
    assert set(map(tuple, names)) == {("De Minimis Firm",), ("De Minimis Firms",)}
    assert 3 < names.count(["De Minimis Firm"]) < 20  # of 156, expected 10


def test_such_lines_are_added_and_change_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with_them = [text_of(file.content).splitlines() for file in rare_weeks()]
    monkeypatch.setattr(rare_lines, "_CHANCE", 0.0)
    without = [text_of(file.content).splitlines() for file in rare_weeks()]
    for some, fewer in zip(with_them, without, strict=True):
        rest = iter(some)
        assert all(line in rest for line in fewer)  # in the same order
    assert sum(map(len, with_them)) - sum(map(len, without)) == 2 + 5


def rare_weeks() -> list[sample.SampleFile]:
    """Committed weeks with ATS lines without a venue, and with a second issue."""
    weeks = (date(2025, 9, 19), date(2025, 10, 10))
    return [file for week in weeks for file in sample.committed_week(week)]


@pytest.mark.parametrize(("week_ending", "decimals"), [("2025-03-07", False), ("2025-03-14", True)])
def test_dollar_amounts_have_cents_and_noise_since_march_2025(
    week_ending: str, decimals: bool
) -> None:
    files = sample.generate_week(date.fromisoformat(week_ending), rows=SMALL, include_non_ats=True)
    frames = [frame_of(file) for file in files if file.venue_class is VenueClass.NON_ATS]
    amounts = pl.concat(frames)["totalNotionalSum"]
    assert amounts.str.contains(r"^\d+\.\d\d+$" if decimals else r"^\d+$").all()
    assert amounts.str.contains(r"\.\d{7,}$").any() is decimals


@pytest.mark.parametrize("week_ending", ["2026-02-20", "2026-02-27"])
def test_firms_report_fractions_of_nms_shares_since_february_2026(week_ending: str) -> None:
    parts = {
        (file.tier, file.venue_class): [
            float(row[8 if file.venue_class is VenueClass.NON_ATS else 5]) % 1 != 0
            for row in fields_of(file.content)[1:]
        ]
        for file in sample.generate_week(
            date.fromisoformat(week_ending), rows=1_000, include_non_ats=True
        )
    }
    fractional = {place: sum(found) / len(found) for place, found in parts.items()}
    some = {place for place, part in fractional.items() if part}
    firms_of_nms = {(tier, VenueClass.NON_ATS) for tier in (Tier.NMS_TIER_1, Tier.NMS_TIER_2)}
    assert some == (firms_of_nms if week_ending > "2026-02-23" else set())
    assert all(0.05 < fractional[place] < 0.25 for place in some)


# --- refusals ---------------------------------------------------------------------------


def test_a_week_that_is_no_friday_is_refused() -> None:
    with pytest.raises(WeekError, match="2025-11-21"):
        list(sample.generate_week(date(2025, 11, 20), rows=SMALL))


def test_more_rows_than_there_are_symbols_for_are_refused() -> None:
    with pytest.raises(ValueError, match="need more than"):
        list(sample.generate_week(WEEK, rows={Tier.OTC: 10**6}, tiers=[Tier.OTC]))
