"""What people have in place of FINRA's download file: read as what it is, or named for what it is.

Each case is a file and a week of its own, and all weeks are one run of the job. A second run reads
what was changed after the first.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import pytest

from spine_assets.core.settings import load_settings
from spine_assets.core.weeks import Tier, VenueClass, monday_of, publication_day
from spine_assets.finra.api import Dataset, Question
from spine_assets.finra.delivered import content as fetched
from spine_assets.otc.delivery import landing_index
from spine_assets.otc.delivery.scan import scan
from spine_assets_tests.conftest import HEADER, line
from spine_assets_tests.support.projects import Outcome
from spine_assets_tests.support.sites import Figures, Site, Week, content, opened
from spine_assets_tests.support.whole_files import zipped

LAST_WEEK = date(2025, 10, 31)
GOOD: Figures = {("AAAA", "OTCX"): (Decimal(100), 2), ("BBBB", "OTCX"): (Decimal("7.5"), 1)}
NAMES = ("Alpha, Inc", 'Beta "B" Corp')
OLD_XLS = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2_000)


def day(week: date) -> str:
    return str(publication_day(week, Tier.OTC))


def plain(week: date) -> list[list[str]]:
    """FINRA's header, and a row for each of `GOOD`."""
    lines = (
        line("AAAA", issue=NAMES[0], updated=day(week)),
        line("BBBB", shares="7.5", trades="1", issue=NAMES[1], updated=day(week)),
    )
    return [text.split("|") for text in (HEADER, *lines)]


def api(week: date) -> list[list[str]]:
    """The same with columns of FINRA's API, and one that it does not have yet."""
    more = {
        "tierIdentifier": "OTCE",
        "firmCRDNumber": "7560",
        "summaryTypeCode": "ATS_W_SMBL_FIRM",
        "weekStartDate": str(monday_of(week)),
        "historicalWeek": str(monday_of(week)),
        "addedTomorrow": "x, y",
    }
    header, *rows = plain(week)
    return [[*more, *header], *([*more.values(), *row] for row in rows)]


def as_csv(rows: list[list[str]], separator: str = ",", quoting: Any = csv.QUOTE_ALL) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator, quoting=quoting).writerows(rows)  # ends with CR LF
    return buffer.getvalue().encode()


def as_text(rows: list[list[str]]) -> bytes:
    return "".join(f"{'|'.join(row)}\n" for row in rows).encode()


def as_objects(rows: list[list[str]]) -> list[dict[str, Any]]:
    """Rows as FINRA's API answers: quantities are numbers, and what is blank is null."""
    header, *values = rows
    numbers = {"totalWeeklyShareQuantity": float, "totalWeeklyTradeCount": int}
    return [
        {
            name: numbers.get(name, str)(text) if text else None
            for name, text in zip(header, row, strict=True)
        }
        for row in values
    ]


def some_quoted(rows: list[list[str]]) -> bytes:
    """Names in quotes, all else without."""
    header, *values = rows
    texts = ["|".join(header)]
    for row in values:
        quoted = ['"{}"'.format(text.replace('"', '""')) for text in row[2:4]]
        texts.append("|".join([*row[:2], *quoted, *row[4:]]))
    return "".join(f"{text}\n" for text in texts).encode()


def as_excel(rows: list[list[str]]) -> bytes:
    """What a spreadsheet makes of lines that it took for one cell each."""
    return as_csv([["|".join(row)] for row in rows], quoting=csv.QUOTE_MINIMAL)


def mac_zip(week: date) -> bytes:
    return zipped(
        **{
            "week/otc.csv": as_text(plain(week)),
            "__MACOSX/week/._otc.csv": b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X",
            ".DS_Store": b"\x00\x00\x00\x01Bud1",
        }
    )


class Form(NamedTuple):
    """A name, and what makes the file of a week."""

    name: str
    made: Callable[[date], bytes]


