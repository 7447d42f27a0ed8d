"""Who traded: what identifies a venue, whatever the spelling of its MPID, CRD number or name.

FINRA identifies an ATS by its MPID and a firm outside one by its name and, in the API, its CRD
number. Tools that save a file again write the same CRD as `116797.0` and nothing as `nan`. Belongs
here: every rule of identity, for files, tables and traces; in SQL the same rules are in
`otc/views/sql/otc_venue_id.sql`. Does not belong here: which rows are rejects (`row_rules`).
"""

from __future__ import annotations

import polars as pl

from spine_assets.core.weeks import VenueClass

DE_MINIMIS = "DE_MINIMIS"
"""Identity of FINRA's pool of firms below the reporting threshold."""
UNATTRIBUTED = "UNATTRIBUTED"
"""Identity of ATS volume that FINRA published without an MPID."""
BUCKETS = (DE_MINIMIS, UNATTRIBUTED)
"""Identities that are no venue: they are part of totals, and have no rank."""
NULL_WORDS = ("null", "None", "nan", "NaN", "N/A", "NULL")
"""What tools write for a blank value; blank in an MPID, a CRD number or a firm's name."""

_DE_MINIMIS_KEYS = ("de minimis", "de minimis firm", "de minimis firms")
_NO_LETTER_OR_DIGIT = r"[^\p{L}\p{N}]+"
_CRD = r"^0*([0-9]+?)(?:\.0*)?$"
_OTHER_IDENTITY = r"^(DE_MINIMIS$|CRD[0-9]+$|FIRM:)"  # of a firm outside an ATS; no MPID is one
_CHANCE = 8  # so many equal hashes of different keys there are never
_POOL_CRD = "0"  # the API's number for the pool


def is_bucket(venue_id: pl.Expr) -> pl.Expr:
    """Whether an identity is a bucket and no venue."""
    return venue_id.is_in(BUCKETS)


def without_null_word(text: pl.Expr) -> pl.Expr:
    """A trimmed text, blank where it is a word for nothing."""
    return pl.when(text.is_in(NULL_WORDS)).then(pl.lit("")).otherwise(text)


def crd_number(text: pl.Expr) -> pl.Expr:
    """The digits of a trimmed CRD number without leading zeros; null where it is none."""
    return text.str.extract(_CRD, 1)


def name_key(name: pl.Expr) -> pl.Expr:
    """A name without case, punctuation and repeated spaces, by which two spellings are equal."""
    return name.str.to_lowercase().str.replace_all(_NO_LETTER_OR_DIGIT, " ").str.strip_chars(" ")


