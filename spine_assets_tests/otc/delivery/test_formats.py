"""What people have: the same rows in each form that is read, and what else is named for what it is.

The reference is the text cut line by line; what is read all at once must give the same.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from spine_assets.otc.delivery.content_kind import Encoding
from spine_assets.otc.delivery.file_format import Form, ParsedFile, opened, parse
from spine_assets.otc.delivery.line_cut import cut_line, mend
from spine_assets.otc.delivery.line_split import split_by_line, split_fast
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets_tests.conftest import CAPTURE_DAY, HEADER, delivered, line, with_columns
from spine_assets_tests.support.examples import examples

NAMES = tuple(HEADER.split("|"))
Row = tuple[str, ...]
Writer = Callable[[list[Row]], bytes]


def _csv(rows: list[Row], separator: str, quoting: int = csv.QUOTE_ALL) -> bytes:
    buffer = io.StringIO()
    # The writer's own line end is CR LF.
    csv.writer(buffer, delimiter=separator, quoting=quoting, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]
    return buffer.getvalue().encode()


def as_pipes(rows: list[Row]) -> bytes:
    return "".join(f"{'|'.join(row)}\n" for row in rows).encode()


def as_json(rows: list[Row]) -> bytes:
    names, *values = rows
    return json.dumps([dict(zip(names, row, strict=True)) for row in values]).encode()


def as_json_lines(rows: list[Row]) -> bytes:
    names, *values = rows
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in values).encode()


def as_excel(rows: list[Row]) -> bytes:
    """Each line that holds a comma in quotes, quotes within it doubled."""
    texts = ("|".join(row) for row in rows)
    return "".join(
        '"{}"\n'.format(text.replace('"', '""')) if "," in text else f"{text}\n" for text in texts
    ).encode()


FORMS: dict[str, tuple[Writer, Form]] = {
    "pipes": (as_pipes, Form.PIPES),
    "pipes, all quoted": (lambda rows: _csv(rows, "|"), Form.QUOTED_PIPES),
    "commas, all quoted": (lambda rows: _csv(rows, ","), Form.COMMAS),
    "commas, quoted where needed": (
        lambda rows: _csv(rows, ",", csv.QUOTE_MINIMAL),
        Form.COMMAS,
    ),
    "UTF-16 LE": (lambda rows: as_pipes(rows).decode().encode("utf-16"), Form.PIPES),
    "UTF-16 BE": (lambda r: b"\xfe\xff" + as_pipes(r).decode().encode("utf-16-be"), Form.PIPES),
    "UTF-16 LE without a mark": (lambda r: as_pipes(r).decode().encode("utf-16-le"), Form.PIPES),
    "lower-case header": (
        lambda rows: as_pipes([tuple(n.lower() for n in rows[0]), *rows[1:]]),
        Form.PIPES,
    ),
    "CR alone": (lambda rows: as_pipes(rows).replace(b"\n", b"\r"), Form.PIPES),
    "JSON": (as_json, Form.JSON),
    "JSON lines": (as_json_lines, Form.JSON_LINES),
}
NAME = st.text(
    st.one_of(
        st.sampled_from("ab,\"' ;.&#$é株"),
        st.characters(exclude_characters="|\r\n", exclude_categories=["Cs"]),
    ),
    max_size=8,
).filter(lambda text: not (len(text) > 1 and text.strip(" \t")[:1] == '"'))
ROWS = st.lists(
    st.tuples(
        st.just("OTC"),
        st.sampled_from(["AAAA", "BRK.B", ""]),
        NAME,
        NAME,
        st.sampled_from(["OTCX", ""]),
        st.sampled_from(["100", "0.5", "x", "", "12345678901234567890.123456"]),
        st.sampled_from(["2", "x"]),
        st.sampled_from(["2025-12-22", "2025-13-01", "2099-01-01"]),
    ),
    min_size=1,
    max_size=6,
)


def outcome(file: ParsedFile, first: int) -> tuple[object, ...]:
    """Rows, rejects and shares, with line numbers counted from the first row."""
    rows = file.rows.with_columns(pl.col("source_line") - first)
    rejects = file.rejects.with_columns(pl.col("source_line") - first).drop("raw_line")
    return rows.rows(), rejects.rows(), file.shares


@given(ROWS)
@settings(max_examples=examples(150), deadline=None)
def test_the_same_rows_are_the_same_in_each_form(rows: list[Row]) -> None:
    wanted = outcome(parse(as_pipes([NAMES, *rows]), CAPTURE_DAY), 2)
    for name, (written, form) in FORMS.items():
        content = written([NAMES, *rows])
        file = parse(content, CAPTURE_DAY)
        first = 1 if form in {Form.JSON, Form.JSON_LINES} else 2
        assert outcome(file, first) == wanted, name
        assert file.lines == file.lines_counted == 1 + len(rows), name
        assert 1 + file.rows.height + file.rejects.height == file.lines, name


@given(ROWS)
@settings(max_examples=examples(50), deadline=None)
def test_a_rejected_line_keeps_its_text_as_delivered(rows: list[Row]) -> None:
    for name in ("pipes, all quoted", "commas, quoted where needed", "JSON", "JSON lines"):
        content = FORMS[name][0]([NAMES, *rows])
        file, found = parse(content, CAPTURE_DAY), opened(content)
        for number, raw in file.rejects.select("source_line", "raw_line").iter_rows():
            assert raw == found.line(number)
            assert raw.encode() in content


@given(
    st.lists(
        st.lists(st.text(st.sampled_from('a"" ,|x'), max_size=4), min_size=1, max_size=10).map(
            ",".join
        ),
        max_size=5,
    ),
    st.lists(
        st.lists(
            st.text(st.sampled_from('a" ,|'), max_size=4).map(
                lambda text: '"{}"'.format(text.replace('"', '""'))
            ),
            min_size=7,
            max_size=9,
        ).map(",".join),
        max_size=3,
    ),
    st.sampled_from([",", "|"]),
    st.sampled_from(["", "\n", "\n\n"]),
)
@settings(max_examples=examples(600), deadline=None)
def test_both_splitters_agree_on_quotes(
    loose: list[str], strict: list[str], separator: str, end: str
) -> None:
    texts = [text for text in (*loose, *strict) if text.strip()]
    body = ("\n".join(texts).replace(",", separator) + end).encode()
    fast = split_fast(body, NAMES, 2, separator)
    event(f"fast: {fast is not None}")
    if fast is None:
        return
    slow = split_by_line(body, NAMES, 2, separator)
    assert slow.rejects.is_empty()
    assert_frame_equal(fast.fields, slow.fields)


@given(
    st.lists(
        st.lists(st.text(st.sampled_from('ab" ,|é'), max_size=5), min_size=8, max_size=8),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([",", "|"]),
)
@settings(max_examples=examples(300), deadline=None)
def test_what_is_csv_by_the_letter_is_read_at_once(rows: list[list[str]], separator: str) -> None:
    body = _csv([tuple(row) for row in rows], separator)
    fast = split_fast(body, NAMES, 2, separator)
    assert fast is not None
    assert fast.fields.select(NAMES).rows() == [tuple(row) for row in rows]
    slow = split_by_line(body, NAMES, 2, separator)
    assert_frame_equal(fast.fields, slow.fields)


@pytest.mark.parametrize("issue", ['"Alpha" Corp', '"Alpha', '"', ' "Alpha" "B"'])
def test_a_name_that_begins_with_a_quote_does_not_slow_the_file_down(issue: str) -> None:
    body = "\n".join([line(), line("BBBB", issue=issue), line("CCCC")]).encode()
    fast, slow = split_fast(body, NAMES, 2), split_by_line(body, NAMES, 2)
    assert fast is not None
    assert fast.fields["issueName"].to_list() == ["Alpha Corp", issue, "Alpha Corp"]
    assert_frame_equal(fast.fields, slow.fields)
    assert parse(delivered(line(issue=issue)), CAPTURE_DAY).form is Form.PIPES


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('a|b "c" d|e', ["a", 'b "c" d', "e"]),
        ('a|"b|c"|d', ["a", "b|c", "d"]),
        ('a|"b ""c"""|d', ["a", 'b "c"', "d"]),
        ('"a|b, c|d"', ["a", "b, c", "d"]),
        ('"a|""b"" c, d|e"', ["a", '"b" c, d', "e"]),
        ('a|"b" c|d', ["a", '"b" c', "d"]),
        ('a|"b|d', ["a", '"b', "d"]),
        ('a| "b" |d', ["a", ' "b" ', "d"]),
        ('"a", "b", "c"', ['"a", "b", "c"']),
    ],
)
def test_quotes_mean_something_only_where_a_line_is_whole_with_them(
    text: str, fields: list[str]
) -> None:
    assert cut_line(text, "|", 3) == fields


