"""Why a delivered line is not in the accepted rows (a reject), or a whole file is not used.

Belongs here: the reasons, how bad each is, and what to do about it. Does not belong here: how a
line is judged (`line_schema`, `line_split`, `row_rules`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from spine_assets.core.errors import Explained
from spine_assets.core.text import Shown, named

_NAMED = 5  # how many offending values or lines a message names
_CHARS = 100  # of each; a value may be as long as a line


class FileRefused(Explained):
    """A file cannot be used as a whole; the message says what is wrong and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(Shown(message))


def listed(values: Iterable[object]) -> str:
    """The first few of some offending values, sorted as text, for a message."""
    texts = sorted("''" if value == "" else str(value)[:_CHARS] for value in values)
    return named(texts, most=_NAMED, chars=_CHARS)


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
    IMPLAUSIBLE = "IMPLAUSIBLE"
    BAD_DATE = "BAD_DATE"
    FUTURE_DATE = "FUTURE_DATE"
    ODD_CHARACTER = "ODD_CHARACTER"
    # rule: the typed row breaks a rule of the feed
    SUMMARY_TYPE = "SUMMARY_TYPE"
    BLANK_SYMBOL = "BLANK_SYMBOL"
    BLANK_MPID = "BLANK_MPID"
    NEGATIVE = "NEGATIVE"
    DUPLICATE_ROW = "DUPLICATE_ROW"
    CONFLICTING_KEY = "CONFLICTING_KEY"


class LineSeverity(StrEnum):
    """How bad it is that a line breaks a check.

    In Dagster INFO is counted by a check that passes, WARNING is a check that fails with the
    severity WARN, and ERROR one that fails with the severity ERROR.
    """

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class LineCheck:
    """What must be true of a delivered line, under the name of its reason.

    Attributes:
        stage: Where it is judged.
        holds: What is true of a line that passes.
        advice: What to do about one that does not.
        severity: How bad one such line is.
    """

    stage: Stage
    holds: str
    advice: str
    severity: LineSeverity = LineSeverity.WARNING


LINE_CHECKS: dict[RejectReason, LineCheck] = {
    RejectReason.FIELD_COUNT: LineCheck(
        Stage.PARSE,
        "The line has as many fields as the header, or is certain in spite of a name with the "
        "separator.",
        "the line has too few or too many fields; ask for the file again",
    ),
    RejectReason.BAD_ENCODING: LineCheck(
        Stage.PARSE,
        "The line is UTF-8.",
        "the line is not UTF-8; ask for the file again or re-encode it",
    ),
    RejectReason.BLANK_NUMBER: LineCheck(
        Stage.PARSE,
        "Shares and trades are not blank.",
        "a quantity is blank, which is not zero; ask FINRA for the figure",
    ),
    RejectReason.NOT_A_NUMBER: LineCheck(
        Stage.PARSE,
        "A number is a plain decimal.",
        "write quantities as plain decimals: no separators, sign or exponent",
    ),
    RejectReason.TOO_PRECISE: LineCheck(
        Stage.PARSE,
        "A number has at most six decimal places that are not zero.",
        "more than six decimal places cannot be kept exactly",
    ),
    RejectReason.OUT_OF_RANGE: LineCheck(
        Stage.PARSE,
        "A number fits its type.",
        "the quantity is larger than the type holds; likely a damaged line",
    ),
    RejectReason.IMPLAUSIBLE: LineCheck(
        Stage.PARSE,
        "A row has at most 10^12 shares and 10^10 trades.",
        "no venue trades so much of one symbol in a week; ask FINRA for the figure",
        LineSeverity.ERROR,
    ),
    RejectReason.BAD_DATE: LineCheck(
        Stage.PARSE, "A date is one of the calendar.", "write dates as YYYY-MM-DD"
    ),
    RejectReason.FUTURE_DATE: LineCheck(
        Stage.PARSE,
        "A date is not after the day on which the file is read.",
        "the date is after today; check the file and the clock. From that day on the next run "
        "judges the line again",
    ),
    RejectReason.ODD_CHARACTER: LineCheck(
        Stage.PARSE,
        "Symbol and MPID have no white space but spaces and tabs, and no invisible characters.",
        "a symbol or MPID has an invisible character inside; ask for the file again",
    ),
    RejectReason.SUMMARY_TYPE: LineCheck(
        Stage.RULE,
        "The row is of one venue and symbol.",
        "the row repeats volume of other rows; fetch *_W_SMBL_FIRM only",
    ),
    RejectReason.BLANK_SYMBOL: LineCheck(
        Stage.RULE,
        "The row names a symbol.",
        "FINRA delivered no symbol; nothing to do, totals still reconcile",
    ),
    RejectReason.BLANK_MPID: LineCheck(
        Stage.RULE,
        "A row outside an ATS names a firm, by CRD number or name.",
        "the row names no venue; check that the file's class is right",
    ),
    RejectReason.NEGATIVE: LineCheck(
        Stage.RULE,
        "Shares and trades are not negative.",
        "volumes and counts cannot be negative; ask FINRA for the figure",
    ),
    RejectReason.DUPLICATE_ROW: LineCheck(
        Stage.RULE,
        "No other line of the file is equal in every field.",
        "the line repeats an earlier one in every field; the first was kept",
    ),
    RejectReason.CONFLICTING_KEY: LineCheck(
        Stage.RULE,
        "The file is not two versions of one file, joined.",
        "the file holds two versions of many rows, and both are out; ask for the file again",
        LineSeverity.ERROR,
    ),
}

ADVICE = {reason: check.advice for reason, check in LINE_CHECKS.items()}
"""What to do about a rejected line."""
