"""Contents as they may be delivered: mostly sound with some defects, and some wild bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from hypothesis import strategies as st

from spine_assets_tests.abuse.odd_values import ODD_DATES, ODD_NUMBERS, ODD_TEXT
from spine_assets_tests.abuse.oracle import API_COLUMNS, COLUMNS, SHARES, TRADES, UPDATED

T = TypeVar("T")
Draw = st.DrawFn
BOM = b"\xef\xbb\xbf"
SUMMARY_TYPES = ("ATS_W_SMBL_FIRM", "OTC_W_SMBL_FIRM", "ATS_W_SMBL", "OTC_W_FIRM", "ODD", "")
TIER_TEXTS = ("OTC", "NMS Tier 1", "NMS Tier 2", "otc", " NMS  tier 2", "T1", "OTCE", "Tier 9", "")


def weighted(*pairs: tuple[int, st.SearchStrategy[T]]) -> st.SearchStrategy[T]:
    """One of some strategies, each as often as its weight says."""
    choices = [number for number, (weight, _) in enumerate(pairs) for _ in range(weight)]
    return st.sampled_from(choices).flatmap(lambda number: pairs[number][1])


def seldom(
    usual: st.SearchStrategy[T], odd: st.SearchStrategy[T], one_in: int = 8
) -> st.SearchStrategy[T]:
    """The usual, and once in so often the odd."""
    return st.integers(1, one_in).flatmap(lambda n: odd if n == one_in else usual)


NUMBERS = weighted(
    (1, st.integers(0, 10**9).map(str)),
    (1, st.integers(0, 10**10).map(lambda n: f"{n / 1e4:.4f}")),
    (1, st.integers(-(10**9), 10**24).map(str)),
    (6, st.sampled_from(ODD_NUMBERS)),
    (1, st.text("0123456789.-+e, ", max_size=30)),
)
DATES = weighted(
    (3, st.sampled_from(ODD_DATES)),
    (1, st.dates().map(str)),
    (1, st.text("0123456789-/T", max_size=11)),
)
TEXTS = weighted(
    (4, st.sampled_from(ODD_TEXT)),
    (1, st.text(st.characters(exclude_categories=["Cs"]), max_size=8)),
)
POOLS = ("DE  MINIMIS Firms", "De Minimis Firm", "DE MINIMIS FIRMS*", "de-minimis")
DEFECTS: dict[str, st.SearchStrategy[str]] = {
    "tierDescription": st.sampled_from(TIER_TEXTS),
    "issueSymbolIdentifier": weighted((2, st.just("")), (1, st.just("aaaa")), (1, TEXTS)),
    "issueName": TEXTS,
    "marketParticipantName": weighted((2, TEXTS), (1, st.sampled_from(POOLS))),
    "MPID": weighted(
        (2, st.sampled_from(["", "null", "OTCX\u200b", "\u00a0OTCX", "OT\u00adCX"])),
        (1, st.sampled_from(["DE_MINIMIS", "CRD7059"])),
        (1, TEXTS),
    ),
    SHARES: NUMBERS,
    TRADES: NUMBERS,
    UPDATED: DATES,
    "summaryTypeCode": st.sampled_from(SUMMARY_TYPES),
    "totalNotionalSum": NUMBERS,
    "firmCRDNumber": st.sampled_from(["", "7059", "0007059", " 7059", "7059.0", "0", "nan", "x"]),
    "tierIdentifier": st.sampled_from(TIER_TEXTS),
    "productTypeCode": TEXTS,
    **dict.fromkeys(("weekStartDate", "summaryStartDate"), DATES),
    **dict.fromkeys(("initialPublishedDate", "lastReportedDate"), DATES),
}


@dataclass(frozen=True)
class Kind:
    """What the sound rows of a file have in common."""

    tier: str
    ats: bool
    published: str


KINDS = tuple(
    Kind(tier, ats, published)
    for tier, published in (
        ("OTC", "2025-12-22"),
        ("NMS Tier 1", "2025-12-08"),
        ("NMS Tier 2", "2025-12-22"),
    )
    for ats in (True, False)
)
_API_ID = {"OTC": "OTCE", "NMS Tier 1": "T1", "NMS Tier 2": "T2"}
FIRMS = ("ACME LLC", "De Minimis Firms", "BETA SECURITIES", "DE MINIMIS FIRMS")
VENUES = ("OTCX", "OTCN", "UBSA", "BIDS")


@st.composite
def sound_row(draw: Draw, kind: Kind) -> dict[str, str]:
    """A row without a defect; of few symbols and venues, so that keys repeat at times."""
    mpid = draw(st.sampled_from(VENUES)) if kind.ats else ""
    return {
        "tierDescription": kind.tier,
        "issueSymbolIdentifier": draw(st.sampled_from(["AAAA", "ABRpD", "ABRPD", "BRK.B", "ZZ"])),
        "issueName": draw(seldom(st.just("Alpha Corp"), st.just("Beta Inc"), 6)),
        "marketParticipantName": f"{mpid} VENUE" if mpid else draw(st.sampled_from(FIRMS)),
        "MPID": mpid,
        SHARES: str(draw(st.sampled_from([100, 1, "12.5", 6753871, 0, "0.000001", 2500000]))),
        TRADES: str(draw(st.sampled_from([1, 2, 0, 1204]))),
        UPDATED: draw(st.sampled_from([kind.published, kind.published, "2025-12-30"])),
        "summaryTypeCode": "ATS_W_SMBL_FIRM" if kind.ats else "OTC_W_SMBL_FIRM",
        "totalNotionalSum": draw(st.sampled_from(["1250.75", "163.70999999999998", "1.5E7"])),
        "firmCRDNumber": "" if kind.ats else draw(st.sampled_from(["", "7059", "8"])),
        "tierIdentifier": _API_ID[kind.tier],
        "productTypeCode": draw(seldom(st.just(""), st.just("UTP"), 6)),
        "weekStartDate": "2025-11-17",
        "summaryStartDate": "2025-11-17",
        "initialPublishedDate": kind.published,
        "lastReportedDate": "",
    }


@st.composite
def header_names(draw: Draw) -> list[str]:
    """FINRA's columns, at times in another order, with API columns, or wrong."""
    names = list(COLUMNS)
    shape = draw(st.integers(0, 19))
    if shape >= 10:
        names += draw(st.lists(st.sampled_from(API_COLUMNS), unique=True, max_size=4))
    if shape >= 14:
        names = draw(st.permutations(names))
    if shape == 19:
        place = draw(st.integers(0, len(names) - 1))
        names[place] = draw(st.sampled_from(["volume", "MPID", "", "mpid", names[0]]))
    if shape in (13, 17):
        names.append("historicalWeek")
    if shape == 18:
        names[0] = draw(st.sampled_from([" ", "\t", "\u00a0", "\x0c"])) + names[0] + " "
    return names