def test_a_space_before_a_quote_is_passed_over() -> None:
    assert cut_line('"a", "b, c", "d"', ",", 3) == ["a", "b, c", "d"]


def test_an_unclosed_quote_is_text_and_swallows_no_line() -> None:
    texts = [",".join(f'"{cell}"' for cell in line(name).split("|")) for name in ("AAAA", "BBBB")]
    bad = texts[0].replace('Corp"', "Corp")
    header = ",".join(NAMES)
    file = parse(f"{header}\n{texts[0]}\n{bad}\n{texts[1]}\n".encode(), CAPTURE_DAY)
    assert file.rows["issueSymbolIdentifier"].to_list() == ["AAAA", "AAAA", "BBBB"]
    assert file.rows["issueName"].to_list() == ["Alpha Corp", '"Alpha Corp', "Alpha Corp"]
    assert file.rejects.is_empty()


def test_a_line_break_within_quotes_ends_the_line() -> None:
    """No name of FINRA's has one; so one unbalanced quote cannot swallow the lines after it."""
    broken = '"OTC","AAAA","Alpha\nCorp","OTCX ATS","OTCX","100","2","2025-12-22"'
    good = ",".join(line("BBBB").split("|"))
    file = parse(f"{','.join(NAMES)}\n{broken}\n{good}\n".encode(), CAPTURE_DAY)
    assert file.rejects.select("reason", "source_line").rows() == [
        ("FIELD_COUNT", 2),
        ("FIELD_COUNT", 3),
    ]
    assert "not closed" in file.rejects["detail"][0]
    assert file.rows["source_line"].to_list() == [4]


