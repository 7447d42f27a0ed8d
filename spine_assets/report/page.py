"""Renders pages from values, with templates that escape all delivered text."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any

import polars as pl

from spine_assets.core.text import Shown
from spine_assets.core.values import csv_text
from spine_assets.report.headings import explained

if TYPE_CHECKING:
    import jinja2

_UNITS = ((1e12, "T"), (1e9, "bn"), (1e6, "M"), (1e3, "k"))
_TEXT_CHARS = 2_000  # of one text; the longest of ours is a paragraph
_NONE = "–"  # noqa: RUF001 - a dash, not a minus


def render(template: str, **values: Any) -> str:
    """Fill a template of this package."""
    return _templates().get_template(template).render(**values)


@cache
def _templates() -> jinja2.Environment:
    import jinja2  # a tenth of a second, and most processes render no page

    def shown(value: Any) -> Any:
        """A value as a page has it: text that is no markup of ours is bounded and escaped."""
        is_text = isinstance(value, str) and not hasattr(value, "__html__")
        return Shown(value, _TEXT_CHARS) if is_text else value

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("spine_assets.report"),
        autoescape=True,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "whole": whole,
        "short": short,
        "pct": percent,
        "signed": signed,
        "ratio": partial(percent, places=4),
        "minute": minute,
        "whole_or_one": partial(_at_most, 1),
        "explained": explained,
        "csv_link": csv_link,
        "script_json": script_json,
    }
    return environment


def whole(value: Decimal | float | None) -> str:
    """A quantity with all its digits, `943,802,893`; fractional shares keep their places."""
    if value is None:
        return _NONE
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,f}".rstrip("0").rstrip(".")


def short(value: Decimal | float | None) -> str:
    """A quantity to three digits, `944 M`."""
    if value is None:
        return _NONE
    rough = float(f"{value:.3g}")  # 999,999 is 1 M
    for size, unit in _UNITS:
        if abs(rough) >= size:
            return f"{rough / size:#.3g}".rstrip(".") + f" {unit}"
    return whole(value)


def percent(value: float | None, places: int = 2) -> str:
    """Percent or points without a sign, `13.70`."""
    return _NONE if value is None else f"{value:.{places}f}"


def signed(value: float | None, places: int = 2) -> str:
    """A change, `+1.25`; a real minus sign lines up with the plus."""
    if value is None:
        return _NONE
    text = f"{value:+,.{places}f}"
    return text.replace("-", "−")  # noqa: RUF001 - typography on purpose


def minute(value: datetime | date | None) -> str:
    """A time in UTC to the minute."""
    if value is None:
        return _NONE
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value)


def csv_link(rows: pl.DataFrame | Sequence[Mapping[str, Any]]) -> str:
    """Rows as a link that holds them as CSV, so that a page stays one file."""
    if isinstance(rows, pl.DataFrame):
        names, values = rows.columns, list(rows.iter_rows())
    else:
        names = list(dict.fromkeys(name for row in rows for name in row))
        values = [tuple(row.get(name) for name in names) for row in rows]
    written = base64.b64encode(csv_text(names, values).encode()).decode()
    return f"data:text/csv;charset=utf-8;base64,{written}"


def source(name: str) -> str:
    """The text of a file beside the templates."""
    return resources.files(__package__).joinpath("templates", name).read_text("utf-8")


def script_hash(script: str) -> str:
    """What a page's policy names, so that its browser runs this script and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def script_json(value: Any) -> str:
    """A value as JSON within a script element, which no text of it can end; safe as it is."""
    return json.dumps(value, separators=(",", ":"), default=str).replace("<", "\\u003c")


def _at_most(places: int, value: float | None) -> str:
    return _NONE if value is None else f"{value:,.{places}f}"