def identified(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `venue_id` to rows of `otc_raw`.

    A venue is the MPID of an ATS; of a firm outside an ATS `CRD` and its number, else `FIRM:` and
    its name. FINRA's pool of small firms is `DE_MINIMIS`, an ATS row without an MPID is
    `UNATTRIBUTED`, as is one whose MPID reads as the identity of a firm. It is null where a row
    outside an ATS names no firm.
    """
    # Rows that an earlier version read may have the number and the MPID in any spelling.
    rows = respelled(rows, "firm_crd", crd_number(pl.col("firm_crd")))
    rows = respelled(rows, "mpid", without_null_word(pl.col("mpid")))
    firm, crd, mpid = pl.col("venue_name"), pl.col("firm_crd"), pl.col("mpid")
    is_ats = pl.col("venue_class") == VenueClass.ATS.value
    # Many rows have few different names, so each is compared once.
    mpids = rows.lazy().select(mpid.filter(is_ats).unique())
    others = mpids.filter(mpid.str.contains(_OTHER_IDENTITY)).collect()
    blanks = ["", *others["mpid"].to_list()]
    names = rows.lazy().select(firm.filter(~is_ats).unique())
    pools = names.filter(name_key(firm).is_in(_DE_MINIMIS_KEYS)).collect()["venue_name"].to_list()
    venue_id = (
        pl.when(is_ats)
        .then(pl.when(~mpid.is_in(blanks)).then(mpid).otherwise(pl.lit(UNATTRIBUTED)))
        .when((crd == _POOL_CRD) | firm.is_in(pools))
        .then(pl.lit(DE_MINIMIS))
        .when(crd.is_not_null())
        .then(pl.lit("CRD") + crd)
        .when(without_null_word(firm) != "")
        .then(pl.lit("FIRM:") + firm)
    )
    return rows.with_columns(venue_id=venue_id)


def respelled(rows: pl.DataFrame, name: str, spelling: pl.Expr) -> pl.DataFrame:
    """Rows with another spelling of a column, whose few different values are changed once each."""
    texts = rows.lazy().select(pl.col(name).unique()).with_columns(_other=spelling)
    changed = texts.filter(pl.col(name).ne_missing(pl.col("_other"))).collect()
    if changed.is_empty():
        return rows
    return rows.with_columns(pl.col(name).replace(changed[name], changed["_other"]))


def with_participants(one: pl.DataFrame, other: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of `otc_raw` of two files with the column `participant`: who executed each.

    Rows that break a rule have one too. It is the MPID, else the CRD number where both files have
    such, else the name: a download has no CRD numbers, and the same firm is the same participant in
    an answer of the API.
    """
    by_crd = _has_numbers(one) and _has_numbers(other)
    participant = _participant(by_crd=by_crd)
    return one.with_columns(participant=participant), other.with_columns(participant=participant)


def _has_numbers(rows: pl.DataFrame) -> bool:
    return rows["firm_crd"].null_count() < rows.height


def _participant(*, by_crd: bool) -> pl.Expr:
    name = name_key(pl.col("venue_name"))
    crd, named = pl.col("firm_crd"), pl.when(name != "").then(name)
    return pl.coalesce("mpid", *((crd, named) if by_crd else (named, crd)), pl.lit(""))


class Keys:
    """The symbols and participants of a file, found once however many others it is compared with.

    Two files are compared by the same participants as in `with_participants`. Keys are kept as
    hashes of 64 bits; where only a few are equal, the keys themselves are compared.
    """

    COLUMNS = ("symbol", "mpid", "firm_crd", "venue_name")
    """Of the rows that it is made of."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self._rows = rows.select(self.COLUMNS)
        self._has_numbers = _has_numbers(rows)
        self._found: dict[bool, frozenset[int]] = {}

    def is_disjoint(self, other: Keys) -> bool:
        """Whether two files have no key in common."""
        by_crd = self._has_numbers and other._has_numbers
        mine, theirs = self._hashes(by_crd=by_crd), other._hashes(by_crd=by_crd)
        equal = mine & theirs
        if not equal or len(equal) > min(_CHANCE, len(mine) // 2, len(theirs) // 2):
            return not equal
        rows, others = with_participants(self._rows, other._rows)
        return rows.join(others, on=["symbol", "participant"], how="semi").is_empty()

    def _hashes(self, *, by_crd: bool) -> frozenset[int]:
        found = self._found.get(by_crd)
        if found is None:
            key = pl.struct("symbol", participant=_participant(by_crd=by_crd))
            hashes = self._rows.select(key.hash()).to_series().unique()
            found = self._found[by_crd] = frozenset(hashes.to_list())
        return found


def known_by_crd(rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Rows in which a firm that is known by its name has the CRD number that others have for it.

    The number is taken where the name belongs to one alone, and no row has it already.

    Args:
        rows: `mpid` (identities) and `venue_name`, with any other columns.
        others: The same two columns, of another file or week.
    """
    mpid, key = pl.col("mpid"), name_key(pl.col("venue_name"))
    is_named, is_numbered = mpid.str.starts_with("FIRM:"), mpid.str.starts_with("CRD")
    named = rows.filter(is_named).select("mpid", "venue_name").unique()
    if named.is_empty():
        return rows
    numbered = others.filter(is_numbered).select("venue_name", "mpid").unique()
    numbers = (
        numbered.select(crd="mpid", key=key)
        .unique()
        .filter(pl.len().over("key") == 1, ~pl.col("crd").is_in(rows["mpid"].implode()))
    )
    found = named.select("mpid", key=key).unique().join(numbers, on="key").unique("mpid")
    return rows.with_columns(mpid.replace(found["mpid"], found["crd"]))