# --- a separator in a name


@pytest.mark.parametrize(
    ("issue", "name", "column"),
    [
        ("Alpha|Beta", "OTCX OTC LINK", "issueName"),
        ("Alpha", "OTCX OTC|LINK", "marketParticipantName"),
        ("A|B|C", "OTCX OTC LINK", "issueName"),
        ("A|B", "OTCX|X", "issueName+marketParticipantName"),
        ("|", "OTCX OTC LINK", "issueName"),
        ("Alpha|", "OTCX", "issueName"),
    ],
)
def test_a_name_with_a_pipe_is_put_together(issue: str, name: str, column: str) -> None:
    text = line("BBBB", issue=issue, name=name)
    file = parse(delivered(line(), text), CAPTURE_DAY)
    assert file.rejects.is_empty()
    row = file.rows.row(1, named=True)
    assert (row["issueName"], row["marketParticipantName"]) == (issue, name)
    assert row["totalWeeklyShareQuantity"] == 100
    assert row["notes"] == f"FIELD_COUNT {column}"


@pytest.mark.parametrize(
    "text",
    [
        line("BBBB", "", issue="Alpha|Beta", name="CITADEL", shares="7.5"),
        line("BBBB", issue="OTCX a", name="OTCX a|OTCX b", shares="7.5"),
        line("BBBB", issue="Alpha|Beta", name="Link of another name", shares="7.5"),
    ],
)
def test_where_more_than_one_reading_is_possible_the_line_is_a_reject_with_its_shares(
    text: str,
) -> None:
    file = parse(delivered(line(), text), CAPTURE_DAY)
    (found,) = file.rejects.to_dicts()
    assert (found["reason"], found["share_volume"], found["raw_line"]) == (
        "FIELD_COUNT",
        Decimal("7.5"),
        text,
    )
    assert file.shares == Decimal("107.5")


