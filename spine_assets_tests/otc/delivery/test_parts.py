"""Contents of several parts: both classes, and FINRA's control totals, in one file."""

from __future__ import annotations

from decimal import Decimal

import pytest

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.delivery.file_format import ParsedFile
from spine_assets.otc.delivery.parts import named_parts, part_of, placements
from spine_assets.otc.delivery.placement import Grain
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets_tests.conftest import WEEK, line, parsed, with_columns

ATS, NON_ATS = VenueClass.ATS, VenueClass.NON_ATS
VENUES, TOTALS = Grain.VENUES, Grain.TOTALS
CODES = with_columns(summaryTypeCode="")[0]
SMBL_FIRM, OTC_SMBL_FIRM = "ATS_W_SMBL_FIRM", "OTC_W_SMBL_FIRM"


def coded(*rows: tuple[str, str]) -> ParsedFile:
    """A file with rows of (summary type, shares), the symbols S0, S1 and so on."""
    lines = (line(f"S{n}", shares=shares) + f"|{code}" for n, (code, shares) in enumerate(rows))
    return parsed(*lines, header=CODES)


def shown(part: ParsedFile) -> tuple[list[int], list[int], Decimal, int]:
    """Lines of the rows, lines of the rejects, shares and lines of other parts."""
    rows, rejects = part.rows["source_line"].to_list(), part.rejects["source_line"].to_list()
    return rows, rejects, part.shares, part.other_lines


ALL_KINDS = coded(
    ("ATS_W_VOL_STATS", "1000"),
    (OTC_SMBL_FIRM, "7"),
    (SMBL_FIRM, "100"),
    ("OTC_W_FIRM", "7"),
    ("ATS_W_SMBL", "100"),
    ("OTC_W_SMBL", "7"),
    (SMBL_FIRM, "0.5"),
)


def test_each_class_and_grain_is_a_part_of_one_week_and_tier() -> None:
    placed = placements(ALL_KINDS, "a.csv")
    assert [(item.venue_class, item.grain) for item in placed] == [
        (ATS, VENUES),
        (NON_ATS, VENUES),
        (ATS, TOTALS),
        (NON_ATS, TOTALS),
    ]
    assert {(item.week_ending, item.tier) for item in placed} == {(WEEK, Tier.OTC)}


def test_a_part_has_the_rows_of_its_summary_types_and_counts_all_others() -> None:
    found = {part: shown(part_of(ALL_KINDS, *part)) for part in named_parts(ALL_KINDS)}
    assert found == {
        (ATS, VENUES): ([4, 8], [], Decimal("100.5"), 5),
        (NON_ATS, VENUES): ([3], [], Decimal(7), 6),
        (ATS, TOTALS): ([2, 6], [], Decimal(1100), 5),
        (NON_ATS, TOTALS): ([5, 7], [], Decimal(14), 5),
    }


def test_a_content_of_one_part_is_that_part() -> None:
    plain = parsed(line())
    assert part_of(plain, NON_ATS, VENUES) is plain
    one = coded((SMBL_FIRM, "1"), (SMBL_FIRM, "2"))
    assert part_of(one, ATS, VENUES) is one


def test_a_part_that_has_no_rows_is_empty() -> None:
    """Earlier versions captured totals as rows by venue, all of them rejected."""
    assert shown(part_of(coded(("ATS_W_SMBL", "5")), ATS, VENUES)) == ([], [], Decimal(0), 1)


def test_a_reject_belongs_to_the_part_that_it_names_or_to_the_first() -> None:
    texts = [f"{line()}|{OTC_SMBL_FIRM}", f"{line()}|{SMBL_FIRM}"]
    texts += [f"{line(shares='x')}|{OTC_SMBL_FIRM}", f"{line(trades='x', shares='9')}|{SMBL_FIRM}"]
    texts += ["too|few", f"{line(trades='x', shares='4')}|OTC_W_SMBL"]
    file = parsed(*texts, header=CODES)
    assert shown(part_of(file, ATS, VENUES)) == ([3], [5, 6, 7], Decimal(113), 2)
    assert shown(part_of(file, NON_ATS, VENUES)) == ([2], [4], Decimal(100), 4)


def test_a_summary_type_that_is_not_known_is_judged_with_the_rows_by_venue() -> None:
    file = coded((SMBL_FIRM, "1"), ("ATS_W_NEW", "2"), ("OTC_W_SMBL", "4"))
    assert named_parts(file) == [(ATS, VENUES), (NON_ATS, TOTALS)]
    assert shown(part_of(file, ATS, VENUES))[0] == [2, 3]


def test_shares_that_the_whole_lost_are_missing_in_each_part() -> None:
    file = coded((SMBL_FIRM, "1"), (OTC_SMBL_FIRM, "2"))
    lost = ParsedFile(**{**vars(file), "shares": file.shares + 5})
    assert part_of(lost, ATS, VENUES).shares == Decimal(6)
    assert part_of(lost, NON_ATS, VENUES).shares == Decimal(7)


@pytest.mark.parametrize(
    "codes", [(SMBL_FIRM, OTC_SMBL_FIRM, ""), (SMBL_FIRM, "ATS_W_SMBL", ""), ("OTC_W_FIRM", "", "")]
)
def test_a_row_of_which_the_part_is_not_known_refuses_the_content(codes: tuple[str, ...]) -> None:
    file = coded(*((code, "1") for code in codes))
    with pytest.raises(FileRefused, match=r"blank in [12] rows, first on line [34]"):
        placements(file, "a.csv")


def test_a_blank_summary_type_beside_one_kind_is_of_that_kind() -> None:
    file = coded((OTC_SMBL_FIRM, "1"), ("", "2"))
    (placed,) = placements(file, "a.csv")
    assert (placed.venue_class, placed.grain) == (NON_ATS, VENUES)
    assert part_of(file, NON_ATS, VENUES) is file


def test_a_path_of_one_class_contradicts_a_content_of_both() -> None:
    with pytest.raises(FileRefused, match="says class ATS, its summaryTypeCode says ATS and NON_"):
        placements(ALL_KINDS, "class=ats/a.csv")
