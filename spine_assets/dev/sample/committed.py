"""Synthetic data made by our own seeded generator, not FINRA's: the committed sample.

Belongs here: the weeks of `data/sample`, their intended defects and its README. Does not
belong here: how a week's files come about (`files`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from spine_assets.core.weeks import Tier, VenueClass, weeks_between
from spine_assets.dev.sample.control_totals import totals_of
from spine_assets.dev.sample.files import SampleFile, generate_week
from spine_assets.lake import atomic_write
from spine_assets.otc.delivery.provenance import MARK

COMMITTED_WEEKS = tuple(weeks_between(date(2025, 9, 5), date(2025, 11, 21)))
"""The weeks of the committed sample."""
_FIRST_NON_ATS_WEEK = date(2025, 10, 31)
_LATE = (date(2025, 11, 7), Tier.OTC)
_CORRECTED = (date(2025, 10, 17), Tier.NMS_TIER_1)
_CORRECTED_ON = date(2025, 11, 10)  # a week after publication
_REJECTS_WEEK = date(2025, 10, 3)
_COMMITTED_ROWS = {Tier.NMS_TIER_1: 115, Tier.NMS_TIER_2: 115, Tier.OTC: 125}
# The week with rejects is larger, so that its five rejects stay below 1% of its lines.
_REJECTS_WEEK_ROWS = {Tier.NMS_TIER_1: 165, Tier.NMS_TIER_2: 165, Tier.OTC: 210}

_Edit = Callable[[list[list[str]]], None]
_SYMBOL, _MPID, _SHARES, _TRADES, _UPDATED = 1, 4, 5, 6, 7  # places of fields in an ATS line

_README = """\
# Synthetic data made by our own seeded generator, not FINRA's

Weekly files of the shape of FINRA's OTC Transparency data, for the 12 weeks ending
2025-09-05 to 2025-11-21. Venue names are real, with rough shares; firms, symbols, issues
and all figures are made up. Each name of an issue, venue or firm ends with `(synthetic)`. By the
issue names the program knows these files wherever they are copied: it does not load them beside
FINRA's, and `spine sample remove` takes them out of a data folder.
`spine_assets.dev.sample.write_committed_sample` writes this folder again, byte for byte
(zipped files: once unzipped); a test holds it to that.

| folder | what is in it |
|---|---|
| `first/` | what arrives first: ATS files for three tiers, and non-ATS files \
for the newest four weeks |
| `later/` | what arrives later: a correction and a late tier |

FINRA's control totals (`totals_*.csv.gz`) are there of the newest week, which they prove, and of \
NMS Tier 1 of 2025-10-17, which `later/` corrects: its rows then differ from the old totals.

Intended defects:

| week ending | tier | what |
|---|---|---|
| 2025-09-05 | all | Labor Day week: about 37% fewer trades |
| 2025-09-19 | NMS Tier 2 | a line with too few fields |
| 2025-10-03 | OTC | a blank symbol (1 share), the volumes `6,753,871`, blank and `-5`, \
a row twice; all three tiers have more rows this week, so that rejects stay below 1% of its lines |
| 2025-10-17 | NMS Tier 1 | `later/` corrects four rows, drops one symbol and adds one |
| 2025-10-24 | NMS Tier 2 | a row of no shares and no trades |
| 2025-11-07 | OTC | missing in `first/`, comes in `later/` |
| 2025-11-14 | OTC | a row of shares without trades |

Valid lines that real weeks have now and then:

| week ending | tier | what |
|---|---|---|
| 2025-09-19 | NMS Tier 1 | two ATS lines without MPID and venue name |
| 2025-10-10 | NMS Tier 2 | two lines of one symbol at each of its venues, with other figures: \
its listing moved to another tape, which only the API's `productTypeCode` shows |
| 2025-11-07 | NMS Tier 2 | two issue names of one symbol, in both classes: \
its ticker was given to another issuer; and `De Minimis Firm` instead of `De Minimis Firms` |
| with non-ATS files | all | CRD number 0 for the De Minimis firms; \
some dollar amounts like 163.70999999999998 |
"""


def write_committed_sample(out: Path) -> list[Path]:
    """Write the 12 weeks of `data/sample`, with their intended defects and a README."""
    written = [atomic_write.write(out / "README.md", _README.encode())]
    for file in (file for week in COMMITTED_WEEKS for file in committed_week(week)):
        place = (file.week_ending, file.tier)
        folder = out / ("later" if place == _LATE else "first")
        is_ats = file.venue_class is VenueClass.ATS
        content = _edited(file.content, _EDITS.get(place)) if is_ats else file.content
        written.append(atomic_write.write(folder / file.path, content))
        if file.week_ending == COMMITTED_WEEKS[-1] or (place == _CORRECTED and is_ats):
            totals = totals_of(file)
            written.append(atomic_write.write(folder / totals.path, totals.content))
        if place == _CORRECTED and is_ats:
            name = file.path.rpartition("_")[0] + f"_{_CORRECTED_ON:%Y%m%d}_corrected.csv"
            written.append(
                atomic_write.write(out / "later" / name, _edited(file.content, _correct))
            )
    return written


def committed_week(week_ending: date) -> Iterator[SampleFile]:
    """The files of a week of `data/sample` before any defect is put in."""
    return generate_week(
        week_ending,
        rows=_REJECTS_WEEK_ROWS if week_ending == _REJECTS_WEEK else _COMMITTED_ROWS,
        market_rows=_REJECTS_WEEK_ROWS,
        include_non_ats=week_ending >= _FIRST_NON_ATS_WEEK,
    )


def _edited(content: bytes, edit: _Edit | None) -> bytes:
    """The file with its lines' fields changed in place, still sorted as delivered."""
    if edit is None:
        return content
    header, *lines = content.decode().removesuffix("\n").split("\n")
    rows = [line.split("|") for line in lines]
    edit(rows)
    return "".join(f"{line}\n" for line in [header, *map("|".join, rows)]).encode()


def _middling(rows: list[list[str]], count: int) -> list[list[str]]:
    """Rows from the middle by volume: a defect in them moves no total much."""
    middle = len(rows) // 2
    return sorted(rows, key=lambda row: int(row[_SHARES]))[middle : middle + count]


def _shorten_a_line(rows: list[list[str]]) -> None:
    del _middling(rows, 1)[0][_TRADES:]


def _spoil_rows(rows: list[list[str]]) -> None:
    comma, blank, negative, twin = _middling(rows, 4)
    comma[_SHARES], blank[_SHARES], negative[_SHARES] = "6,753,871", "", "-5"
    rows.insert(rows.index(twin), list(twin))
    rows.insert(
        0, ["OTC", "", "", f"OTCX OTC LINK ECN ATS{MARK}", "OTCX", "1", "1", twin[_UPDATED]]
    )


def _empty_a_row(rows: list[list[str]]) -> None:
    _middling(rows, 1)[0][_SHARES : _TRADES + 1] = ["0", "0"]


def _take_trades(rows: list[list[str]]) -> None:
    _middling(rows, 1)[0][_TRADES] = "0"


def _correct(rows: list[list[str]]) -> None:
    """Four figures change, the least traded symbol goes and another comes."""
    volumes: Counter[str] = Counter()
    for row in rows:
        volumes[row[_SYMBOL]] += int(row[_SHARES])
    gone = min(volumes, key=volumes.__getitem__)
    rows[:] = [row for row in rows if row[_SYMBOL] != gone]
    for row in _middling(rows, 4):
        row[_SHARES] = str(int(row[_SHARES]) * 9 // 8 + 100)
        row[_TRADES] = str(int(row[_TRADES]) + 3)
        row[_UPDATED] = str(_CORRECTED_ON)
    issue = [rows[0][0], "QZRT", f"Quartz Harbor Robotics Inc. Common Stock{MARK}"]
    for venue, shares, trades in (("SGMT SIGMA X2", 48_210, 233), ("UBSA UBS ATS", 61_744, 310)):
        rows.append([*issue, venue + MARK, venue[:4], str(shares), str(trades), str(_CORRECTED_ON)])
    rows.sort(key=lambda row: (row[_SYMBOL], row[_MPID]))


_EDITS: dict[tuple[date, Tier], _Edit] = {
    (date(2025, 9, 19), Tier.NMS_TIER_2): _shorten_a_line,
    (_REJECTS_WEEK, Tier.OTC): _spoil_rows,
    (date(2025, 10, 24), Tier.NMS_TIER_2): _empty_a_row,
    (date(2025, 11, 14), Tier.OTC): _take_trades,
}