@pytest.mark.parametrize(
    "text",
    [
        line() + "|",
        line() + "|x",
        line("BBBB", issue="A|B", shares="abc"),
        line("BBBB", issue="A|B", updated="12/22/2025"),
        line("BBBB") + "|" + line("CCCC"),
        line("BBBB", issue="A|B", tier="Tier 9"),
    ],
)
def test_a_line_that_fits_in_no_way_is_a_reject_without_shares(text: str) -> None:
    (found,) = parse(delivered(line(), text), CAPTURE_DAY).rejects.to_dicts()
    assert (found["reason"], found["share_volume"]) == ("FIELD_COUNT", None)


def test_an_unquoted_comma_in_a_name_is_put_together() -> None:
    text = "OTC,BBBB,Beta, Inc,OTCX OTC LINK ECN ATS,OTCX,100,2,2025-12-22"
    file = parse(f"{','.join(NAMES)}\n{text}\n".encode(), CAPTURE_DAY)
    assert file.rows["issueName"].to_list() == ["Beta, Inc"]
    assert file.rows["notes"].to_list() == ["FIELD_COUNT issueName"]


def test_a_column_that_may_hold_the_separator_and_is_not_known_is_never_put_together() -> None:
    header, text = with_columns(colour="red")
    file = parse(delivered(text + "|green", header=header), CAPTURE_DAY)
    (found,) = file.rejects.to_dicts()
    assert (found["reason"], found["share_volume"]) == ("FIELD_COUNT", Decimal(100))


def test_columns_between_the_names_tell_which_of_them_it_is() -> None:
    names = ("issueName", "lastUpdateDate", "marketParticipantName")
    header = (*names, *(name for name in NAMES if name not in names))
    parts = ["A", "B", "2025-12-22", "CITADEL", "OTC", "AAAA", "", "1", "2"]
    assert mend(parts, "|", header).fields == ["A|B", *parts[2:]]


# --- JSON


def test_numbers_of_json_keep_every_digit() -> None:
    content = b"""[{"tierDescription": "OTC", "issueSymbolIdentifier": "AAAA", "issueName": null,
      "marketParticipantName": "OTCX ATS", "MPID": "OTCX", "lastUpdateDate": "2025-12-22",
      "totalWeeklyShareQuantity": 90071992547.409931, "totalWeeklyTradeCount": 2.0,
      "totalNotionalSum": 1.5E7, "new": {"a": [1, true]}, "historicalWeek": "2025-11-17"}]"""
    row = parse(content, CAPTURE_DAY).rows.row(0, named=True)
    assert row["totalWeeklyShareQuantity"] == Decimal("90071992547.409931")
    assert row["totalWeeklyTradeCount"] == 2
    assert row["totalNotionalSum"] == Decimal(15_000_000)
    assert (row["issueName"], row["source_line"]) == ("", 1)
    assert json.loads(row["extra"]) == {
        "new": '{"a": ["1", true]}',
        "historicalWeek": "2025-11-17",
    }


def of_json(*more: str, **changed: str) -> str:
    found = dict(zip(NAMES, line().split("|"), strict=True)) | changed
    return json.dumps(found)[:-1] + "".join(more) + "}"


def test_rows_of_json_may_differ_in_their_names() -> None:
    rows = (of_json(), of_json(', "colour": "red"'), of_json(MPID="X").replace("MPID", "mpid"))
    file = parse(f"[{','.join(rows)}]".encode(), CAPTURE_DAY)
    assert file.rows["extra"].to_list() == [None, '{"colour":"red"}', None]
    assert file.rows["MPID"].to_list() == ["OTCX", "OTCX", "X"]