def _spoil_line(draw: Draw, text: bytes) -> bytes:
    """A line with one defect of the line as a whole."""
    place = draw(st.integers(0, len(text)))
    return draw(
        st.sampled_from(
            [
                text[:place],
                text + b"|",
                b"|" + text,
                text.replace(b"|", b"", 1),
                text + b"|" + text,
                text[:place] + b"\xe9" + text[place:],
                text.replace(b"Corp", b"Soci\xe9t\xe9"),
                text.replace(b"Corp", b"\xed\xa0\x80"),  # a lone surrogate is no UTF-8
                text.replace(b"|", b",", 1),
                b"",
                b" \t ",
                b"\x0c",
                b"\xc2\xa0",
                b"\xef\xbb\xbf" + text,
                text + b"\r",
                b"\r" + text,
                b'"' + text + b'"',
                b"#" + text,
                b"\x00",
                b"|" * 7,
            ]
        )
    )


def _likely(names: list[str]) -> list[str]:
    """Columns to spoil: quantities and dates are three times in four."""
    figures = [SHARES] * 5 + [TRADES] * 2 + [UPDATED] * 2
    known = [name for name in figures if name in names]
    return known * 3 + names if len(names) > len(COLUMNS) else known + names[:3]


@st.composite
def body_lines(draw: Draw, kind: Kind, names: list[str]) -> list[bytes]:
    """Lines below the header; a fifth of the files hold no defect at all."""
    in_fields, of_lines = draw(
        st.sampled_from([(0, 0), (1, 0), (2, 0), (3, 0), (3, 1), (1, 1), (0, 1), (5, 3)])
    )  # tenths of the lines that are spoiled
    lines: list[bytes] = []
    for _ in range(draw(st.sampled_from([4, 1, 2, 3, 5, 6, 7, 8, 9, 10, 12, 3, 4, 5, 6, 0]))):
        row = draw(sound_row(kind))
        if draw(st.integers(0, 9)) < in_fields:
            for name in draw(st.lists(st.sampled_from(_likely(names)), min_size=1, max_size=2)):
                row[name] = draw(DEFECTS.get(name, TEXTS)).replace("|", "").replace("\n", "")
        text = "|".join(row.get(name.strip(), "") for name in names).encode()
        if draw(st.integers(0, 9)) < of_lines:
            text = _spoil_line(draw, text)
        lines += [text] * draw(st.sampled_from([1, 1, 1, 1, 1, 1, 1, 2]))
    last = draw(st.integers(0, 39))
    if lines and last == 39:
        lines += [lines[-1]] * draw(st.sampled_from([12, 300]))
    if lines and last == 38:  # one line's lack is another's excess
        lines += [lines[-1].replace(b"|", b"", 1), lines[-1] + b"|"]
    if last == 37:
        lines += draw(two_versions(kind, names))
    return lines


