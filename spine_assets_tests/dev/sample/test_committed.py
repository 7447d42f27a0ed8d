"""The committed sample: what the generator writes, with just its intended defects."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

from spine_assets.core.weeks import Tier, publication_day
from spine_assets.dev import sample

from . import SMALL, WEEK, fields_of, text_of

COMMITTED = Path(__file__).parents[3] / "data" / "sample"
TOTALS = 7  # both classes of the newest week's three tiers, and one of the week 2025-10-17
WORDS = {Tier.NMS_TIER_1: "tier1", Tier.NMS_TIER_2: "tier2", Tier.OTC: "otc"}


def committed_files(*suffixes: str) -> dict[str, bytes]:
    paths = sorted(path for path in COMMITTED.rglob("*") if path.is_file())
    return {
        path.relative_to(COMMITTED).as_posix(): path.read_bytes()
        for path in paths
        if path.name.endswith(suffixes)
    }


def files_of_rows(*suffixes: str) -> dict[str, bytes]:
    """All but those of control totals."""
    found = committed_files(*suffixes)
    return {name: content for name, content in found.items() if "totals" not in name}


def committed_ats(week_ending: date, tier: Tier, folder: str = "first") -> list[list[str]]:
    name = f"finra_otc_weekly_{WORDS[tier]}_{publication_day(week_ending, tier):%Y%m%d}.csv"
    return fields_of((COMMITTED / folder / name).read_bytes())[1:]


def first_or_later(week_ending: date, tier: Tier) -> list[list[str]]:
    late = week_ending == date(2025, 11, 7) and tier is Tier.OTC
    return committed_ats(week_ending, tier, "later" if late else "first")


# --- reproducible -----------------------------------------------------------------------


def test_the_committed_folder_is_what_the_generator_writes(tmp_path: Path) -> None:
    """Zipped files are compared unzipped: zlib builds differ in how they pack."""
    written = sample.write_committed_sample(tmp_path)
    regenerated = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in written}
    committed = committed_files("")
    assert sorted(committed) == sorted(regenerated)
    changed = [n for n in committed if text_of(committed[n]) != text_of(regenerated[n])]
    assert changed == []


def test_zipped_files_carry_no_time() -> None:
    generated = sample.generate_week(WEEK, rows=SMALL, include_non_ats=True)
    contents = [file.content for file in generated if file.path.endswith(".gz")]
    contents += committed_files(".gz").values()
    assert {content[4:8] for content in contents} == {bytes(4)}


def test_the_committed_folder_is_small_and_says_what_it_is() -> None:
    files = committed_files("")
    assert sum(map(len, files.values())) < 900_000
    assert "Synthetic data made by our own seeded generator, not FINRA's" in text_of(
        files["README.md"]
    )


# --- files and dates --------------------------------------------------------------------


def test_the_committed_folder_holds_the_promised_files() -> None:
    files = committed_files(".csv", ".gz")
    counts = Counter((name.split("/")[0], name.endswith(".gz")) for name in files)
    ats, non_ats = len(sample.COMMITTED_WEEKS) * len(Tier), 4 * len(Tier)
    assert counts == {
        ("first", False): ats - 1,
        ("first", True): non_ats - 1 + TOTALS,
        ("later", False): 2,
        ("later", True): 1,
    }


def test_all_lines_have_their_fields_but_the_one_cut_on_purpose() -> None:
    odd = [
        (name, number)
        for name, content in committed_files(".csv", ".gz").items()
        for number, fields in enumerate(fields_of(content), start=1)
        if len(fields) != (12 if "totals" in name else 15 if name.endswith(".gz") else 8)
    ]
    assert [name for name, _ in odd] == ["first/finra_otc_weekly_tier2_20251020.csv"]


# --- awkward symbols and names ----------------------------------------------------------


def test_the_committed_sample_has_the_awkward_symbols() -> None:
    in_tier = {
        tier: {row[1] for week in sample.COMMITTED_WEEKS for row in first_or_later(week, tier)}
        for tier in Tier
    }
    symbols = {symbol for tier in Tier for symbol in in_tier[tier]}
    for ending in (".A", ".B", ".WS", ".U", "pD", "pA"):
        assert any(symbol.endswith(ending) for symbol in symbols), ending
    assert {1, 2, 3, 4, 5} <= {len(symbol) for symbol in symbols}
    assert any(s != s.upper() and s.upper() in in_tier[Tier.NMS_TIER_2] for s in symbols)
    assert in_tier[Tier.NMS_TIER_1] & in_tier[Tier.NMS_TIER_2]


def test_the_committed_sample_has_the_awkward_names() -> None:
    names = {
        row[2]
        for week in sample.COMMITTED_WEEKS
        for tier in Tier
        for row in first_or_later(week, tier)
    }
    for sign in ("'", '"', ",", "#", "$", "%", "&", "!", ":", "  "):
        assert any(sign in name for name in names), sign
    assert any(name.count('"') % 2 for name in names)
    assert max(map(len, names)) == 201


# --- intended defects -------------------------------------------------------------------


def test_only_the_intended_line_stands_twice() -> None:
    files = committed_files(".csv", ".gz")
    lines = Counter((name, line) for name in files for line in text_of(files[name]).splitlines())
    twice = {key: count for key, count in lines.items() if count > 1}
    assert list(twice.values()) == [2]
    assert [name for name, _ in twice] == ["first/finra_otc_weekly_otc_20251103.csv"]


def test_the_week_of_rejects_has_five_and_they_are_below_one_percent_of_its_lines() -> None:
    rows = [row for tier in Tier for row in committed_ats(date(2025, 10, 3), tier)]
    unreadable = [row[5] for row in rows if not row[5].isdigit()]
    assert sorted(unreadable) == ["", "-5", "6,753,871"]
    assert [row[5] for row in rows if not row[1]] == ["1"]
    assert 5 / len(rows) < 0.01  # these four and the twin


def test_the_other_weeks_have_no_odd_figures_but_a_zero_and_one_without_trades() -> None:
    odd = {
        (week, tier): (row[5] != "0", row[6] != "0")
        for week in sample.COMMITTED_WEEKS
        for tier in Tier
        for row in first_or_later(week, tier)
        if week != date(2025, 10, 3) and len(row) == 8 and "0" in {row[5], row[6]}
    }
    assert odd == {
        (date(2025, 10, 24), Tier.NMS_TIER_2): (False, False),
        (date(2025, 11, 14), Tier.OTC): (True, False),
    }


def test_the_late_tier_comes_later_in_both_classes() -> None:
    assert committed_ats(date(2025, 11, 7), Tier.OTC, "later")
    delivered = [
        name.split("/")[0]
        for name in committed_files(".csv", ".gz")
        if "_otc_20251208" in name or ("2025-11-07" in name and "nonats_otc" in name)
    ]
    assert delivered == ["later", "later"]


def test_the_correction_changes_a_few_rows_drops_one_symbol_and_adds_one() -> None:
    before = committed_ats(date(2025, 10, 17), Tier.NMS_TIER_1)
    path = COMMITTED / "later" / "finra_otc_weekly_tier1_20251110_corrected.csv"
    after = fields_of(path.read_bytes())[1:]
    old, new = ({(row[1], row[4]): row for row in rows} for rows in (before, after))
    assert len({row[1] for row in before} - {row[1] for row in after}) == 1
    assert {row[1] for row in after} - {row[1] for row in before} == {"QZRT"}
    changed = [key for key in old.keys() & new.keys() if old[key] != new[key]]
    assert len(changed) == 4
    assert all(int(new[key][5]) > int(old[key][5]) for key in changed)
    assert {new[key][7] for key in changed} == {"2025-11-10"}
    assert sum(row[7] == "2025-11-03" for row in after) > 0.8 * len(after)
    assert after == sorted(after, key=lambda row: (row[1], row[4]))


# --- valid lines that few weeks have ----------------------------------------------------


def test_two_symbols_have_two_issues_at_each_of_their_venues() -> None:
    issues: dict[str, set[tuple[str, int, int]]] = {}
    for name, content in committed_files(".csv", ".gz").items():
        symbol, issue, mpid, firm = (2, 3, 4, 5) if name.endswith(".gz") else (1, 2, 4, 3)
        rows = [row for row in fields_of(content)[1:] if row[symbol]]
        keys = Counter((row[symbol], row[mpid], row[firm]) for row in rows)
        for here in {row[symbol] for row in rows}:
            of_symbol = {key: count for key, count in keys.items() if key[0] == here}
            if "1103" not in name and max(of_symbol.values()) > 1:  # that file has the twin
                names = len({row[issue] for row in rows if row[symbol] == here})
                assert set(of_symbol.values()) == {2}
                issues.setdefault(name, set()).add((here, len(of_symbol), names))
    assert issues == {
        "first/finra_otc_weekly_tier2_20251110.csv": {("QIY.A", 5, 1)},
        "first/finra_otc_weekly_tier2_20251208.csv": {("DWGpD", 5, 2)},
        "first/week_ending=2025-11-07/class=non_ats/otc_nonats_tier2.csv.gz": {("DWGpD", 5, 2)},
    }


def test_two_lines_name_no_venue() -> None:
    unnamed = [
        (name, row[1], row[3], row[5])
        for name, content in committed_files(".csv").items()
        for row in fields_of(content)[1:]
        if not row[4]
    ]
    file = "first/finra_otc_weekly_tier1_20251006.csv"
    assert unnamed == [(file, "JBC", "", "18349"), (file, "VNU.B", "", "9237")]


def test_the_pool_has_crd_0_and_in_one_file_another_spelling() -> None:
    pools = {
        name: {tuple(row[5:7]) for row in fields_of(content)[1:] if row[5].startswith("De Min")}
        for name, content in files_of_rows(".gz").items()
    }
    odd = {name: pool for name, pool in pools.items() if pool != {("De Minimis Firms", "0")}}
    file = "first/week_ending=2025-11-07/class=non_ats/otc_nonats_tier2.csv.gz"
    assert odd == {file: {("De Minimis Firm", "0")}}


def test_each_non_ats_file_has_amounts_with_the_noise_of_floating_point() -> None:
    for name, content in files_of_rows(".gz").items():
        amounts = [row[10] for row in fields_of(content)[1:]]
        noisy = [text for text in amounts if len(text.partition(".")[2]) > 6]
        assert 0 < len(noisy) < 0.15 * len(amounts), name
        assert all(float(text) < round(float(text), 2) for text in noisy), name


# --- control totals ---------------------------------------------------------------------


def test_control_totals_are_the_sums_of_the_newest_weeks_rows() -> None:
    place = "first/week_ending=2025-11-21/class=non_ats"
    files = committed_files(".gz")
    rows = fields_of(files[f"{place}/otc_nonats_tier1.csv.gz"])[1:]
    totals = fields_of(files[f"{place}/totals_t1.csv.gz"])[1:]
    shares = {kind: Counter[str]() for kind in ("SMBL", "FIRM", "VOL_STATS")}
    for symbol, crd, kind, figure in ((row[2], row[6], row[7], row[8]) for row in totals):
        shares[kind.removeprefix("OTC_W_")][symbol or crd] += int(figure)
    by_symbol, by_firm = Counter[str](), Counter[str]()
    for row in rows:
        by_symbol[row[2]] += int(row[8])
        by_firm[row[6]] += int(row[8])
    assert shares["SMBL"] == by_symbol
    assert shares["VOL_STATS"] == {"": by_symbol.total()}
    pooled = by_firm.pop("0")
    assert shares["FIRM"].total() == by_firm.total() + pooled
    assert all(shares["FIRM"][crd] >= by_firm[crd] for crd in by_firm)
    assert {"991317", "991417", "991517"} - by_firm.keys() <= shares["FIRM"].keys()