FORMS = {
    "API CSV with commas and quotes": Form("a.csv", lambda week: as_csv(api(week))),
    "commas, quotes where needed": Form(
        "a.csv", lambda week: as_csv(plain(week), quoting=csv.QUOTE_MINIMAL)
    ),
    "pipes, all quoted": Form("a.psv", lambda week: as_csv(api(week), "|")),
    "pipes, names quoted": Form("a.csv", lambda week: some_quoted(plain(week))),
    "JSON": Form("a.json", lambda week: json.dumps(as_objects(api(week)), indent=1).encode()),
    "JSON lines": Form(
        "a.jsonl.gz",
        lambda week: gzip.compress(
            "".join(json.dumps(row) + "\n" for row in as_objects(plain(week))).encode()
        ),
    ),
    "JSON by another name": Form(
        "a.csv", lambda week: json.dumps(as_objects(plain(week))).encode()
    ),
    "lower-case header": Form(
        "a.csv", lambda w: as_text([[name.lower() for name in api(w)[0]], *api(w)[1:]])
    ),
    "Excel's quoted lines": Form("a.csv", lambda week: as_excel(plain(week))),
    "UTF-16 LE": Form("a.csv", lambda w: as_text(plain(w)).decode().encode("utf-16")),
    "UTF-16 BE": Form(
        "a.txt", lambda w: ("\ufeff" + as_text(plain(w)).decode()).encode("utf-16-be")
    ),
    "UTF-16 CSV": Form("a.csv", lambda w: as_csv(plain(w)).decode().encode("utf-16")),
    "CR alone": Form("a.csv", lambda week: as_text(plain(week)).replace(b"\n", b"\r")),
    "a Mac's zip": Form("a.zip", mac_zip),
    "gzip by another name": Form("a.csv", lambda week: gzip.compress(as_text(plain(week)))),
    "text in a workbook's name": Form("a.xlsx", lambda week: as_text(plain(week))),
}
KINDS = tuple(FORMS)
WEEKS = {kind: LAST_WEEK - timedelta(weeks=at) for at, kind in enumerate(KINDS)}
(BOTH, MENDED, IN_DOUBT, FETCHED, CORRECTED, MISREAD) = (
    LAST_WEEK - timedelta(weeks=len(KINDS) + at) for at in range(6)
)


MISREAD_FILES = (f"week_ending={MISREAD}/a.csv", f"week_ending={MISREAD}/totals.csv")


def both_classes() -> bytes:
    """An answer without a filter of summary types: two classes, and their totals."""
    rows = {
        "ATS_W_SMBL_FIRM": line("AAAA", updated=day(BOTH)),
        "OTC_W_SMBL_FIRM": line("AAAA", "", "40", "4", name="CITADEL", updated=day(BOTH)),
        "ATS_W_SMBL": line("AAAA", "", name="", updated=day(BOTH)),
        "OTC_W_SMBL": line("AAAA", "", "40", "4", name="", updated=day(BOTH)),
    }
    texts = [[code, *text.split("|")] for code, text in rows.items()]
    return as_csv([["summaryTypeCode", *HEADER.split("|")], *texts])


def corrected(shares: str, updated: str) -> bytes:
    return content(line("AAAA", shares=shares, updated=updated))


def fetched_row(symbol: str, issue: str, shares: int) -> dict[str, Any]:
    """A row of FINRA's API."""
    return {
        "tierIdentifier": "OTCE",
        "tierDescription": "OTC",
        "issueSymbolIdentifier": symbol,
        "issueName": issue,
        "MPID": "OTCX",
        "marketParticipantName": "OTCX OTC LINK ECN ATS",
        "summaryTypeCode": "ATS_W_SMBL_FIRM",
        "totalWeeklyShareQuantity": shares,
        "totalWeeklyTradeCount": 1,
        "weekStartDate": str(monday_of(FETCHED)),
        "lastUpdateDate": day(FETCHED),
    }


JOINED = as_text(plain(MISREAD)) + as_text(plain(MISREAD))
ONE_FILE = as_text(plain(MISREAD))
REFUSED: dict[str, tuple[bytes, str]] = {
    "joined.csv": (JOINED, "line 4 is a header again: two downloads are joined"),
    "joined.json": (
        2 * json.dumps(as_objects(plain(MISREAD))).encode(),
        "a second list begins after row 2: two downloads are joined",
    ),
    "book.xlsx": (
        zipped(**{"docProps/app.xml": b"<a/>", "[Content_Types].xml": b"<a/>"}),
        "this is an Excel workbook (.xlsx), not a data file",
    ),
    "book-in-disguise.csv": (
        zipped(**{"[Content_Types].xml": b"<a/>", "xl/workbook.xml": b"<a/>"}),
        "this is an Excel workbook (.xlsx), not a data file",
    ),
    "book.xls": (OLD_XLS, "this is an old Excel workbook (.xls), not a data file"),
    "page.json": (b"<!DOCTYPE html><html>", "this is an HTML or XML page"),
    "paper.pdf": (b"%PDF-1.4\n", "this is a PDF document"),
    "week.parquet": (b"PAR1" + bytes(50) + b"PAR1", "this is a Parquet file"),
    "tabs.tsv": (ONE_FILE.replace(b"|", b"\t"), "it is tab-delimited (line 1: 'tierDescription"),
    "semicolons.csv": (ONE_FILE.replace(b"|", b";"), "it is semicolon-delimited (line 1: "),
    "cut.json": (
        json.dumps(as_objects(plain(MISREAD))).encode()[:-90],
        "the JSON is cut or damaged in row 2 ('{",
    ),
    "error.json": (b'{"statusCode": 429, "message": "too many"}', "not a list of rows"),
    "zeros.csv": (bytes(5_000), "not text (its first bytes are 00 00"),
}