@pytest.mark.parametrize(
    ("bad", "reason", "shares"),
    [
        (of_json(', "MPID": "X"'), "FIELD_COUNT", None),
        (of_json(issueName="\\ud800").replace("\\\\u", "\\u"), "BAD_ENCODING", Decimal(100)),
        (of_json(totalWeeklyShareQuantity="x"), "NOT_A_NUMBER", None),
        (of_json(lastUpdateDate=""), "BAD_DATE", Decimal(100)),
        ("{}", "BLANK_NUMBER", None),
    ],
)
def test_a_bad_row_of_json_is_a_reject_with_its_text(
    bad: str, reason: str, shares: Decimal | None
) -> None:
    content = f"[{of_json()},\n {bad},\n{of_json(issueSymbolIdentifier='ZZZZ')}]".encode()
    file = parse(content, CAPTURE_DAY)
    assert file.rows["source_line"].to_list() == [1, 3]
    assert file.rejects.select("reason", "source_line", "share_volume", "raw_line").rows() == [
        (reason, 2, shares, bad)
    ]
    assert (file.lines, file.lines_counted) == (4, 4)


def test_bytes_of_json_that_are_no_text_cost_their_row() -> None:
    bad = of_json(issueName="?").encode().replace(b"?", b"\xe9")
    file = parse(b"[" + of_json().encode() + b"," + bad + b"]", CAPTURE_DAY)
    assert file.rows.height == 1
    (found,) = file.rejects.to_dicts()
    assert (found["reason"], found["share_volume"]) == ("BAD_ENCODING", Decimal(100))
    assert "\\xe9" in found["raw_line"]


def test_lines_of_json_have_the_numbers_of_the_file() -> None:
    content = f"\n{of_json()}\r\n\n{{cut\n{of_json(MPID='X')}\n".encode()
    file = parse(content, CAPTURE_DAY)
    assert file.rows["source_line"].to_list() == [2, 5]
    assert file.rejects.select("reason", "source_line", "raw_line").rows() == [
        ("FIELD_COUNT", 4, "{cut")
    ]
    assert (file.lines_counted, file.lines, file.blank_lines) == (6, 6, 2)
    assert opened(content).line(5) == of_json(MPID="X")


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(st.sampled_from('a"\\,[]{}\n'))),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=2), inner, max_size=3)
        ),
        max_leaves=12,
    )
)
@settings(max_examples=examples(200), deadline=None)
def test_rows_of_json_are_counted_on_the_bytes(extra: object) -> None:
    rows = [{**dict(zip(NAMES, line().split("|"), strict=True)), "x": extra}] * 3
    for indent in (None, 1):
        file = parse(json.dumps(rows, indent=indent).encode(), CAPTURE_DAY)
        assert (file.lines_counted, file.rows.height) == (4, 3)


# --- what is not read


def refusal(content: bytes) -> str:
    with pytest.raises(FileRefused) as caught:
        parse(content, CAPTURE_DAY)
    return str(caught.value)


