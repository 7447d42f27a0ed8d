"""The parts of a content: rows by venue and control totals, of one class or of both.

A row's summary type names its part. Each part of a content is a delivery, and a capture, of its
own; all are of one week and tier. Does not belong here: which week and tier that is (`placement`).
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from spine_assets.core.tables import EXACT, exact_sum, exact_total
from spine_assets.core.weeks import VenueClass
from spine_assets.otc.delivery.file_format import ParsedFile
from spine_assets.otc.delivery.line_schema import SHARES, SUMMARY_TYPE
from spine_assets.otc.delivery.placement import (
    CLASS_PREFIXES,
    PREFIX_CHARS,
    Grain,
    Placement,
    place,
)
from spine_assets.otc.delivery.reasons import FileRefused

Part = tuple[VenueClass, Grain]
_TOTALS = ("SMBL", "FIRM", "VOL_STATS")
_ORDER = tuple((kind, grain) for grain in (Grain.VENUES, Grain.TOTALS) for kind in VenueClass)


def placements(parsed: ParsedFile, name: str) -> tuple[Placement, ...]:
    """Week, tier, class and grain of each part of a parsed content (`placement.place`).

    Raises:
        FileRefused: nothing of it can be placed.
    """
    first = place(parsed, name)
    found = named_parts(parsed)
    _require_named(parsed, found)
    if not found:
        return (first,)
    return tuple(replace(first, venue_class=kind, grain=grain) for kind, grain in found)


def named_parts(parsed: ParsedFile) -> list[Part]:
    """The parts that the summary types of a content name, in order; none where it has no such type.

    Rows by venue come before totals, and the class ATS before the other.
    """
    if SUMMARY_TYPE not in parsed.rows.columns:
        return []
    found = {_part_named(code) for code in parsed.rows[SUMMARY_TYPE].unique().to_list()}
    return [part for part in _ORDER if part in found]


def part_of(parsed: ParsedFile, venue_class: VenueClass, grain: Grain) -> ParsedFile:
    """The rows and rejects of one part of a content; the whole where it has no other.

    Lines of other parts are counted in `other_lines`. A row or reject of which no summary type
    with rows is known belongs to the first part.
    """
    parts = named_parts(parsed)
    wanted = (venue_class, grain)
    if not parts or parts == [wanted]:
        return parsed
    codes = {
        *parsed.rows[SUMMARY_TYPE].unique().to_list(),
        *parsed.rejects[SUMMARY_TYPE].unique().to_list(),
    }
    mine = [code for code in codes if _in_parts(code, parts) == wanted]
    is_mine = pl.col(SUMMARY_TYPE).is_in(mine, nulls_equal=True)
    rows, rejects = parsed.rows.filter(is_mine), parsed.rejects.filter(is_mine)
    others = [
        exact_sum(frame.filter(~is_mine)[column])
        for frame, column in (
            (parsed.rows, SHARES),
            (parsed.rejects, "share_volume"),
        )
    ]
    lines = parsed.rows.height + parsed.rejects.height
    return replace(
        parsed,
        rows=rows,
        rejects=rejects,
        # Not the sum of what is here: shares that were lost from the content are missing here too.
        shares=EXACT.subtract(parsed.shares, exact_total(others)),
        other_lines=lines - rows.height - rejects.height,
    )


def _part_named(code: str | None) -> Part | None:
    """The part of a summary type; one that is not known is judged with the rows by venue."""
    kind = CLASS_PREFIXES.get((code or "")[:PREFIX_CHARS])
    if code is None or kind is None:
        return None
    return kind, Grain.TOTALS if code[PREFIX_CHARS:] in _TOTALS else Grain.VENUES


def _in_parts(code: str | None, parts: list[Part]) -> Part:
    named = _part_named(code)
    return named if named in parts else parts[0]


def _require_named(parsed: ParsedFile, parts: list[Part]) -> None:
    """Refuse a content of several parts in which the part of a row is not known."""
    if len(parts) <= 1 and (not parts or parts[0][1] is Grain.VENUES):
        return
    blank = parsed.rows.filter(pl.col(SUMMARY_TYPE) == "")
    if blank.height:
        raise FileRefused(
            f"{SUMMARY_TYPE} is blank in {blank.height:,} rows, first on line "
            f"{blank['source_line'][0]}, while others are of several kinds; download it again"
        )
