"""Why a delivered line is not in the accepted rows (a reject), or a whole file is not used."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

_NAMED = 5  # how many offending values or lines a message names
_CHARS = 100  # of each; a value may be as long as a line


class FileRefused(Exception):
    """A file cannot be used as a whole; the message says what is wrong and what to do."""


def listed(values: Iterable[object]) -> str:
    """The first few of some offending values, sorted as text, for a message."""
    texts = sorted(str(value)[:_CHARS] if value != "" else "''" for value in values)
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return ", ".join(texts[:_NAMED]) + more


class Stage(StrEnum):
    """Where a line was rejected."""

    PARSE = "parse"
    RULE = "rule"


class RejectReason(StrEnum):
    """Primary reason of a reject; its `detail` has all of them."""

    # parse: the line cannot be typed
    FIELD_COUNT = "FIELD_COUNT"
    BAD_ENCODING = "BAD_ENCODING"
    BLANK_NUMBER = "BLANK_NUMBER"
    NOT_A_NUMBER = "NOT_A_NUMBER"
    TOO_PRECISE = "TOO_PRECISE"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    BAD_DATE = "BAD_DATE"
    FUTURE_DATE = "FUTURE_DATE"
    # rule: the typed row breaks a rule of the feed
    SUMMARY_TYPE = "SUMMARY_TYPE"
    BLANK_SYMBOL = "BLANK_SYMBOL"
    BLANK_MPID = "BLANK_MPID"
    NEGATIVE = "NEGATIVE"
    DUPLICATE_ROW = "DUPLICATE_ROW"
    CONFLICTING_KEY = "CONFLICTING_KEY"


ADVICE: dict[RejectReason, str] = {
    RejectReason.FIELD_COUNT: "the line has too few or too many fields; ask for the file again",
    RejectReason.BAD_ENCODING: "the line is not UTF-8; ask for the file again or re-encode it",
    RejectReason.BLANK_NUMBER: "a quantity is blank, which is not zero; ask FINRA for the figure",
    RejectReason.NOT_A_NUMBER: "write quantities as plain decimals:"
    " no separators, sign or exponent",
    RejectReason.TOO_PRECISE: "more than six decimal places cannot be kept exactly",
    RejectReason.OUT_OF_RANGE: "the quantity is larger than the type holds; likely a damaged line",
    RejectReason.BAD_DATE: "write dates as YYYY-MM-DD",
    RejectReason.FUTURE_DATE: "the date is after the day of capture; check the file and the clock",
    RejectReason.SUMMARY_TYPE: "the row repeats volume of other rows; fetch *_W_SMBL_FIRM only",
    RejectReason.BLANK_SYMBOL: "FINRA delivered no symbol; nothing to do, totals still reconcile",
    RejectReason.BLANK_MPID: "the row names no venue; check that the file's class is right",
    RejectReason.NEGATIVE: "volumes and counts cannot be negative; ask FINRA for the figure",
    RejectReason.DUPLICATE_ROW: "the row repeats an earlier one; the first was kept",
    RejectReason.CONFLICTING_KEY: "one venue has two figures for a symbol; the later update wins,"
    " without one both are out: ask FINRA which holds",
}