class Batch(NamedTuple):
    """The site after its runs."""

    site: Site
    ran: Outcome
    again: Outcome
    misread: Outcome

    def week(self, week: date) -> Week:
        return self.site.week(week, self.ran)


@pytest.fixture(scope="module")
def batch(
    tmp_path_factory: pytest.TempPathFactory, code_location: dg.Definitions
) -> Iterator[Batch]:
    """All files, a run, two files that are not what the index says, and their runs."""
    root = tmp_path_factory.mktemp("formats")
    with opened(root, code_location, forgets=True) as site:
        for kind, week in WEEKS.items():
            site.drop(f"week_ending={week}/{FORMS[kind].name}", FORMS[kind].made(week))
        site.drop(f"week_ending={BOTH}/both.csv", both_classes())
        site.drop(f"week_ending={MENDED}/a.csv", with_pipes(MENDED))
        site.drop(f"week_ending={IN_DOUBT}/a.csv", pipes_in_doubt())
        question = Question(FETCHED, Tier.OTC, Dataset.CURRENT, VenueClass.ATS)
        rows = [fetched_row("AAAA", "Alpha|Beta", 3), fetched_row("BBBB", '"Gamma"', 5)]
        site.drop("finra/fetched.csv.gz", gzip.compress(fetched(rows, question)))
        first = site.drop(f"week_ending={CORRECTED}/a.csv", corrected("100", day(CORRECTED)))
        for name, (delivered, _) in REFUSED.items():
            site.drop(name, delivered)
        ran = site.runner.range(CORRECTED, LAST_WEEK)
        overwrite_in_secret(first, corrected("900", "2026-01-05"))
        again = site.runner.week(CORRECTED)
        misread_index(site)
        yield Batch(site, ran, again, site.runner.week(MISREAD))


def with_pipes(week: date) -> bytes:
    """Pipes in unquoted names, of which each can be in one place alone."""
    return content(
        line("AAAA", issue="Alpha|Beta", updated=day(week)),
        line("BBBB", shares="7.5", trades="1", name="OTCX A|B", updated=day(week)),
    )


def pipes_in_doubt() -> bytes:
    """A pipe that may be in either name."""
    return content(
        line("AAAA", "", name="CITADEL", updated=day(IN_DOUBT)),
        line("BBBB", "", "7.5", "1", issue="Alpha|Beta", name="VIRTU", updated=day(IN_DOUBT)),
    )


def overwrite_in_secret(path: Path, delivered: bytes) -> None:
    """Another content of equal size, and the time of modification set back."""
    before = path.stat()
    assert before.st_size == len(delivered)
    path.write_bytes(delivered)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def misread_index(site: Site) -> None:
    """A new file, of which the index says another hash: as if it had changed unseen."""
    site.drop(f"week_ending={MISREAD}/a.csv", as_text(plain(MISREAD)))
    index = load_settings().landing_index_path
    site.drop(f"week_ending={MISREAD}/totals.csv", totals())
    scan(site.project.landing, index)
    files = landing_index.load(index)
    for name in MISREAD_FILES:
        files[name]["contents"][0]["sha256"] = "0" * 64
    assert landing_index.save(index, files)


def totals() -> bytes:
    """FINRA's sums of the rows of MISREAD by symbol."""
    rows = (
        line("AAAA", "", name="", updated=day(MISREAD)),
        line("BBBB", "", "7.5", "1", name="", updated=day(MISREAD)),
    )
    return content(*(f"{row}|ATS_W_SMBL" for row in rows), header=f"{HEADER}|summaryTypeCode")