@st.composite
def two_versions(draw: Draw, kind: Kind, names: list[str]) -> list[bytes]:
    """Lines of two versions of a file, joined: some of the symbols have other figures."""
    row = draw(sound_row(kind))
    lines = []
    for number in range(draw(st.integers(5, 9))):
        for shares in ("100", draw(st.sampled_from(["100", "101"]))):
            row |= {"issueSymbolIdentifier": f"J{number}", SHARES: shares}
            lines.append("|".join(row.get(name.strip(), "") for name in names).encode())
    return lines


@st.composite
def structured(draw: Draw, kinds: tuple[Kind, ...] = KINDS) -> tuple[Kind, bytes]:
    """A file of lines with a header, in any line ends."""
    kind = draw(st.sampled_from(kinds))
    names = draw(header_names())
    lines = ["|".join(names).encode(), *draw(body_lines(kind, names))]
    style = draw(st.sampled_from([b"\n"] * 12 + [b"\r\n"] * 4 + [b"mixed"] * 2 + [b"\r"]))
    mixed = [b"\n", b"\n", b"\r\n", b"\r", b"\r\r\n", b"\n\n", b"\n\r\n"]
    ends = [draw(st.sampled_from(mixed)) if style == b"mixed" else style for _ in lines]
    lead = draw(seldom(st.just(b""), st.sampled_from([BOM, b"\n", b"\r\n ", BOM + b"\n", BOM * 2])))
    tail = draw(
        seldom(
            st.just(b""),
            st.sampled_from([b"\n\n", b" ", b"\x00", b"\x1a", b"\r", b"\n\r", b"\r\r", b"\t\r\n"]),
        )
    )
    whole = lead + b"".join(line + end for line, end in zip(lines, ends, strict=True)) + tail
    if draw(st.integers(1, 6)) == 6:
        whole = whole.rstrip(b"\r\n")
    return kind, whole


@st.composite
def mutated(draw: Draw) -> tuple[Kind, bytes]:
    """A structured file with bytes changed, put in or taken out anywhere."""
    kind, whole = draw(structured())
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content)))
        taken = draw(st.integers(0, 3))
        content[place : place + taken] = draw(
            st.one_of(st.binary(max_size=3), st.sampled_from([b"\n", b"|", b"\r", b'"', BOM]))
        )
    return kind, bytes(content)


WILD = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=200).map(lambda noise: "|".join(COLUMNS).encode() + b"\n" + noise),
    st.sampled_from([b"", b"\n", b"\r", BOM, b" \r\n\t\n", b"<!DOCTYPE html><html>", b"|" * 99]),
    st.sampled_from([",", "\t", ";"]).map(lambda mark: mark.join(COLUMNS).encode() + b"\n1,2\n"),
    st.just(b"x|" * 20_000),
)