GOOD = as_pipes([NAMES, tuple(line().split("|"))])
ONE_ROW = as_json([NAMES, tuple(line().split("|"))])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "an old Excel workbook (.xls)"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
        (b"PAR1" + bytes(100), "a Parquet file"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(20), "a 7-Zip archive"),
        (b"Rar!\x1a\x07\x01" + bytes(20), "a RAR archive"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "packed with Zstandard"),
        (b"SQLite format 3\x00" + bytes(20), "an SQLite database"),
        ("\ufeffa".encode("utf-32"), "text in UTF-32"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (bytes(range(256)) * 100, "not text (its first bytes are 00 01 02 03"),
        (line().encode(), "line 1 is a row ('OTC|AAAA|Alpha Corp"),
        (GOOD + GOOD, "line 3 is a header again: two downloads are joined"),
        (GOOD + GOOD.upper(), "line 3 is a header again"),
        (GOOD + GOOD.replace(b"|", b","), "line 3 is a header again"),
        (b"[]", "no rows"),
        (b"[1, 2]", "row 1 of the JSON list is '1', which is no object"),
        (b"[[[[", "cut or damaged in row 1"),
        (b"[" * 100_000, "cut or damaged in row 1"),
        (ONE_ROW[:-20], "cut or damaged in row 1"),
        (ONE_ROW + ONE_ROW, "a second list begins after row 1: two downloads are joined"),
        (ONE_ROW + b" x", "the JSON list ends with row 1, but 'x' follows"),
        (b'{"statusCode": 401, "message": "no"}', "object with message, statusCode, not a list"),
        (b'{"data": [{"MPID": "X"}]}', "a JSON object with data, not a list of rows"),
        (ONE_ROW.replace(b"MPID", b"venue"), "missing: 'MPID'; unknown: 'venue'"),
        (json.dumps([{f"n{n}": n for n in range(300)}]).encode(), "more than 200 different names"),
        (b'["' + b"x" * 2_000_000 + b'"]', "one of its rows has 2,000,0"),
        (b"[" + b"{}," * 1_000_001 + b"{}]", "1,000,002 rows, more than 1,000,000"),
    ],
    ids=lambda value: value[:12] if isinstance(value, bytes) else None,
)
def test_what_is_not_read_is_named_for_what_it_is_in_one_line(content: bytes, told: str) -> None:
    found = refusal(content)
    assert told in found
    assert "\n" not in found
    assert len(found) < 400
    assert "\\x00" not in found


def test_form_and_encoding_are_told() -> None:
    found = {
        name: parse(w([NAMES, tuple(line().split("|"))]), CAPTURE_DAY)
        for name, (w, _) in FORMS.items()
    }
    assert {name: file.form for name, file in found.items()} == {
        name: form for name, (_, form) in FORMS.items()
    }
    assert found["UTF-16 BE"].encoding is Encoding.UTF_16_BE
    assert found["UTF-16 LE without a mark"].encoding is Encoding.UTF_16_LE
    assert parse(b"\xef\xbb\xbf" + GOOD, CAPTURE_DAY).encoding is Encoding.UTF_8_MARKED


@pytest.mark.parametrize("byte_order", ["le", "be"])
@pytest.mark.parametrize("cut", range(1, 6))
def test_utf_16_that_is_cut_within_a_character_costs_its_last_line_at_most(
    byte_order: str, cut: int
) -> None:
    text = "\ufeff" + delivered(line("AAAA"), line("BBBB")).decode()
    file = parse(text.encode(f"utf-16-{byte_order}")[:-cut], CAPTURE_DAY)
    assert file.rows["issueSymbolIdentifier"].to_list()[0] == "AAAA"
    assert file.rows.height + file.rejects.height == 2
    assert file.rows["lastUpdateDate"].unique().to_list() == [date(2025, 12, 22)]


def test_excel_quotes_a_line_whose_name_holds_a_comma() -> None:
    rows = [NAMES, tuple(line(issue='Alpha "A", Inc').split("|")), tuple(line("BBBB").split("|"))]
    excel, plain = parse(as_excel(rows), CAPTURE_DAY), parse(as_pipes(rows), CAPTURE_DAY)
    assert excel.rejects.is_empty()
    assert_frame_equal(excel.rows, plain.rows)


@pytest.mark.parametrize("header", [HEADER.lower(), HEADER.upper(), HEADER.title()])
def test_columns_are_found_by_name_in_any_case(header: str) -> None:
    assert parse(delivered(line(), header=header), CAPTURE_DAY).header == NAMES


def test_two_columns_that_differ_in_case_alone_are_one_repeated() -> None:
    header, text = with_columns(mpid="OTCX")
    assert "repeated: 'MPID'" in refusal(delivered(text, header=header))