@pytest.mark.parametrize("kind", KINDS)
def test_what_people_have_is_read(batch: Batch, kind: str) -> None:
    week = batch.week(WEEKS[kind])
    assert week.is_built
    week.assert_totals_are(GOOD)
    assert week.rejects == []
    names = week.rows("symbol, issue_name, venue_name, mpid", "otc_raw")
    assert names == [
        ("AAAA", NAMES[0], "OTCX OTC LINK ECN ATS", "OTCX"),
        ("BBBB", NAMES[1], "OTCX OTC LINK ECN ATS", "OTCX"),
    ]
    first = 1 if "JSON" in kind else 2
    assert week.rows("source_line, notes", "otc_raw") == [(first, None), (first + 1, None)]
    assert week.check("otc_raw", "conservation").passed


def test_a_row_has_the_same_hash_in_each_form(batch: Batch) -> None:
    """Of one week, that is: the hash covers the date."""
    week = WEEKS["JSON by another name"]
    site = batch.site
    before = set(batch.week(week).rows("record_hash", "otc_raw"))
    for name, delivered in (
        ("b.csv", as_csv(plain(week))),
        ("c.csv", as_text(plain(week))),
        ("d.csv", as_excel(plain(week))),
        ("e.csv", as_text(plain(week)).decode().encode("utf-16")),
    ):
        site.drop(f"week_ending={week}/{name}", delivered)
    again = site.runner.week(week)
    assert again.success
    found = site.week(week, again).rows("source_file, record_hash", "otc_raw")
    assert len(found) == 5 * len(GOOD)
    assert {(text,) for _, text in found} == before


@pytest.mark.parametrize("kind", ["API CSV with commas and quotes", "JSON", "lower-case header"])
def test_columns_that_are_not_known_are_kept(batch: Batch, kind: str) -> None:
    week = WEEKS[kind]
    names = ("historicalWeek", "addedTomorrow")
    if kind == "lower-case header":
        names = ("historicalweek", "addedtomorrow")
    extra = json.dumps(dict(zip(names, (str(monday_of(week)), "x, y"), strict=True)))
    found = batch.week(week).rows("extra, firm_crd", "otc_raw")
    assert [(json.loads(text), crd) for text, crd in found] == [(json.loads(extra), "7560")] * 2


def test_both_classes_in_one_file_are_a_capture_each(batch: Batch) -> None:
    week = batch.week(BOTH)
    volumes = week.rows("venue_class, mpid, share_volume, trade_count", "otc_venue_volume")
    assert volumes == [
        ("ATS", "OTCX", Decimal(100), 2),
        ("NON_ATS", "FIRM:CITADEL", Decimal(40), 4),
    ]
    summary = week.rows("ats_volume, non_ats_volume, total_volume", "otc_symbol_summary")
    assert summary == [(Decimal(100), Decimal(40), Decimal(140))]
    assert week.check("otc_raw", "conservation").passed
    lines = week.rows("source_line, venue_class", "otc_raw")
    assert lines == [(2, "ATS"), (3, "NON_ATS")]
    assert len(week.rows("DISTINCT capture_id", "otc_raw")) == 2
    listed = batch.site.spine("captures", "--week", str(BOTH), "--json")
    assert [item["venue_class"] for item in json.loads(listed.stdout)] == ["ATS", "NON_ATS"]
    assert batch.site.runner.week(BOTH).success
    assert len(week.rows("DISTINCT capture_id", "otc_raw")) == 2


def test_a_name_with_a_pipe_is_one_field(batch: Batch) -> None:
    week = batch.week(MENDED)
    week.assert_totals_are(GOOD)
    assert week.rejects == []
    assert week.rows("issue_name, venue_name, notes", "otc_raw") == [
        ("Alpha Corp", "OTCX A|B", "FIELD_COUNT marketParticipantName"),
        ("Alpha|Beta", "OTCX OTC LINK ECN ATS", "FIELD_COUNT issueName"),
    ]
    week.assert_nothing_is_lost(with_pipes(MENDED))
    assert "FIELD_COUNT issueName x1" in week.said("otc_raw", "notes")


def test_a_pipe_of_which_the_name_is_not_certain_is_one_reject_with_its_shares(
    batch: Batch,
) -> None:
    week = batch.week(IN_DOUBT)
    week.assert_totals_are({("AAAA", "FIRM:CITADEL"): (Decimal(100), 2)})
    (reject,) = week.rejects
    assert (reject.reason, reject.source_line, reject.share_volume) == (
        "FIELD_COUNT",
        3,
        Decimal("7.5"),
    )
    week.assert_nothing_is_lost(pipes_in_doubt())


def test_a_fetched_name_with_a_pipe_is_read_as_it_was(batch: Batch) -> None:
    week = batch.week(FETCHED)
    assert week.rows("symbol, issue_name, share_volume, notes", "otc_raw") == [
        ("AAAA", "Alpha|Beta", Decimal(3), None),
        ("BBBB", '"Gamma"', Decimal(5), None),
    ]


