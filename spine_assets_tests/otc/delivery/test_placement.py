"""Which week, tier and class a file holds, and which files are refused."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.delivery.file_format import ParsedFile
from spine_assets.otc.delivery.path_claims import path_week
from spine_assets.otc.delivery.placement import Placement, WeekSource, place
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets_tests.conftest import PUBLISHED, REVISED, WEEK, line, parsed, with_columns

ATS, NON_ATS = VenueClass.ATS, VenueClass.NON_ATS


def with_cells(**cells: str) -> ParsedFile:
    """One good row with further columns."""
    header, text = with_columns(**cells)
    return parsed(text, header=header)


def with_codes(*codes: str) -> ParsedFile:
    header = with_columns(summaryTypeCode="")[0]
    return parsed(*(f"{line(f'S{n}')}|{code}" for n, code in enumerate(codes)), header=header)


def refusal(file: ParsedFile, name: str = "a.csv") -> str:
    with pytest.raises(FileRefused) as caught:
        place(file, name)
    return str(caught.value)


def week_of(file: ParsedFile, name: str = "a.csv") -> tuple[date, WeekSource]:
    found = place(file, name)
    return found.week_ending, found.week_source


def updated(*days: str, tier: str = "OTC") -> ParsedFile:
    """A file with one row an update date."""
    return parsed(*(line(f"S{n}", updated=day, tier=tier) for n, day in enumerate(days)))


# --- week


@pytest.mark.parametrize("column", ["weekStartDate", "summaryStartDate"])
def test_a_week_column_tells_the_week_by_its_monday(column: str) -> None:
    assert week_of(with_cells(**{column: "2025-11-10"})) == (date(2025, 11, 14), WeekSource.COLUMN)


def test_a_blank_week_column_tells_nothing() -> None:
    assert week_of(with_cells(weekStartDate="")) == (WEEK, WeekSource.PUBLICATION)
    both = with_cells(weekStartDate="", summaryStartDate="2025-11-10")
    assert week_of(both) == (date(2025, 11, 14), WeekSource.COLUMN)


def test_a_week_column_must_agree_over_all_rows() -> None:
    header = with_columns(weekStartDate="")[0]
    file = parsed(f"{line('A')}|2025-11-10", f"{line('B')}|2025-11-17", header=header)
    assert "several weeks" in refusal(file)
    file = parsed(f"{line('A')}|2025-11-10", f"{line('B')}|", header=header)
    assert "blank in 1 rows, not in all" in refusal(file)


def test_a_week_column_must_be_a_monday() -> None:
    told = refusal(with_cells(weekStartDate="2025-11-21"))
    assert "2025-11-21, a Friday" in told
    assert "2025-11-17" in told


def test_two_week_columns_must_agree() -> None:
    told = refusal(with_cells(weekStartDate="2025-11-10", summaryStartDate="2025-11-17"))
    assert "weekStartDate" in told
    assert "summaryStartDate" in told


@pytest.mark.parametrize(
    "name",
    [
        "week_ending=2025-11-14/otc.csv",
        "week_start=2025-11-10/otc.csv",
        "finra/WEEK_ENDING=2025-11-14/deep/otc.csv",
        "week_2025-11-14/otc.csv",
        "otc_week_2025-11-10.csv",
        "archive.zip!week_2025-11-14.csv",
        "week_ending=2025-11-14/week_2025-11-10.csv",
        "otc (week_2025-11-14).csv",
        "my week_2025-11-14.csv",
    ],
)
def test_a_path_tells_the_week(name: str) -> None:
    assert path_week(name) == date(2025, 11, 14)
    assert week_of(updated("2025-12-30"), name) == (date(2025, 11, 14), WeekSource.PATH)


def test_half_of_the_rows_of_another_week_put_a_path_in_doubt() -> None:
    path = "week_ending=2025-11-14/otc.csv"
    doubtful = place(updated(*["2025-12-15"] * 2, *[PUBLISHED] * 2), path)
    assert (doubtful.week_ending, doubtful.alternative_week) == (date(2025, 11, 14), WEEK)
    few = place(updated(*["2025-12-15"] * 3, PUBLISHED), path)
    assert (few.week_ending, few.alternative_week) == (date(2025, 11, 14), None)


def test_a_column_tells_the_week_also_of_rows_all_corrected_on_one_day() -> None:
    header, row = with_columns(weekStartDate="2025-11-10")
    found = place(parsed(row, header=header), "a.csv")
    assert (found.week_ending, found.week_source) == (date(2025, 11, 14), WeekSource.COLUMN)
    assert found.alternative_week is None


@pytest.mark.parametrize("name", ["a.csv", "finra_otc_weekly_otc_20251222.csv", "2025-11-14.csv"])
def test_a_date_in_a_file_name_is_only_a_hint(name: str) -> None:
    assert path_week(name) is None
    assert week_of(parsed(line()), name) == (WEEK, WeekSource.PUBLICATION)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("week_ending=2025-11-10/a.csv", "Monday"),
        ("week_start=2025-11-14/a.csv", "Friday"),
        ("week_2025-11-13.csv", "Thursday"),
        ("week_ending=2025-11-16/a.csv", "Sunday"),
        ("week_ending=2025-11-31/a.csv", "not a date"),
        ("week_ending=2025-11-14/week_2025-11-21.csv", "several weeks"),
    ],
)
def test_a_path_with_another_day_is_refused(name: str, told: str) -> None:
    with pytest.raises(FileRefused, match=told):
        path_week(name)
    assert told in refusal(parsed(line()), name)


def test_a_refused_path_names_the_weeks_monday_and_friday() -> None:
    told = refusal(parsed(line()), "week_ending=2025-11-13/a.csv")
    assert "Monday 2025-11-10" in told
    assert "Friday 2025-11-14" in told


def test_path_and_column_must_agree() -> None:
    told = refusal(with_cells(weekStartDate="2025-11-10"), "week_ending=2025-11-21/a.csv")
    assert "2025-11-21" in told
    assert "2025-11-14" in told
    agreeing = with_cells(weekStartDate="2025-11-17")
    assert week_of(agreeing, "week_ending=2025-11-21/a.csv") == (WEEK, WeekSource.COLUMN)


@pytest.mark.parametrize(
    ("tier", "day", "week"),
    [
        ("OTC", "2025-12-22", date(2025, 11, 21)),
        ("NMS Tier 2", "2025-12-22", date(2025, 11, 21)),
        ("NMS Tier 1", "2025-12-22", date(2025, 12, 5)),
        ("NMS Tier 1", "2024-01-02", date(2023, 12, 15)),  # Tuesday after New Year
        ("NMS Tier 1", "2014-06-02", date(2014, 5, 16)),  # FINRA's first week
    ],
)
def test_the_publication_day_tells_the_week(tier: str, day: str, week: date) -> None:
    assert week_of(updated(day, tier=tier)) == (week, WeekSource.PUBLICATION)


@pytest.mark.parametrize(
    ("published", "other", "taken"), [(1, 4, True), (1, 5, False), (2, 8, True), (3, 13, False)]
)
def test_a_publication_day_must_be_carried_by_a_fifth_of_the_rows(
    published: int, other: int, taken: bool
) -> None:
    file = updated(*[PUBLISHED] * published, *[REVISED] * other)  # REVISED is a Tuesday
    if taken:
        assert week_of(file) == (WEEK, WeekSource.PUBLICATION)
    else:
        told = refusal(file)
        assert "its week is unknown" in told
        assert f"{PUBLISHED} ({published} rows)" in told


def test_the_earliest_publication_day_wins_and_later_ones_are_revisions() -> None:
    file = updated(*[PUBLISHED] * 3, "2025-12-29", "2025-12-29")
    assert week_of(file) == (WEEK, WeekSource.PUBLICATION)


def test_half_of_the_rows_of_a_later_week_put_the_file_in_doubt() -> None:
    found = place(updated(*[PUBLISHED] * 2, *["2025-12-29"] * 2), "a.csv")
    assert (found.week_ending, found.alternative_week) == (WEEK, date(2025, 11, 28))


def test_a_stray_row_before_the_publication_refuses_the_file() -> None:
    told = refusal(updated("2025-12-15", *[PUBLISHED] * 9))
    assert "1 of 10 rows were updated before, first on line 2 (2025-12-15)" in told


def test_no_publication_day_at_all_is_refused_with_advice() -> None:
    told = refusal(updated("2025-12-23"))
    assert "2025-12-23 (1 rows)" in told
    assert "week_ending=" in told


@pytest.mark.parametrize("day", ["0001-01-01", "0001-01-08", "1970-01-01", "2014-05-16"])
def test_an_absurd_update_date_refuses_the_file_and_does_not_crash(day: str) -> None:
    assert "week" in refusal(updated(day))
    assert "updated before" in refusal(updated(day), "week_ending=2025-11-21/a.csv")


@pytest.mark.parametrize("name", ["week_ending=2025-12-05/a.csv", "week_2025-12-01.csv"])
def test_a_told_week_that_was_not_yet_published_is_refused(name: str) -> None:
    told = refusal(parsed(line("A"), line("B", updated="2026-01-10")), name)
    assert "week ending 2025-12-05 of OTC was first published on 2026-01-05" in told
    assert "1 of 2 rows were updated before, first on line 2 (2025-12-22)" in told
    assert "publication day of week ending 2025-11-21" in told


def test_a_week_column_that_was_not_yet_published_is_refused() -> None:
    assert "first published on 2026-01-05" in refusal(with_cells(weekStartDate="2025-12-01"))


@pytest.mark.parametrize(
    "name", ["week_ending=2014-05-09/a.csv", "week_0001-01-01.csv", "week_ending=9999-12-31/a.csv"]
)
def test_a_week_out_of_the_feeds_history_is_refused(name: str) -> None:
    assert "week ending" in refusal(parsed(line()), name)


@given(st.integers(0, 3), st.sampled_from(["week_ending=", "week_start=", "week_"]))
@settings(deadline=None)
def test_path_weeks_are_fridays_or_mondays_only(back: int, kind: str) -> None:
    for offset in range(7):
        monday = date(2025, 11, 17) - timedelta(weeks=back)
        allowed = {"week_ending=": {4}, "week_start=": {0}, "week_": {0, 4}}[kind]
        name = f"{kind}{monday + timedelta(days=offset)}/a.csv"
        if offset in allowed:
            assert path_week(name) == monday + timedelta(days=4)
        else:
            with pytest.raises(FileRefused):
                path_week(name)


# --- tier


@pytest.mark.parametrize(
    ("text", "tier"),
    [
        ("OTC", Tier.OTC),
        ("otc", Tier.OTC),
        ("NMS  Tier 2", Tier.NMS_TIER_2),
        ("T2", Tier.NMS_TIER_2),
    ],
)
def test_the_rows_tell_the_tier(text: str, tier: Tier) -> None:
    assert place(parsed(line(tier=text)), "a.csv").tier is tier


def test_an_unknown_tier_is_refused_with_its_lines() -> None:
    told = refusal(parsed(line("A"), line("B", tier="NMS Tier 3"), line("C", tier="")))
    assert "NMS Tier 3" in told
    assert "line 3, 4" in told
    assert "NMS Tier 1" in told


def test_rows_of_two_tiers_are_refused() -> None:
    told = refusal(parsed(line("A"), line("B", tier="NMS Tier 2")))
    assert "NMS_TIER_2, OTC" in told


def test_tier_columns_must_agree() -> None:
    assert "T2" in refusal(with_cells(tierIdentifier="T2"))
    assert place(with_cells(tierIdentifier="OTCE"), "a.csv").tier is Tier.OTC


def test_a_tier_id_that_some_rows_lack_is_refused() -> None:
    """A column without any is as good as none."""
    header = with_columns(tierIdentifier="")[0]
    told = refusal(parsed(f"{line('A')}|OTCE", f"{line('B')}|", header=header))
    assert "unknown tier in tierIdentifier: '' on line 3" in told
    assert place(with_cells(tierIdentifier=""), "a.csv").tier is Tier.OTC


def test_a_file_of_rejects_only_is_refused_with_their_reasons() -> None:
    told = refusal(parsed(line(shares="x"), line(shares="y"), "short"))
    assert "none of its 3 lines can be read" in told
    assert "FIELD_COUNT 1, NOT_A_NUMBER 2" in told


# --- class


@pytest.mark.parametrize(
    ("code", "found"), [("ATS_W_SMBL_FIRM", ATS), ("OTC_W_SMBL_FIRM", NON_ATS), ("", ATS)]
)
def test_the_summary_type_tells_the_class(code: str, found: VenueClass) -> None:
    assert place(with_codes(code, code), "a.csv").venue_class is found


def test_the_summary_type_outweighs_blank_mpids() -> None:
    header = with_columns(summaryTypeCode="")[0]
    file = parsed(f"{line(mpid='')}|ATS_W_SMBL_FIRM", header=header)
    assert place(file, "a.csv").venue_class is ATS


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("class=ats/a.csv", ATS),
        ("class=non_ats/a.csv", NON_ATS),
        ("CLASS=NON-ATS/a.csv", NON_ATS),
        ("x_class=ATS.csv", ATS),
    ],
)
@pytest.mark.parametrize("mpid", ["OTCX", ""])
def test_the_path_tells_the_class(name: str, found: VenueClass, mpid: str) -> None:
    assert place(parsed(line(mpid=mpid)), name).venue_class is found


@pytest.mark.parametrize(
    ("mpids", "found"), [(["", " "], NON_ATS), (["", "OTCX"], ATS), (["OTCX"], ATS)]
)
def test_blank_mpids_tell_the_class_last(mpids: list[str], found: VenueClass) -> None:
    file = parsed(*(line(f"S{n}", mpid) for n, mpid in enumerate(mpids)))
    assert place(file, "a.csv").venue_class is found


@pytest.mark.parametrize(
    ("codes", "name", "told"),
    [
        (["XYZ"], "a.csv", "XYZ"),
        (["ATS_W_SMBL_FIRM"], "class=non_ats/a.csv", "path says class NON_ATS"),
        ([""], "class=both/a.csv", "use class=ats or class=non_ats"),
        ([""], "class=ats/class=non_ats/a.csv", "use class=ats or class=non_ats"),
    ],
)
def test_an_unknown_or_contradictory_class_is_refused(
    codes: list[str], name: str, told: str
) -> None:
    assert told in refusal(with_codes(*codes), name)


def test_all_three_are_told_together() -> None:
    file = parsed(line(mpid="", tier="NMS Tier 1", updated="2025-12-08"))
    assert place(file, "a.csv") == Placement(WEEK, Tier.NMS_TIER_1, NON_ATS, WeekSource.PUBLICATION)


@pytest.mark.parametrize(("firms", "refused"), [(3, True), (2, False)])
def test_both_classes_without_summary_types_are_refused(firms: int, refused: bool) -> None:
    """Rows of several firms are no unattributed rows of an ATS."""
    lines = [line("AAAA"), line("BBBB")]
    lines += [line(f"C{n}", "", name=f"FIRM {n} LLC") for n in range(firms)]
    if refused:
        with pytest.raises(FileRefused, match=r"3 of its 5 rows name a firm .* on line 4: both"):
            place(parsed(*lines), "both.csv")
    else:
        assert place(parsed(*lines), "both.csv").venue_class is VenueClass.ATS
