"""Whole files for tests: sound ones of every shape, and those of which nothing may load."""

from __future__ import annotations

import gzip
import io
import zipfile
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from spine_assets.core.weeks import Tier, monday_of, publication_day
from spine_assets.otc.delivery.line_schema import API_COLUMNS, DELIVERED
from spine_assets_tests.conftest import HEADER, line
from spine_assets_tests.support.sites import Figures, content

LAST_WEEK = date(2025, 10, 31)
EMPTY_WEEK = date(2025, 11, 7)  # no file of it can be used
OTHER = date(2025, 11, 21)  # its rows carry 2025-12-22
GOOD: Figures = {("AAAA", "OTCX"): (Decimal(100), 2), ("BBBB", "OTCX"): (Decimal("7.5"), 1)}
LARGEST_BYTES = 1_000_000  # of one content, in place of 500 MB
BOM = b"\xef\xbb\xbf"


def day(week: date, tier: Tier = Tier.OTC) -> str:
    """Publication day."""
    return str(publication_day(week, tier))


def good(week: date, end: bytes = b"\n", tier: Tier = Tier.OTC) -> bytes:
    """A sound file."""
    return content(*good_lines(week, tier), end=end)


def good_lines(week: date, tier: Tier = Tier.OTC) -> tuple[str, str]:
    updated = day(week, tier)
    return (
        line("AAAA", updated=updated, tier=tier.description),
        line("BBBB", shares="7.5", trades="1", updated=updated, tier=tier.description),
    )


def zipped(**members: bytes) -> bytes:
    """A zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, delivered in members.items():
            archive.writestr(name, delivered)
    return packed.getvalue()


def reordered(week: date) -> bytes:
    """The columns from last to first."""
    turned = ["|".join(reversed(text.split("|"))) for text in (HEADER, *good_lines(week))]
    return content(*turned[1:], header=turned[0])


def with_api_columns(week: date) -> bytes:
    """All further columns of FINRA's API, mixed with those of the download file."""
    monday = monday_of(week)
    more = {
        "tierIdentifier": "OTCE",
        "firmCRDNumber": "7560",
        "productTypeCode": "OTCE",
        "summaryTypeCode": "ATS_W_SMBL_FIRM",
        "totalNotionalSum": "1234.56",
        "weekStartDate": str(monday),
        "summaryStartDate": str(monday),
        "initialPublishedDate": day(week),
        "lastReportedDate": str(week),
    }
    assert set(more) == set(API_COLUMNS)
    lines = ["|".join((*more.values(), text)) for text in good_lines(week)]
    return content(*lines, header="|".join((*more, HEADER)))


class Sound(NamedTuple):
    """A file that loads: its name, its bytes and, of an archive, what it holds."""

    name: str
    delivered: bytes
    members: tuple[bytes, ...]


def sound_files(week: date) -> dict[str, Sound]:
    """All kinds of sound files, each with the rows of `GOOD`, as files of one week."""
    plain = good(week)
    first, second = good_lines(week)
    spaced = tuple("|".join(f" {cell} " for cell in text.split("|")) for text in (first, second))
    files = {
        "byte order mark": ("a.csv", BOM + plain),
        "CR LF": ("a.csv", good(week, b"\r\n")),
        "mixed line ends": ("a.csv", f"{HEADER}\r\n{first}\n{second}\r\n".encode()),
        "BOM, CR LF and no last line end": ("a.csv", BOM + good(week, b"\r\n")[:-2]),
        "blank lines": ("a.csv", f"\n{HEADER}\n\n{first}\n  \n\t\n{second}\n\n\n".encode()),
        "blank lines of CR LF": (
            "a.csv",
            f"{HEADER}\r\n\r\n{first}\r\n{second}\r\n\r\n".encode(),
        ),
        "trailing spaces": ("a.csv", content(f"{first}  ", f"{second}\t", header=f"{HEADER}  ")),
        "spaces around every field": ("a.csv", content(*spaced)),
        "no last line end": ("a.csv", plain[:-1]),
        "columns in another order": ("a.csv", reordered(week)),
        "columns of FINRA's API": ("a.csv", with_api_columns(week)),
        "a column that FINRA adds": (
            "a.csv",
            content(f"{first}|red", f"{second}|", header=f"{HEADER}|colour"),
        ),
        "name in capitals": ("A.CSV", plain),
        "psv": ("a.psv", plain),
        "txt": ("a.txt", plain),
        "gzip": ("a.csv.gz", gzip.compress(plain)),
        "gzip by another name": ("a.csv", gzip.compress(plain)),
        "text named like gzip": ("a.csv.gz", plain),
        "commas": ("a.csv", plain.replace(b"|", b",")),
    }
    found = {
        kind: Sound(name, delivered, (plain if "gzip" in kind else delivered,))
        for kind, (name, delivered) in files.items()
    }
    found["zip of one"] = Sound("a.zip", zipped(**{"a.csv": plain}), (plain,))
    tiers = {f"{tier}.csv": good(week, tier=tier) for tier in Tier}
    found["zip of many"] = Sound("a.zip", zipped(**tiers), tuple(tiers.values()))
    part = {"a.csv": plain, "../evil.csv": plain + b"\n", "page.csv": b"<html>\n"}
    found["zip with bad members"] = Sound("a.zip", zipped(**part), (plain,))
    return found


KINDS = tuple(sound_files(LAST_WEEK))
WEEKS = {kind: LAST_WEEK - timedelta(weeks=at) for at, kind in enumerate(KINDS)}
REVISIONS_WEEK = LAST_WEEK - timedelta(weeks=len(KINDS))
LATER = "2026-02-03"