def test_a_corrected_file_of_equal_size_and_modification_time_is_read(batch: Batch) -> None:
    assert batch.again.success
    week = batch.site.week(CORRECTED, batch.again)
    week.assert_totals_are({("AAAA", "OTCX"): (Decimal(900), 2)})
    assert len(week.rows("DISTINCT capture_id", "otc_raw")) == 2


def test_a_file_that_is_not_what_the_index_says_is_read_in_the_same_run(batch: Batch) -> None:
    assert batch.misread.success, batch.misread.failure
    batch.site.week(MISREAD, batch.misread).assert_totals_are(GOOD)
    files = landing_index.load(load_settings().landing_index_path)
    for name in MISREAD_FILES:
        assert files[name]["contents"][0]["sha256"] != "0" * 64
    week = batch.site.week(MISREAD, batch.misread)
    found = week.rows("symbol, share_volume", "otc_control_totals")
    assert found == [("AAAA", Decimal(100)), ("BBBB", Decimal("7.5"))]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_named_in_one_line(batch: Batch, name: str) -> None:
    reason = batch.site.refusals()[name]
    assert REFUSED[name][1] in reason
    assert "\n" not in reason
    assert len(reason) < 300
    sql = "SELECT count(*) FROM otc_raw WHERE source_file = $name"
    assert batch.site.rows(sql, name=name) == [(0,)]


def test_nothing_else_is_refused(batch: Batch) -> None:
    assert set(batch.site.refusals()) == set(REFUSED)


class TestCheckFile:
    """`spine check-file`, over the files of the runs."""

    def test_a_captured_file(self, batch: Batch) -> None:
        name = f"week_ending={WEEKS['UTF-16 CSV']}/a.csv"
        told = batch.site.spine("check-file", name, "--json")
        assert told.exit_code == 0, told.output
        (found,) = json.loads(told.stdout)
        (checked,) = found["contents"]
        assert (checked["form"], checked["encoding"], checked["week_ending"]) == (
            "comma-delimited",
            "UTF-16 (little-endian)",
            str(WEEKS["UTF-16 CSV"]),
        )
        (part,) = checked["parts"]
        assert part["outcome"] == "its content is captured already"
        assert (part["tier"], part["venue_class"], part["rows"]) == ("OTC", "ATS", 2)

    def test_each_part_of_a_file(self, batch: Batch) -> None:
        told = batch.site.spine("check-file", f"week_ending={BOTH}/both.csv", "--json")
        (found,) = json.loads(told.stdout)
        parts = found["contents"][0]["parts"]
        assert [(part["venue_class"], part["grain"], part["rows"]) for part in parts] == [
            ("ATS", "venues", 1),
            ("NON_ATS", "venues", 1),
            ("ATS", "totals", 1),
            ("NON_ATS", "totals", 1),
        ]

    @pytest.mark.parametrize("name", REFUSED)
    def test_a_refused_file(self, batch: Batch, name: str) -> None:
        told = batch.site.spine("check-file", name)
        assert told.exit_code == 1
        assert REFUSED[name][1] in " ".join(told.stdout.split())

    def test_a_new_file_outside_and_nothing_is_written(self, batch: Batch, tmp_path: Path) -> None:
        file = tmp_path / "otc.csv"
        bad = line("CCCC", shares="abc", updated=day(LAST_WEEK))
        file.write_bytes(as_text(plain(LAST_WEEK)) + f"{bad}\n".encode())
        root = batch.site.project.root
        before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
        told = batch.site.spine("check-file", str(file))
        assert told.exit_code == 0, told.output
        for text in (
            f"week ending {LAST_WEEK}, by its update dates",
            "would be captured: ",
            "rejected: NOT_A_NUMBER 1 (line 4)",
        ):
            assert text in " ".join(told.stdout.split())
        assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before

    def test_a_name_that_is_passed_over(self, batch: Batch, tmp_path: Path) -> None:
        file = tmp_path / "otc.csv.part"
        file.write_bytes(as_text(plain(LAST_WEEK)))
        told = batch.site.spine("check-file", str(file))
        assert told.exit_code == 1
        assert "passed over in the landing folder" in " ".join(told.stdout.split())

    def test_a_file_that_does_not_exist(self, batch: Batch) -> None:
        told = batch.site.spine("check-file", "nothing.csv")
        assert told.exit_code == 1
        assert "No such file" in told.output