def sound(kind: str) -> Sound:
    """The file of a kind, of its own week."""
    return sound_files(WEEKS[kind])[kind]


def revised() -> bytes:
    """Some rows were updated after the week's first publication; nothing names the week."""
    first, second = good_lines(REVISIONS_WEEK)
    return content(first, second, line("CCCC", updated=LATER))


def without(column: str) -> bytes:
    """A file that lacks a column."""
    place = DELIVERED.index(column)
    texts = []
    for text in (HEADER, *good_lines(OTHER)):
        cells = text.split("|")
        del cells[place]
        texts.append("|".join(cells))
    return content(*texts[1:], header=texts[0])


def dated(*days: date) -> bytes:
    """A row a publication day of the given weeks."""
    return content(*(line(f"S{at}", updated=day(week)) for at, week in enumerate(days)))


SHARES, TRADES = "totalWeeklyShareQuantity", "totalWeeklyTradeCount"
PLAIN = good(OTHER)
BOMB = PLAIN + b"\n" * 2 * LARGEST_BYTES
REFUSED: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "no-column.csv": (without(SHARES), (f"missing: '{SHARES}'", f"'{TRADES}'", "'MPID'")),
    "renamed.csv": (
        PLAIN.replace(SHARES.encode(), b"totalShares"),
        (f"missing: '{SHARES}'", "unknown: 'totalShares'", f"'{TRADES}'"),
    ),
    "repeated-column.csv": (
        content(*(f"{text}|x" for text in good_lines(OTHER)), header=f"{HEADER}|MPID"),
        ("repeated: 'MPID'",),
    ),
    "no-header.csv": (content(*good_lines(OTHER)[1:], header=good_lines(OTHER)[0]), ("header",)),
    "empty.csv": (b"", ("empty",)),
    "blank.csv": (b"\n \n\r\n", ("empty",)),
    "mark-only.csv": (BOM, ("empty",)),
    "header-only.csv": (content(), ("no rows",)),
    "header-cut.csv": (HEADER.encode()[:60], ("missing", SHARES)),
    "tab.csv": (PLAIN.replace(b"|", b"\t"), ("tab",)),
    "binary.csv": (bytes(range(256)) * 100, ("not text", "00 01 02")),
    "page.csv": (b"<!DOCTYPE html><html><body>moved</body></html>", ("HTML",)),
    "unknown-tier.csv": (
        content(good_lines(OTHER)[0], line("B", tier="NMS Tier 3")),
        ("unknown tier", "NMS Tier 3", "line 3", "NMS Tier 1"),
    ),
    "two-tiers.csv": (
        content(good_lines(OTHER)[0], line("B", tier="NMS Tier 2")),
        ("several tiers", "NMS_TIER_2, OTC"),
    ),
    "week_ending=2025-11-20/a.csv": (PLAIN, ("Thursday", "Friday 2025-11-21")),
    "week_ending=2025-13-41/a.csv": (PLAIN, ("2025-13-41", "not a date")),
    "week_ending=2025-12-05/a.csv": (PLAIN, ("2025-12-05", "week ending 2025-11-21")),
    f"week_ending={EMPTY_WEEK}/half-earlier.csv": (
        dated(EMPTY_WEEK, EMPTY_WEEK - timedelta(weeks=1)),
        (f"week ending {EMPTY_WEEK}", "1 of 2 rows", "week ending 2025-10-31"),
    ),
    "no-week.csv": (content(line(updated="2025-12-23")), ("week is unknown", "2025-12-23")),
    "bad-lines-only.csv": (
        content(line(shares="abc"), "x"),
        ("none of its 2 lines", "FIELD_COUNT 1", "NOT_A_NUMBER 1"),
    ),
    "damaged.csv.gz": (gzip.compress(PLAIN)[:-12], ("gzip", "damaged")),
    "damaged.zip": (zipped(**{"a.csv": PLAIN})[:-30], ("zip", "damaged")),
    "nothing.zip": (zipped(), ("empty",)),
    "bomb.csv.gz": (gzip.compress(BOMB), (f"more than {LARGEST_BYTES:,} bytes",)),
    "bomb.zip": (zipped(**{"a.csv": BOMB}), (f"more than {LARGEST_BYTES:,} bytes",)),
    "crowd.zip": (zipped(**{f"{n}.csv": b"" for n in range(1_001)}), ("1,001 members",)),
    "trick.zip": (zipped(**{"../../a.csv": PLAIN}), ("points outside",)),
    "absolute.zip": (zipped(**{"/a.csv": PLAIN}), ("points outside",)),
}
"""By name: the bytes, and what the refusal must say."""
MEMBERS_REFUSED = {
    f"week_ending={WEEKS['zip with bad members']}/a.zip!../evil.csv": ("points outside",),
    f"week_ending={WEEKS['zip with bad members']}/a.zip!page.csv": ("HTML",),
}
LINKS_REFUSED = {
    "link.csv": ("leads out",),
    "loop.csv": ("target does not exist",),
    "linked-folder": ("a link that leads out of the landing folder",),
    "folder.csv": ("a folder", "rename it"),
    "pipe.csv": ("no ordinary file",),
}
TOLD = {
    **{name: told for name, (_, told) in REFUSED.items()},
    **MEMBERS_REFUSED,
    **LINKS_REFUSED,
}
PASSED_OVER = (
    *(".hidden.csv", "~copy.csv", "_part.csv", "a.csv.part", "a.csv.tmp", "a.csv.crdownload"),
    *(".trash/a.csv", "README.md", "linked-folder/a.csv"),
)
"""Names of no delivery."""
